variable "prefix" {
  description = "What the tables' names begin with; the program's aws.prefix."
  type        = string
}

variable "kms_key_arn" {
  description = "The key that encrypts the tables."
  type        = string
}

variable "point_in_time_recovery" {
  description = "Whether tables can be set back to any second of the last 35 days. The lease table never is: old leases would read what is done once more."
  type        = bool
  default     = true
}

variable "deletion_protection" {
  description = "Whether tables are kept from being deleted until this is switched off."
  type        = bool
  default     = true
}
