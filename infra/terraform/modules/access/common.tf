# What both kinds of workers may do: share leases, look whether everything is there, use the key.

data "aws_region" "current" {}

data "aws_iam_policy_document" "worker" {
  # At its start a worker looks whether all streams are there, and says which are not.
  statement {
    sid       = "SeeThatStreamsAreThere"
    actions   = ["kinesis:DescribeStreamSummary"]
    resources = values(var.stream_arns)
  }

  # The same for tables.
  statement {
    sid       = "SeeThatTablesAreThere"
    actions   = ["dynamodb:DescribeTable"]
    resources = values(var.table_arns)
  }

  # Workers share shards through the lease table: every one reads all leases, makes those of new shards,
  # writes its own, and removes those of shards that are gone.
  statement {
    sid = "ShareLeases"
    actions = [
      "dynamodb:DeleteItem",
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:Scan",
      "dynamodb:UpdateItem",
    ]
    resources = [var.table_arns["leases"]]
  }

  # What cannot be decided goes to the dead letters, announced in their stream, packed as all that is
  # emitted.
  statement {
    sid       = "AnnounceDeadLetters"
    actions   = ["kinesis:ListShards", "kinesis:PutRecords"]
    resources = [var.stream_arns["dead-letters"]]
  }

  # Bytes of dead letters too large for a table.
  statement {
    sid       = "KeepLargeDeadLetters"
    actions   = ["s3:PutObject"]
    resources = ["${var.bucket_arn}/${var.folder}/dead-letters/*"]
  }

  # Services use the key on the worker's behalf, and only they may: to read what is encrypted, and to
  # get a key for what is written.
  statement {
    sid       = "UseTheKeyThroughServices"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = [for service in ["dynamodb", "kinesis", "s3", "sns", "sqs"] : "${service}.${data.aws_region.current.region}.amazonaws.com"]
    }
  }
}

# A policy of its own, which both kinds of workers have beside theirs: a policy has room for 6,144
# characters.
resource "aws_iam_policy" "worker" {
  name        = "${var.prefix}worker"
  description = "What all workers need: leases, dead letters, the key"
  policy      = data.aws_iam_policy_document.worker.json
}
