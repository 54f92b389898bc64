# Analysts read the product's tables and the Parquet files. They see no internal state, no raw streams,
# and change nothing.

locals {
  analyst_tables = ["bets", "odds_windows", "outbox", "questions", "streamers", "streams", "users"]
}

data "aws_iam_policy_document" "analyst" {
  # Rows one by one, by index, and whole tables.
  statement {
    sid = "ReadTables"
    actions = [
      "dynamodb:BatchGetItem",
      "dynamodb:DescribeTable",
      "dynamodb:GetItem",
      "dynamodb:Query",
      "dynamodb:Scan",
    ]
    resources = [for name in local.analyst_tables : var.table_arns[name]]
  }

  # A bettor's bets, and a question's.
  statement {
    sid     = "ReadBetsByIndex"
    actions = ["dynamodb:Query"]
    resources = [
      for index in ["bettor-index", "question_uuid-index"] : "${var.table_arns["bets"]}/index/${index}"
    ]
  }

  # Windows as files.
  statement {
    sid       = "ReadParquet"
    actions   = ["s3:GetObject"]
    resources = ["${var.bucket_arn}/${var.folder}/parquet/*"]
  }

  # To find them.
  statement {
    sid       = "ListParquet"
    actions   = ["s3:ListBucket"]
    resources = [var.bucket_arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${var.folder}/parquet/*"]
    }
  }

  # Both are encrypted.
  statement {
    sid       = "DecryptThroughServices"
    actions   = ["kms:Decrypt"]
    resources = [var.kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = [for service in ["dynamodb", "s3"] : "${service}.${data.aws_region.current.region}.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "analyst_trust" {
  count = length(var.analyst_principals) > 0 ? 1 : 0

  # Whom the operator named.
  statement {
    sid     = "NamedPrincipals"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = var.analyst_principals
    }
  }
}

resource "aws_iam_policy" "analyst" {
  name        = "${var.prefix}analyst"
  description = "Reads tables and Parquet files"
  policy      = data.aws_iam_policy_document.analyst.json
}

resource "aws_iam_role" "analyst" {
  count = length(var.analyst_principals) > 0 ? 1 : 0

  name               = "${var.prefix}analyst"
  assume_role_policy = data.aws_iam_policy_document.analyst_trust[0].json
}

resource "aws_iam_role_policy_attachment" "analyst" {
  count = length(var.analyst_principals) > 0 ? 1 : 0

  role       = aws_iam_role.analyst[0].name
  policy_arn = aws_iam_policy.analyst.arn
}
