# Workers follow the load: more while shards lag behind or CPUs are busy, fewer only when neither is so.
#
#   lag > high, for a minute      one more, or half as many again where it is very high
#   CPU over its target           as many as bring it back
#   lag < low and CPU < low,      one less
#   for a quarter of an hour
#
# The rule that adds for CPU never takes away, since a worker that waits for a throttled table uses no
# CPU and is needed all the same.

resource "aws_appautoscaling_target" "this" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${var.cluster_name}/${aws_ecs_service.this.name}"
  min_capacity       = var.min_workers
  max_capacity       = var.max_workers
}

resource "aws_appautoscaling_policy" "cpu" {
  name               = "${local.name}-cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.cpu_high_percent
    disable_scale_in   = true
    scale_out_cooldown = 60

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}

resource "aws_appautoscaling_policy" "out" {
  name               = "${local.name}-out"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id

  step_scaling_policy_configuration {
    adjustment_type          = "PercentChangeInCapacity"
    metric_aggregation_type  = "Maximum"
    min_adjustment_magnitude = 1
    # A new worker starts within half a minute, has its leases within another, and then must catch up.
    cooldown = 120

    # Bounds count from the alarm's threshold. A tenth, at least one worker; then a half.
    step_adjustment {
      metric_interval_lower_bound = 0
      metric_interval_upper_bound = var.lag_very_high_ms - var.lag_high_ms
      scaling_adjustment          = 10
    }

    step_adjustment {
      metric_interval_lower_bound = var.lag_very_high_ms - var.lag_high_ms
      scaling_adjustment          = 50
    }
  }

  lifecycle {
    precondition {
      condition     = var.lag_low_ms < var.lag_high_ms && var.lag_high_ms < var.lag_very_high_ms
      error_message = "lag_low_ms is ${var.lag_low_ms}, lag_high_ms ${var.lag_high_ms} and lag_very_high_ms ${var.lag_very_high_ms}: each must be more than the one before."
    }
  }
}

resource "aws_appautoscaling_policy" "in" {
  name               = "${local.name}-in"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id

  step_scaling_policy_configuration {
    adjustment_type         = "ChangeInCapacity"
    metric_aggregation_type = "Maximum"
    cooldown                = 300

    step_adjustment {
      metric_interval_lower_bound = 0
      scaling_adjustment          = -1
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "out" {
  alarm_name          = "${local.name}-scale-out"
  alarm_description   = "Scaling, nothing to do: the furthest shard is more than ${var.lag_high_ms / 1000} s behind, so ${local.name} gets more workers."
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.lag_high_ms
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_appautoscaling_policy.out.arn]

  metric_query {
    id          = "furthest"
    label       = "The furthest shard's lag"
    expression  = "MAX([${join(", ", [for stream in local.lagging : "FILL(${stream.id}, 0)"])}])"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.lagging

    content {
      id = metric_query.value.id

      metric {
        namespace   = "AWS/Kinesis"
        metric_name = metric_query.value.name
        dimensions  = metric_query.value.dimensions
        stat        = "Maximum"
        period      = 60
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "in" {
  alarm_name          = "${local.name}-scale-in"
  alarm_description   = "Scaling, nothing to do: ${local.name} has kept up with little CPU for a quarter of an hour, so it gets one worker less."
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  evaluation_periods  = 15
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_appautoscaling_policy.in.arn]

  # What is not known counts as much: nobody is taken away in the dark.
  metric_query {
    id          = "idle"
    label       = "1 while nothing lags and CPUs are idle"
    expression  = "IF(MAX([${join(", ", [for stream in local.lagging : "FILL(${stream.id}, ${var.lag_high_ms})"])}]) < ${var.lag_low_ms} AND FILL(cpu, 100) < ${var.cpu_low_percent}, 1, 0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.lagging

    content {
      id = metric_query.value.id

      metric {
        namespace   = "AWS/Kinesis"
        metric_name = metric_query.value.name
        dimensions  = metric_query.value.dimensions
        stat        = "Maximum"
        period      = 60
      }
    }
  }

  metric_query {
    id = "cpu"

    metric {
      namespace   = "AWS/ECS"
      metric_name = "CPUUtilization"
      dimensions  = { ClusterName = var.cluster_name, ServiceName = aws_ecs_service.this.name }
      stat        = "Average"
      period      = 60
    }
  }
}

locals {
  # Ids of metrics begin with a small letter and have no hyphens.
  lagging = [
    for stream, metric in var.lag_metrics : {
      id         = "lag_${replace(stream, "-", "_")}"
      name       = metric.name
      dimensions = metric.dimensions
    }
  ]
}
