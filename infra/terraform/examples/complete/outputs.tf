output "streams" {
  description = "The streams' names, by their names without the prefix."
  value       = module.streams.names
}

output "states" {
  description = "Where window states and Parquet files are."
  value       = module.storage.states
}

output "producer_role_arn" {
  description = "The role of producers; nothing where no principals are named."
  value       = module.access.producer_role_arn
}

output "producer_policy_arn" {
  description = "The policy of producers, for roles that exist already."
  value       = module.access.producer_policy_arn
}

output "analyst_role_arn" {
  description = "The role of analysts; nothing where no principals are named."
  value       = module.access.analyst_role_arn
}

output "analyst_policy_arn" {
  description = "The policy of analysts, for roles that exist already."
  value       = module.access.analyst_policy_arn
}

output "worker_roles" {
  description = "The roles of the workers, by what they do."
  value       = { for name, workers in module.workers : name => workers.task_role_arn }
}

output "alarms_topic_arn" {
  description = "The topic that alarms go to, for other subscriptions."
  value       = module.observability.alarms_topic_arn
}

output "dashboard" {
  description = "The dashboard's name in CloudWatch."
  value       = module.observability.dashboard_name
}
