output "topic_arns" {
  description = "The topics of status changes."
  value       = aws_sns_topic.mail[*].arn
}
