# One key for all that the pipeline stores: streams, tables, objects, topics, queues and logs. One key
# costs one dollar a month, and whoever may read the data needs one permission, not seven.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id
  region  = data.aws_region.current.region
}

data "aws_iam_policy_document" "key" {
  # Without it nobody, the account's administrators included, could ever change the key's policy. In a
  # key's policy the resource "*" is this key alone.
  statement {
    sid       = "AccountAdministersItsKey"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${data.aws_partition.current.partition}:iam::${local.account}:root"]
    }
  }

  # CloudWatch Logs encrypts under its own name, and says which log group it is for.
  statement {
    sid = "LogsOfTheWorkers"
    actions = [
      "kms:Decrypt",
      "kms:DescribeKey",
      "kms:Encrypt",
      "kms:GenerateDataKey",
      "kms:GenerateDataKeyWithoutPlaintext",
      "kms:ReEncryptFrom",
      "kms:ReEncryptTo",
    ]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["logs.${local.region}.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = ["arn:${data.aws_partition.current.partition}:logs:${local.region}:${local.account}:log-group:/ecs/${var.prefix}*"]
    }
  }

  # SES puts bounces into an encrypted topic, CloudWatch puts alarms into one, and SNS puts bounces into
  # an encrypted queue; each only for this account.
  statement {
    sid       = "TopicsAndQueues"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com", "ses.amazonaws.com", "sns.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_kms_key" "this" {
  description             = "Data at rest of the pipeline ${var.prefix}"
  enable_key_rotation     = true
  deletion_window_in_days = var.deletion_window_days
  policy                  = data.aws_iam_policy_document.key.json
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.prefix}data"
  target_key_id = aws_kms_key.this.key_id
}
