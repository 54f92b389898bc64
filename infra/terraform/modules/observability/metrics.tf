# The program's own metrics. It prints those of its registry itself, once a minute, as lines in CloudWatch's
# embedded metric format, from which CloudWatch Logs makes metrics with the dimension `prefix`. Two more
# are counted here from its log lines.

locals {
  dimensions = { prefix = var.prefix }

  # As the program names them: counters are what came since the line before.
  dead_letters = "engine.dead_letter.records"
  outbox_age   = "mail.outbox_age.ms"
  lease_moves  = "lease.taken.leases"
  errors       = "log.error.lines"
}

# "lease taken", with the lease and the worker: a shard has a new owner.
resource "aws_cloudwatch_log_metric_filter" "lease_moves" {
  for_each = var.services

  name           = "${var.prefix}lease-moves"
  log_group_name = each.value.log_group
  pattern        = "\"lease taken\""

  metric_transformation {
    namespace     = var.namespace
    name          = "${var.prefix}${local.lease_moves}"
    value         = "1"
    unit          = "Count"
    default_value = "0"
  }
}

# "TIME ERROR TARGET: …", as the program's lines begin.
resource "aws_cloudwatch_log_metric_filter" "errors" {
  for_each = var.services

  name           = "${var.prefix}errors"
  log_group_name = each.value.log_group
  pattern        = "[time, level = ERROR, ...]"

  metric_transformation {
    namespace     = var.namespace
    name          = "${var.prefix}${local.errors}"
    value         = "1"
    unit          = "Count"
    default_value = "0"
  }
}
