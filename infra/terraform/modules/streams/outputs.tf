output "names" {
  description = "The streams' names in Kinesis, by their names without the prefix."
  value       = { for name, stream in aws_kinesis_stream.this : name => stream.name }
}

output "arns" {
  description = "The streams' ARNs, by their names without the prefix."
  value       = { for name, stream in aws_kinesis_stream.this : name => stream.arn }
}

output "consumer" {
  description = "The name under which workers register for enhanced fan-out."
  value       = local.consumer
}

output "lag_metrics" {
  description = "The metric of each read stream that says how far its workers are behind, in milliseconds. Polling and enhanced fan-out have different ones."
  value = {
    for name in local.read : name => {
      name = var.fan_out ? "SubscribeToShardEvent.MillisBehindLatest" : "GetRecords.IteratorAgeMilliseconds"
      dimensions = merge(
        { StreamName = aws_kinesis_stream.this[name].name },
        var.fan_out ? { ConsumerName = local.consumer } : {},
      )
    }
  }
}
