# What somebody should be woken for, and what to do then.

resource "aws_sns_topic" "alarms" {
  name              = "${var.prefix}alarms"
  kms_master_key_id = var.kms_key_arn
}

resource "aws_sns_topic_subscription" "alarms" {
  for_each = toset(var.emails)

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.key
}

# Without data nobody reads at all, which is worse than a lag.
resource "aws_cloudwatch_metric_alarm" "lag" {
  for_each = var.lag_metrics

  alarm_name          = "${var.prefix}lag-${each.key}"
  alarm_description   = "Workers are more than ${var.lag_ms / 1000} s behind on ${each.key}, or none reads it. See whether they run, whether there are more of them than before, and whether tables are throttled."
  namespace           = "AWS/Kinesis"
  metric_name         = each.value.name
  dimensions          = each.value.dimensions
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 5
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.lag_ms
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  alarm_name          = "${var.prefix}dead-letters"
  alarm_description   = "More than ${var.dead_letters} records in five minutes could not be decided. `oddsmill dlq list` says which and why; nothing else waits for them, and `oddsmill dlq redrive` tries them again."
  namespace           = var.namespace
  metric_name         = local.dead_letters
  dimensions          = local.dimensions
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.dead_letters
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "outbox_age" {
  alarm_name          = "${var.prefix}outbox-age"
  alarm_description   = "The letter that is due the longest has waited more than ${var.outbox_age_ms / 1000} s. See what the workers log about mails: the account's limits, its sender, its topics."
  namespace           = var.namespace
  metric_name         = local.outbox_age
  dimensions          = local.dimensions
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 10
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.outbox_age_ms
  # Nobody tells while no mail worker runs, and then the lag on notifications does.
  treat_missing_data = "notBreaching"
  alarm_actions      = [aws_sns_topic.alarms.arn]
  ok_actions         = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "lease_moves" {
  alarm_name          = "${var.prefix}lease-churn"
  alarm_description   = "Leases have changed hands more than ${var.lease_moves} times in ten minutes, for half an hour. Workers die, or are too slow to renew: look at their memory, and at the throttles of the lease table."
  namespace           = var.namespace
  metric_name         = "${var.prefix}${local.lease_moves}"
  statistic           = "Sum"
  period              = 600
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.lease_moves
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "${var.prefix}errors"
  alarm_description   = "Workers have logged errors: work on a shard ended, and goes on elsewhere or again. The lines say why."
  namespace           = var.namespace
  metric_name         = "${var.prefix}${local.errors}"
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.errors
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "stream_throttles" {
  for_each = var.stream_names

  alarm_name          = "${var.prefix}throttles-stream-${each.key}"
  alarm_description   = "Kinesis has refused more than ${var.throttles} requests a minute on ${each.key}. Writes: a provisioned stream needs more shards, or a question's bets need salting; reads: somebody else polls the stream, and fan-out helps."
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.throttles
  evaluation_periods  = 5
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "refused"
    label       = "Refused"
    expression  = "FILL(writes, 0) + FILL(reads, 0)"
    return_data = true
  }

  metric_query {
    id = "writes"

    metric {
      namespace   = "AWS/Kinesis"
      metric_name = "WriteProvisionedThroughputExceeded"
      dimensions  = { StreamName = each.value }
      stat        = "Sum"
      period      = 60
    }
  }

  metric_query {
    id = "reads"

    metric {
      namespace   = "AWS/Kinesis"
      metric_name = "ReadProvisionedThroughputExceeded"
      dimensions  = { StreamName = each.value }
      stat        = "Sum"
      period      = 60
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "table_throttles" {
  for_each = var.table_names

  alarm_name          = "${var.prefix}throttles-table-${each.key}"
  alarm_description   = "DynamoDB has refused more than ${var.throttles} requests a minute on ${each.key}. One row that everybody changes is limited to 1,000 writes a second; a table that doubles its peak within half an hour is refused for minutes, and then is not."
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.throttles
  evaluation_periods  = 5
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "refused"
    label       = "Refused"
    expression  = "FILL(writes, 0) + FILL(reads, 0)"
    return_data = true
  }

  metric_query {
    id = "writes"

    metric {
      namespace   = "AWS/DynamoDB"
      metric_name = "WriteThrottleEvents"
      dimensions  = { TableName = each.value }
      stat        = "Sum"
      period      = 60
    }
  }

  metric_query {
    id = "reads"

    metric {
      namespace   = "AWS/DynamoDB"
      metric_name = "ReadThrottleEvents"
      dimensions  = { TableName = each.value }
      stat        = "Sum"
      period      = 60
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "bounces" {
  count = var.dead_queue_name == null ? 0 : 1

  alarm_name          = "${var.prefix}bounces-dead"
  alarm_description   = "Bounces or complaints could not be worked on, so letters still go to addresses that do not want them. They are in the queue ${var.dead_queue_name}."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = var.dead_queue_name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}
