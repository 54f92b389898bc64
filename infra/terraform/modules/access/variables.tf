variable "prefix" {
  description = "What names begin with."
  type        = string
}

variable "stream_arns" {
  description = "The streams' ARNs, by their names without the prefix."
  type        = map(string)
}

variable "consumer" {
  description = "The name under which workers register for enhanced fan-out."
  type        = string
}

variable "fan_out" {
  description = "Whether workers read by enhanced fan-out; without it they may not register for it."
  type        = bool
  default     = false
}

variable "table_arns" {
  description = "The tables' ARNs, by their names without the prefix."
  type        = map(string)
}

variable "bucket_arn" {
  description = "The bucket of states and Parquet files."
  type        = string
}

variable "folder" {
  description = "The folder in it."
  type        = string
}

variable "kms_key_arn" {
  description = "The key that encrypts all of it."
  type        = string
}

variable "ses" {
  description = "What mails are sent with where mail.server is ses: the identity that they come from, the configuration set, and the queue of bounces; nothing where it is not."
  type = object({
    identity_arn          = string
    configuration_set_arn = string
    bounces_queue_arn     = string
  })
  default = null
}

variable "sns_topic_arns" {
  description = "The topics of status changes where mail.server is sns; none where it is not."
  type        = list(string)
  default     = []
}

variable "producer_principals" {
  description = "ARNs of the roles or users that may become producers."
  type        = list(string)
  default     = []
}

variable "analyst_principals" {
  description = "ARNs of the roles or users that may become analysts."
  type        = list(string)
  default     = []
}
