variable "prefix" {
  description = "What names begin with."
  type        = string
}

variable "name" {
  description = "The service's name: what these workers do."
  type        = string
}

variable "cluster_arn" {
  description = "The ECS cluster."
  type        = string
}

variable "cluster_name" {
  description = "The ECS cluster's name."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the workers."
  type        = list(string)
}

variable "security_group_ids" {
  description = "Security groups of the workers. They need TLS to AWS and nothing from outside."
  type        = list(string)
}

variable "assign_public_ip" {
  description = "Whether workers have public addresses, which they need in public subnets."
  type        = bool
  default     = true
}

variable "image" {
  description = "An image with `oddsmill` on its path, by digest or by a tag that never moves."
  type        = string
}

variable "repository_arn" {
  description = "The ECR repository of the image; nothing for an image from elsewhere."
  type        = string
  default     = null
}

variable "jobs" {
  description = "The jobs that these workers run; none for all."
  type        = list(string)
  default     = []
}

variable "settings" {
  description = "The program's settings by their variables: ODDSMILL_AWS_PREFIX and so on."
  type        = map(string)

  validation {
    condition     = alltrue([for name in keys(var.settings) : startswith(name, "ODDSMILL_")])
    error_message = "settings are variables of the program: each name begins with ODDSMILL_."
  }
}

variable "secrets" {
  description = "Settings that are secret: ARNs of Secrets Manager secrets by the setting's variable, such as ODDSMILL_AWS_ENVELOPE_SECRET."
  type        = map(string)
  default     = {}
}

variable "policies" {
  description = "What these workers may do: policies' ARNs, by any name."
  type        = map(string)
}

variable "kms_key_arn" {
  description = "The key that encrypts the log group, and secrets if it encrypts them."
  type        = string
}

variable "cpu" {
  description = "A worker's CPU units; 1024 is one core."
  type        = number
  default     = 1024
}

variable "memory" {
  description = "A worker's memory in MiB. All reads together hold 192 MiB; window states and rows come on top."
  type        = number
  default     = 2048
}

variable "cpu_architecture" {
  description = "What the image is for: X86_64 or ARM64."
  type        = string
  default     = "ARM64"
}

variable "stop_seconds" {
  description = "How long a worker may take to checkpoint its shards and let its leases go; longer than run.drain_timeout, which is 30 s."
  type        = number
  default     = 60

  validation {
    condition     = var.stop_seconds >= 35 && var.stop_seconds <= 120
    error_message = "stop_seconds is from 35, which run.drain_timeout needs, to 120, which Fargate allows."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 30
}

variable "min_workers" {
  description = "Workers at the quietest hour; two, so that one may be lost."
  type        = number
  default     = 2
}

variable "max_workers" {
  description = "Workers at the busiest hour. More than there are shards have nothing to do."
  type        = number
  default     = 16
}

variable "lag_metrics" {
  description = "The metrics of the streams that these workers read that say how far they are behind, in milliseconds, by stream."
  type = map(object({
    name       = string
    dimensions = map(string)
  }))

  validation {
    condition     = length(var.lag_metrics) >= 1 && length(var.lag_metrics) <= 8
    error_message = "lag_metrics has from 1 to 8 streams: an alarm compares ten metrics at most, and two are of CPU and of its outcome."
  }
}

variable "lag_high_ms" {
  description = "Workers are added while the furthest shard is more than this behind."
  type        = number
  default     = 15000
}

variable "lag_very_high_ms" {
  description = "Half as many workers again are added while the furthest shard is more than this behind."
  type        = number
  default     = 120000
}

variable "lag_low_ms" {
  description = "Workers are taken away only while the furthest shard is less than this behind."
  type        = number
  default     = 5000
}

variable "cpu_high_percent" {
  description = "Workers are added to keep the average CPU use at this."
  type        = number
  default     = 60
}

variable "cpu_low_percent" {
  description = "Workers are taken away only while the average CPU use is below this."
  type        = number
  default     = 30
}
