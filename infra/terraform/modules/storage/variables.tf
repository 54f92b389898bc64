variable "prefix" {
  description = "What names begin with."
  type        = string
}

variable "kms_key_arn" {
  description = "The key that encrypts objects."
  type        = string
}

variable "folder" {
  description = "The folder of the bucket that workers use."
  type        = string
  default     = "live"

  validation {
    condition     = can(regex("^[a-z0-9-]+$", var.folder))
    error_message = "folder is one name of small letters, digits and hyphens, without a slash."
  }
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may delete a bucket that has objects in it."
  type        = bool
  default     = false
}
