output "service_name" {
  description = "The ECS service's name."
  value       = aws_ecs_service.this.name
}

output "log_group_name" {
  description = "The workers' log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "task_role_arn" {
  description = "The workers' role."
  value       = aws_iam_role.task.arn
}
