# One page: is anything behind, what comes in, what is refused, what does it use.

data "aws_region" "current" {}

locals {
  # Twenty-four columns: two graphs a row.
  graphs = [
    {
      title = "Behind, by stream (ms)"
      stat  = "Maximum"
      metrics = [for name, metric in var.lag_metrics :
        concat(["AWS/Kinesis", metric.name], flatten([for key, value in metric.dimensions : [key, value]]), [{ label = name }])
      ]
    },
    {
      title   = "Records in, by stream"
      stat    = "Sum"
      metrics = [for name, stream in var.stream_names : ["AWS/Kinesis", "IncomingRecords", "StreamName", stream, { label = name }]]
    },
    {
      title   = "Bytes in, by stream"
      stat    = "Sum"
      metrics = [for name, stream in var.stream_names : ["AWS/Kinesis", "IncomingBytes", "StreamName", stream, { label = name }]]
    },
    {
      title = "Refused by Kinesis"
      stat  = "Sum"
      metrics = concat([for name, stream in var.stream_names : [
        ["AWS/Kinesis", "WriteProvisionedThroughputExceeded", "StreamName", stream, { label = "${name}, writes" }],
        ["AWS/Kinesis", "ReadProvisionedThroughputExceeded", "StreamName", stream, { label = "${name}, reads" }],
      ]]...)
    },
    {
      title   = "Write units, by table"
      stat    = "Sum"
      metrics = [for name, table in var.table_names : ["AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", table, { label = name }]]
    },
    {
      title   = "Read units, by table"
      stat    = "Sum"
      metrics = [for name, table in var.table_names : ["AWS/DynamoDB", "ConsumedReadCapacityUnits", "TableName", table, { label = name }]]
    },
    {
      title   = "Refused by DynamoDB: writes"
      stat    = "Sum"
      metrics = [for name, table in var.table_names : ["AWS/DynamoDB", "WriteThrottleEvents", "TableName", table, { label = name }]]
    },
    {
      title   = "Transactions that met another write"
      stat    = "Sum"
      metrics = [for name, table in var.table_names : ["AWS/DynamoDB", "TransactionConflict", "TableName", table, { label = name }]]
    },
    {
      title = "Leases that changed hands, errors"
      stat  = "Sum"
      metrics = [
        [var.namespace, "${var.prefix}${local.lease_moves}", { label = "leases" }],
        [var.namespace, "${var.prefix}${local.errors}", { label = "errors" }],
      ]
    },
    {
      title = "Bets and dead letters"
      stat  = "Sum"
      metrics = [for name, label in {
        "job.accepted.records"     = "accepted"
        "job.rejected.records"     = "rejected"
        "job.settled.records"      = "settled"
        "engine.duplicate.records" = "duplicates"
        (local.dead_letters)       = "dead letters"
      } : [var.namespace, name, "prefix", var.prefix, { label = label }]]
    },
    {
      title   = "Letters: the oldest that is due (ms)"
      stat    = "Maximum"
      metrics = [[var.namespace, local.outbox_age, "prefix", var.prefix, { label = "oldest" }]]
    },
    {
      title = "Letters: what became of them"
      stat  = "Sum"
      metrics = [for name, label in {
        "mail.sent.mails"    = "sent"
        "mail.skipped.mails" = "skipped"
        "mail.retried.mails" = "put off"
        "mail.failed.mails"  = "given up"
      } : [var.namespace, name, "prefix", var.prefix, { label = label }]]
    },
    {
      title   = "CPU (%), by service"
      stat    = "Average"
      metrics = [for name, service in var.services : ["AWS/ECS", "CPUUtilization", "ClusterName", var.cluster_name, "ServiceName", service.service, { label = name }]]
    },
    {
      title   = "Memory (%), by service"
      stat    = "Maximum"
      metrics = [for name, service in var.services : ["AWS/ECS", "MemoryUtilization", "ClusterName", var.cluster_name, "ServiceName", service.service, { label = name }]]
    },
  ]

  alarms = concat(
    values(aws_cloudwatch_metric_alarm.lag)[*].arn,
    values(aws_cloudwatch_metric_alarm.stream_throttles)[*].arn,
    values(aws_cloudwatch_metric_alarm.table_throttles)[*].arn,
    aws_cloudwatch_metric_alarm.bounces[*].arn,
    [
      aws_cloudwatch_metric_alarm.dead_letters.arn,
      aws_cloudwatch_metric_alarm.errors.arn,
      aws_cloudwatch_metric_alarm.lease_moves.arn,
      aws_cloudwatch_metric_alarm.outbox_age.arn,
    ],
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = "${trimsuffix(var.prefix, "-")}-pipeline"

  dashboard_body = jsonencode({
    widgets = concat(
      [{
        type       = "alarm", x = 0, y = 0, width = 24, height = 3
        properties = { title = "Alarms", alarms = local.alarms }
      }],
      [for at, graph in local.graphs : {
        type = "metric", x = 12 * (at % 2), y = 3 + 6 * floor(at / 2), width = 12, height = 6
        properties = {
          title   = graph.title
          region  = data.aws_region.current.region
          view    = "timeSeries"
          stat    = graph.stat
          period  = 60
          metrics = graph.metrics
        }
      }],
    )
  })
}
