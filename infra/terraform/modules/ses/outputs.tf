output "access" {
  description = "What senders need rights to: the identity, the configuration set and the queue of bounces."
  value = {
    identity_arn          = aws_sesv2_email_identity.sender.arn
    configuration_set_arn = aws_sesv2_configuration_set.this.arn
    bounces_queue_arn     = aws_sqs_queue.bounces.arn
  }
}

output "configuration_set" {
  description = "The name of the configuration set that mails are sent with."
  value       = aws_sesv2_configuration_set.this.configuration_set_name
}

output "bounces_dead_queue_name" {
  description = "The queue of bounces that could not be worked on."
  value       = aws_sqs_queue.bounces_dead.name
}
