variable "prefix" {
  description = "What the streams' names begin with; the program's aws.prefix."
  type        = string
}

variable "kms_key_arn" {
  description = "The key that encrypts the streams."
  type        = string
}

variable "shards" {
  description = "Shards of streams that are provisioned, by the stream's name without the prefix. All others are on demand and grow by themselves."
  type        = map(number)
  default     = {}

  validation {
    condition     = alltrue([for count in values(var.shards) : count >= 1 && floor(count) == count])
    error_message = "shards gives a whole number of shards, at least 1, for each stream that is named; leave a stream out to have it on demand."
  }
}

variable "retention_hours" {
  description = "How long records can be read again. Snapshots that were lost are rebuilt from the log, so it bounds how long an outage may last."
  type        = number
  default     = 168

  validation {
    condition     = var.retention_hours >= 24 && var.retention_hours <= 8760
    error_message = "retention_hours is from 24 (a day) to 8760 (a year)."
  }
}

variable "fan_out" {
  description = "Whether workers read by enhanced fan-out. It says which metric tells their lag."
  type        = bool
  default     = false
}
