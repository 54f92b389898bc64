variable "region" {
  description = "The AWS region."
  type        = string
  default     = "us-east-1"
}

variable "prefix" {
  description = "What the names of everything begin with. Two deployments in one account have two prefixes."
  type        = string
  default     = "oddsmill-"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}-$", var.prefix))
    error_message = "prefix is 2 to 21 small letters, digits and hyphens, from a letter to a hyphen, such as \"oddsmill-\"."
  }
}

variable "image" {
  description = "An image with `oddsmill` on its path, built with the feature aws, by digest or by a tag that never moves."
  type        = string
}

variable "repository_arn" {
  description = "The ECR repository of the image; nothing for an image from elsewhere."
  type        = string
  default     = null
}

variable "cpu_architecture" {
  description = "What the image is for: X86_64 or ARM64."
  type        = string
  default     = "ARM64"
}

variable "mail_server" {
  description = "How mails go out: ses, for volume and HTML, or sns, for programs and a few thousand people in plain text."
  type        = string
  default     = "ses"

  validation {
    condition     = contains(["ses", "sns"], var.mail_server)
    error_message = "mail_server is ses or sns."
  }
}

variable "sender" {
  description = "The domain or the address that SES sends mails from; needed where mail_server is ses."
  type        = string
  default     = null

  validation {
    condition     = var.mail_server != "ses" || var.sender != null
    error_message = "sender is not set: name the domain or the address that mails come from, or set mail_server to sns."
  }
}

variable "topics" {
  description = "Topics of status changes where mail_server is sns, for 200 people each."
  type        = number
  default     = 1
}

variable "mail_from" {
  description = "Who the mails are from, with an address of the sender's: \"Oddsmill <bets@example.com>\"."
  type        = string
}

variable "alarm_emails" {
  description = "Addresses that alarms are mailed to."
  type        = list(string)
  default     = []
}

variable "fan_out" {
  description = "Whether shards are read by enhanced fan-out: 70 ms from a record to its worker in place of 200 ms, for a quarter more a gigabyte read."
  type        = bool
  default     = false
}

variable "shards" {
  description = "Shards of streams that are provisioned, by name; all others are on demand."
  type        = map(number)
  default     = {}
}

variable "split_jobs" {
  description = "Whether bets and mail are services of their own, each with only its own rights, for a program whose `run --log kinesis` takes jobs; otherwise every worker does everything."
  type        = bool
  default     = false
}

variable "max_workers" {
  description = "Workers that decide bets, at most."
  type        = number
  default     = 16
}

variable "secrets" {
  description = "Secret settings: ARNs of Secrets Manager secrets by variable, such as ODDSMILL_AWS_ENVELOPE_SECRET or ODDSMILL_MAIL_LINK_SECRET."
  type        = map(string)
  default     = {}
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

variable "disposable" {
  description = "Whether `terraform destroy` may delete tables and objects: for trying it out."
  type        = bool
  default     = false
}
