variable "prefix" {
  description = "What the names of streams, tables and log groups begin with."
  type        = string
}

variable "deletion_window_days" {
  description = "Days between a deletion of the key and its end; until then it can be taken back."
  type        = number
  default     = 30
}
