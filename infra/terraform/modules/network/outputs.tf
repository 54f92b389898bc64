output "subnet_ids" {
  description = "The subnets of the workers."
  value       = aws_subnet.this[*].id
}

output "security_group_ids" {
  description = "The security group of the workers."
  value       = [aws_security_group.workers.id]
}
