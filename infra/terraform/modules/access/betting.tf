# Workers of the jobs on `bets` and `game-events`: they decide bets, settle questions, and close windows.

locals {
  betting_reads  = [var.stream_arns["bets"], var.stream_arns["game-events"]]
  betting_emits  = ["late-bets", "notifications", "odds", "settlements", "windows"]
  betting_rows   = ["questions", "state", "streamers", "streams", "users"]
  betting_writes = concat(local.betting_rows, ["bets", "decisions"])
}

data "aws_iam_policy_document" "betting" {
  # To read the shards whose leases it holds, and to find new ones.
  statement {
    sid       = "ReadBetsAndGameEvents"
    actions   = ["kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
    resources = local.betting_reads
  }

  # A consumer is registered under one name for all workers; its ARN ends with the time of that.
  dynamic "statement" {
    for_each = var.fan_out ? ["on"] : []

    content {
      sid     = "ReadBetsAndGameEventsByFanOut"
      actions = ["kinesis:DescribeStreamConsumer", "kinesis:RegisterStreamConsumer", "kinesis:SubscribeToShard"]
      resources = concat(
        local.betting_reads,
        [for arn in local.betting_reads : "${arn}/consumer/${var.consumer}:*"],
      )
    }
  }

  # What follows from bets and questions: status changes, odds, windows, late bets, settlements. Where they
  # are packed into aggregates (aws.aggregate), it must be known which shard owns which keys.
  statement {
    sid       = "EmitWhatFollows"
    actions   = ["kinesis:ListShards", "kinesis:PutRecords"]
    resources = [for name in local.betting_emits : var.stream_arns[name]]
  }

  # Decisions with the rows that they need, and each shard's own part of a question's totals.
  statement {
    sid       = "ReadRowsAndDecisions"
    actions   = ["dynamodb:BatchGetItem"]
    resources = [for name in concat(local.betting_writes, ["sums"]) : var.table_arns[name]]
  }

  # A decision, its bet and the rows that it changes are one transaction; DynamoDB asks for the right to
  # each of its writes.
  statement {
    sid       = "DecideInTransactions"
    actions   = ["dynamodb:PutItem"]
    resources = [for name in local.betting_writes : var.table_arns[name]]
  }

  # Timers are rows of the table state: read by range at a start, removed in the transaction of their
  # effects.
  statement {
    sid       = "DeliverTimers"
    actions   = ["dynamodb:DeleteItem", "dynamodb:Query"]
    resources = [var.table_arns["state"]]
  }

  # A question's totals are the sum of its shards' parts; each shard writes its own.
  statement {
    sid       = "KeepSums"
    actions   = ["dynamodb:PutItem", "dynamodb:Query"]
    resources = [var.table_arns["sums"]]
  }

  # Settling pages through a question's bets.
  statement {
    sid       = "FindBetsOfAQuestion"
    actions   = ["dynamodb:Query"]
    resources = ["${var.table_arns["bets"]}/index/question_uuid-index"]
  }

  # Dead letters (in the table state) and the results of windows have no conditions and come in numbers.
  statement {
    sid       = "WriteDeadLettersAndWindows"
    actions   = ["dynamodb:BatchWriteItem"]
    resources = [var.table_arns["odds_windows"], var.table_arns["state"]]
  }

  # States of windows are written, read by whoever takes a shard over, and removed once they are merged.
  statement {
    sid     = "KeepWindowStates"
    actions = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    resources = [
      for name in ["closer", "shards", "windows"] : "${var.bucket_arn}/${var.folder}/${name}/*"
    ]
  }

  # Final windows as Parquet; nobody here reads them.
  statement {
    sid       = "ExportWindows"
    actions   = ["s3:PutObject"]
    resources = ["${var.bucket_arn}/${var.folder}/parquet/*"]
  }

  # States are found by listing their folders.
  statement {
    sid       = "FindWindowStates"
    actions   = ["s3:ListBucket"]
    resources = [var.bucket_arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = [for name in ["closer", "shards", "windows"] : "${var.folder}/${name}/*"]
    }
  }
}

resource "aws_iam_policy" "betting" {
  name        = "${var.prefix}betting"
  description = "Workers that decide bets, settle questions and close windows"
  policy      = data.aws_iam_policy_document.betting.json
}
