variable "prefix" {
  description = "What names begin with."
  type        = string
}

variable "kms_key_arn" {
  description = "The key that encrypts the topic of alarms."
  type        = string
}

variable "emails" {
  description = "Addresses that alarms are mailed to; each must confirm it once."
  type        = list(string)
  default     = []
}

variable "stream_names" {
  description = "The streams' names in Kinesis, by their names without the prefix."
  type        = map(string)
}

variable "lag_metrics" {
  description = "The metrics that say how far the workers of each read stream are behind, in milliseconds."
  type = map(object({
    name       = string
    dimensions = map(string)
  }))
}

variable "table_names" {
  description = "The tables' names in DynamoDB, by their names without the prefix."
  type        = map(string)
}

variable "services" {
  description = "The workers' services, by what they do: their ECS service and log group."
  type = map(object({
    service   = string
    log_group = string
  }))
}

variable "cluster_name" {
  description = "The ECS cluster of the services."
  type        = string
}

variable "dead_queue_name" {
  description = "The queue of bounces that could not be worked on; nothing where mails do not go through SES."
  type        = string
  default     = null
}

variable "namespace" {
  description = "The namespace of the program's own metrics."
  type        = string
  default     = "Oddsmill"
}

variable "lag_ms" {
  description = "A stream's workers are this far behind for five minutes: longer than autoscaling takes to help."
  type        = number
  default     = 60000
}

variable "dead_letters" {
  description = "More dead letters than this in five minutes: one producer's mistake makes a few, a broken producer or release many."
  type        = number
  default     = 10
}

variable "throttles" {
  description = "More refused requests than this a minute, on one stream or table, for five minutes. Short bursts are waited out."
  type        = number
  default     = 10
}

variable "outbox_age_ms" {
  description = "The letter that is due the longest waits this long for ten minutes."
  type        = number
  default     = 300000
}

variable "lease_moves" {
  description = "More leases taken than this in ten minutes, all workers together, for half an hour. A deploy or a change of scale takes each lease once or twice and is over in less."
  type        = number
  default     = 100
}

variable "errors" {
  description = "More lines of level ERROR than this in five minutes."
  type        = number
  default     = 0
}
