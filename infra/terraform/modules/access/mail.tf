# Workers of the job on `notifications`: they write letters about status changes and send them.

locals {
  mail_reads = [var.stream_arns["notifications"]]

  # One of the two, or neither where mails go elsewhere.
  by_ses = var.ses == null ? [] : [var.ses]
  by_sns = length(var.sns_topic_arns) > 0 ? ["on"] : []
}

data "aws_iam_policy_document" "mail" {
  # To read the shards whose leases it holds, and to find new ones.
  statement {
    sid       = "ReadNotifications"
    actions   = ["kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
    resources = local.mail_reads
  }

  # A consumer is registered under one name for all workers; its ARN ends with the time of that.
  dynamic "statement" {
    for_each = var.fan_out ? ["on"] : []

    content {
      sid     = "ReadNotificationsByFanOut"
      actions = ["kinesis:DescribeStreamConsumer", "kinesis:RegisterStreamConsumer", "kinesis:SubscribeToShard"]
      resources = concat(
        local.mail_reads,
        [for arn in local.mail_reads : "${arn}/consumer/${var.consumer}:*"],
      )
    }
  }

  # What is due, whom it is about, and what it tells of.
  statement {
    sid     = "ReadWhatLettersTell"
    actions = ["dynamodb:BatchGetItem"]
    resources = [
      for name in ["bets", "decisions", "outbox", "questions", "state", "users"] : var.table_arns[name]
    ]
  }

  # A notification's decision, its row of the outbox and the entry that says when it is due are one
  # transaction; so is what became of a letter.
  statement {
    sid       = "KeepTheOutbox"
    actions   = ["dynamodb:PutItem"]
    resources = [for name in ["decisions", "outbox", "state"] : var.table_arns[name]]
  }

  # Entries of what is due are read in order, and removed once a letter is sent; so are timers.
  statement {
    sid       = "FindWhatIsDue"
    actions   = ["dynamodb:DeleteItem", "dynamodb:Query"]
    resources = [var.table_arns["state"]]
  }

  # Dead letters have no conditions.
  statement {
    sid       = "WriteDeadLetters"
    actions   = ["dynamodb:BatchWriteItem"]
    resources = [var.table_arns["state"]]
  }

  # How fast the account may send, how much more today, and whether at all: asked every few minutes. It is
  # about the account, so there is no resource to name.
  dynamic "statement" {
    for_each = local.by_ses

    content {
      sid       = "KeepToTheQuota"
      actions   = ["ses:GetAccount"]
      resources = ["*"]
    }
  }

  # Letters are whole messages, for which SES asks for the second action. They must come from our sender,
  # and with the configuration set, or their bounces would be lost.
  dynamic "statement" {
    for_each = local.by_ses

    content {
      sid       = "SendLetters"
      actions   = ["ses:SendEmail", "ses:SendRawEmail"]
      resources = [statement.value.identity_arn, statement.value.configuration_set_arn]
    }
  }

  # Addresses that bounce or complain get nothing more.
  dynamic "statement" {
    for_each = local.by_ses

    content {
      sid       = "TakeBounces"
      actions   = ["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"]
      resources = [statement.value.bounces_queue_arn]
    }
  }

  # Topics are found by their names. It is the account's list, so there is no resource to name; nor does SNS
  # take one for ending a subscription, which is what becomes of an address that its owner gave up.
  dynamic "statement" {
    for_each = local.by_sns

    content {
      sid       = "FindTopics"
      actions   = ["sns:ListTopics", "sns:Unsubscribe"]
      resources = ["*"]
    }
  }

  # A person's messages go to the topic that the person is subscribed to; whoever has an address is asked to
  # subscribe, once.
  dynamic "statement" {
    for_each = local.by_sns

    content {
      sid       = "PublishStatusChanges"
      actions   = ["sns:ListSubscriptionsByTopic", "sns:Publish", "sns:Subscribe"]
      resources = var.sns_topic_arns
    }
  }
}

resource "aws_iam_policy" "mail" {
  name        = "${var.prefix}mail"
  description = "Workers that write and send letters"
  policy      = data.aws_iam_policy_document.mail.json
}
