output "worker_policy_arn" {
  description = "The policy of all workers, beside that of their jobs."
  value       = aws_iam_policy.worker.arn
}

output "betting_policy_arn" {
  description = "The policy of workers that decide bets, settle questions and close windows."
  value       = aws_iam_policy.betting.arn
}

output "mail_policy_arn" {
  description = "The policy of workers that write and send letters."
  value       = aws_iam_policy.mail.arn
}

output "producer_policy_arn" {
  description = "The policy of producers, for roles that exist already."
  value       = aws_iam_policy.producer.arn
}

output "producer_role_arn" {
  description = "The role of producers; nothing where no principals are named."
  value       = one(aws_iam_role.producer[*].arn)
}

output "analyst_policy_arn" {
  description = "The policy of analysts, for roles that exist already."
  value       = aws_iam_policy.analyst.arn
}

output "analyst_role_arn" {
  description = "The role of analysts; nothing where no principals are named."
  value       = one(aws_iam_role.analyst[*].arn)
}
