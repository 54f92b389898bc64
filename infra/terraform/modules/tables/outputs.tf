output "names" {
  description = "The tables' names in DynamoDB, by their names without the prefix."
  value       = { for name, table in aws_dynamodb_table.this : name => table.name }
}

output "arns" {
  description = "The tables' ARNs, by their names without the prefix."
  value       = { for name, table in aws_dynamodb_table.this : name => table.arn }
}
