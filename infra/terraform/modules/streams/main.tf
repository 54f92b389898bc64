# The streams, named as the program names them. It registers its enhanced fan-out consumers itself, and
# where it may not or need not, it polls.

locals {
  # As in `streams` of jobs/src/node.rs.
  names = toset([
    "bets",
    "dead-letters",
    "frames",
    "game-events",
    "late-bets",
    "notifications",
    "odds",
    "quotes",
    "settlements",
    "windows",
  ])

  # Streams that workers read without a pause, so that a lag without data means that nobody reads.
  read = toset(["bets", "game-events", "notifications"])

  consumer = "${var.prefix}workers"
}

resource "aws_kinesis_stream" "this" {
  for_each = local.names

  name             = "${var.prefix}${each.key}"
  shard_count      = lookup(var.shards, each.key, null)
  retention_period = var.retention_hours
  encryption_type  = "KMS"
  kms_key_id       = var.kms_key_arn

  # Consumers that workers registered go with the stream.
  enforce_consumer_deletion = true

  stream_mode_details {
    stream_mode = contains(keys(var.shards), each.key) ? "PROVISIONED" : "ON_DEMAND"
  }

  lifecycle {
    precondition {
      condition     = length(setsubtract(keys(var.shards), local.names)) == 0
      error_message = "shards names streams that there are not: ${join(", ", setsubtract(keys(var.shards), local.names))}. The streams are ${join(", ", local.names)}."
    }
  }
}
