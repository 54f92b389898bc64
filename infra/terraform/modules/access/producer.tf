# Producers append to the streams that are open to them, and can read nothing.

data "aws_iam_policy_document" "producer" {
  # What comes from outside: bets, frames of broadcasts, game events.
  statement {
    sid       = "Append"
    actions   = ["kinesis:PutRecords"]
    resources = [for name in ["bets", "frames", "game-events"] : var.stream_arns[name]]
  }

  # Whoever packs records into aggregates must know which shard owns which keys.
  statement {
    sid       = "KnowTheShards"
    actions   = ["kinesis:ListShards"]
    resources = [for name in ["bets", "frames", "game-events"] : var.stream_arns[name]]
  }

  # Kinesis encrypts what it takes, under the producer's name.
  statement {
    sid       = "EncryptThroughKinesis"
    actions   = ["kms:GenerateDataKey"]
    resources = [var.kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["kinesis.${data.aws_region.current.region}.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "producer_trust" {
  count = length(var.producer_principals) > 0 ? 1 : 0

  # Whom the operator named.
  statement {
    sid     = "NamedPrincipals"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = var.producer_principals
    }
  }
}

resource "aws_iam_policy" "producer" {
  name        = "${var.prefix}producer"
  description = "Appends bets, frames and game events"
  policy      = data.aws_iam_policy_document.producer.json
}

resource "aws_iam_role" "producer" {
  count = length(var.producer_principals) > 0 ? 1 : 0

  name               = "${var.prefix}producer"
  assume_role_policy = data.aws_iam_policy_document.producer_trust[0].json
}

resource "aws_iam_role_policy_attachment" "producer" {
  count = length(var.producer_principals) > 0 ? 1 : 0

  role       = aws_iam_role.producer[0].name
  policy_arn = aws_iam_policy.producer.arn
}
