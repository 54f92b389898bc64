# The tables, with the keys and indexes that the program expects: see `tables` in
# pipeline/src/adapters/aws/setup.rs, and leases.rs for the lease table, which is the one of the Amazon
# Kinesis Client Library. All are on demand: bets come in peaks, and what is not used costs nothing.

locals {
  # An index is sorted by the table's partition key and holds keys alone.
  tables = {
    bets = {
      hash    = "id", range = null, range_type = null, ttl = null
      indexes = { bettor-index = "bettor", question_uuid-index = "question_uuid" }
    }
    decisions    = { hash = "id", range = null, range_type = null, ttl = "expires", indexes = {} }
    leases       = { hash = "leaseKey", range = null, range_type = null, ttl = null, indexes = { LeaseOwnerToLeaseKeyIndex = "leaseOwner" } }
    odds_windows = { hash = "window_key", range = "group_key", range_type = "S", ttl = null, indexes = {} }
    outbox       = { hash = "id", range = null, range_type = null, ttl = null, indexes = {} }
    questions    = { hash = "id", range = null, range_type = null, ttl = null, indexes = {} }
    state        = { hash = "t", range = "k", range_type = "B", ttl = null, indexes = {} }
    streamers    = { hash = "id", range = null, range_type = null, ttl = null, indexes = {} }
    streams      = { hash = "id", range = null, range_type = null, ttl = null, indexes = {} }
    sums         = { hash = "id", range = "shard", range_type = "S", ttl = null, indexes = {} }
    users        = { hash = "id", range = null, range_type = null, ttl = null, indexes = {} }
  }

  # The types of all attributes that are keys somewhere.
  attributes = {
    for name, table in local.tables : name => merge(
      { for hash in concat([table.hash], values(table.indexes)) : hash => "S" },
      { for range in compact([table.range]) : range => table.range_type },
    )
  }
}

resource "aws_dynamodb_table" "this" {
  for_each = local.tables

  name                        = "${var.prefix}${each.key}"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = each.value.hash
  range_key                   = each.value.range
  deletion_protection_enabled = var.deletion_protection

  dynamic "attribute" {
    for_each = local.attributes[each.key]

    content {
      name = attribute.key
      type = attribute.value
    }
  }

  dynamic "global_secondary_index" {
    for_each = each.value.indexes

    content {
      name            = global_secondary_index.key
      hash_key        = global_secondary_index.value
      range_key       = each.value.hash
      projection_type = "KEYS_ONLY"
    }
  }

  dynamic "ttl" {
    for_each = compact([each.value.ttl])

    content {
      enabled        = true
      attribute_name = ttl.value
    }
  }

  point_in_time_recovery {
    enabled = var.point_in_time_recovery && each.key != "leases"
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}
