variable "prefix" {
  description = "What names begin with; the program's aws.prefix."
  type        = string
}

variable "kms_key_arn" {
  description = "The key that encrypts the topic and the queues."
  type        = string
}

variable "sender" {
  description = "The domain or the address that mails come from. Its owner must confirm it: SES shows the DNS records of a domain, and writes to an address."
  type        = string
}

variable "bounce_attempts" {
  description = "How often a bounce is tried before it goes to the dead-letter queue."
  type        = number
  default     = 5
}
