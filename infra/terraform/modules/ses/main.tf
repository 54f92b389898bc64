# Mails go out through SES; their bounces and complaints come back through a topic into the queue that the
# program reads, PREFIXmail-bounces.

data "aws_caller_identity" "current" {}

resource "aws_sesv2_email_identity" "sender" {
  email_identity         = var.sender
  configuration_set_name = aws_sesv2_configuration_set.this.configuration_set_name
}

resource "aws_sesv2_configuration_set" "this" {
  configuration_set_name = "${var.prefix}mail"

  delivery_options {
    tls_policy = "REQUIRE"
  }

  reputation_options {
    reputation_metrics_enabled = true
  }

  # Who bounced or complained before gets nothing more, also where a worker does not know it yet.
  suppression_options {
    suppressed_reasons = ["BOUNCE", "COMPLAINT"]
  }
}

resource "aws_sesv2_configuration_set_event_destination" "bounces" {
  configuration_set_name = aws_sesv2_configuration_set.this.configuration_set_name
  event_destination_name = "bounces"

  event_destination {
    enabled              = true
    matching_event_types = ["BOUNCE", "COMPLAINT"]

    sns_destination {
      topic_arn = aws_sns_topic.bounces.arn
    }
  }

  # SES tries the topic when the destination is made.
  depends_on = [aws_sns_topic_policy.bounces]
}

resource "aws_sns_topic" "bounces" {
  name              = "${var.prefix}mail-bounces"
  kms_master_key_id = var.kms_key_arn
}

data "aws_iam_policy_document" "bounces_topic" {
  # SES, for mails of this account.
  statement {
    sid       = "BouncesFromSes"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.bounces.arn]

    principals {
      type        = "Service"
      identifiers = ["ses.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_sns_topic_policy" "bounces" {
  arn    = aws_sns_topic.bounces.arn
  policy = data.aws_iam_policy_document.bounces_topic.json
}

resource "aws_sqs_queue" "bounces" {
  name                      = "${var.prefix}mail-bounces"
  kms_master_key_id         = var.kms_key_arn
  message_retention_seconds = 1209600
  # A batch of ten is worked on within seconds; a worker that dies gives them back after a minute.
  visibility_timeout_seconds = 60
  receive_wait_time_seconds  = 20

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.bounces_dead.arn
    maxReceiveCount     = var.bounce_attempts
  })
}

resource "aws_sqs_queue" "bounces_dead" {
  name                      = "${var.prefix}mail-bounces-dead"
  kms_master_key_id         = var.kms_key_arn
  message_retention_seconds = 1209600
}

resource "aws_sqs_queue_redrive_allow_policy" "bounces_dead" {
  queue_url = aws_sqs_queue.bounces_dead.url

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.bounces.arn]
  })
}

data "aws_iam_policy_document" "bounces_queue" {
  # The topic of bounces, and no other.
  statement {
    sid       = "BouncesFromTheTopic"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.bounces.arn]

    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_sns_topic.bounces.arn]
    }
  }
}

resource "aws_sqs_queue_policy" "bounces" {
  queue_url = aws_sqs_queue.bounces.url
  policy    = data.aws_iam_policy_document.bounces_queue.json
}

resource "aws_sns_topic_subscription" "bounces" {
  topic_arn            = aws_sns_topic.bounces.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.bounces.arn
  raw_message_delivery = true

  depends_on = [aws_sqs_queue_policy.bounces]
}
