variable "prefix" {
  description = "What names begin with."
  type        = string
}

variable "cidr" {
  description = "The network's addresses; each zone gets a sixteenth of them."
  type        = string
  default     = "10.42.0.0/20"
}

variable "zones" {
  description = "How many availability zones have a subnet."
  type        = number
  default     = 2

  validation {
    condition     = var.zones >= 2 && var.zones <= 6
    error_message = "zones is the number of availability zones: choose from 2, so that one may fail, to 6."
  }
}
