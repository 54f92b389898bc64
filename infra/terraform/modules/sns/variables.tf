variable "prefix" {
  description = "What the topics' names begin with; the program's aws.prefix."
  type        = string
}

variable "kms_key_arn" {
  description = "The key that encrypts the topics."
  type        = string
}

variable "topics" {
  description = "How many topics there are: each has 200 people by email, who are spread over them by their ids. Topics are only ever added; who is subscribed stays where he is."
  type        = number
  default     = 1

  validation {
    condition     = var.topics >= 1 && var.topics <= 50 && floor(var.topics) == var.topics
    error_message = "topics is a whole number from 1 to 50: an account has 10,000 filter policies in a region, and a topic 200 of them."
  }
}
