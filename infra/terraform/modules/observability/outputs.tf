output "alarms_topic_arn" {
  description = "The topic that alarms go to."
  value       = aws_sns_topic.alarms.arn
}

output "dashboard_name" {
  description = "The dashboard's name in CloudWatch."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}
