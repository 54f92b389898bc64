# A service of workers on ECS Fargate: `oddsmill run JOBS --log kinesis`. Workers are all alike and share
# shards through leases, so one more or one less needs nothing but to be started or stopped.

data "aws_region" "current" {}

locals {
  name = "${var.prefix}${var.name}"
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/ecs/${local.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_ecs_task_definition" "this" {
  family                   = local.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  container_definitions = jsonencode([{
    name        = "worker"
    image       = var.image
    essential   = true
    entryPoint  = ["oddsmill"]
    command     = concat(["run"], var.jobs, ["--log", "kinesis"])
    stopTimeout = var.stop_seconds
    environment = [for name, value in var.settings : { name = name, value = value }]
    secrets     = [for name, arn in var.secrets : { name = name, valueFrom = arn }]

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = data.aws_region.current.region
        awslogs-stream-prefix = "worker"
      }
    }
  }])
}

resource "aws_ecs_service" "this" {
  name            = local.name
  cluster         = var.cluster_arn
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = var.min_workers
  launch_type     = "FARGATE"
  propagate_tags  = "SERVICE"

  # New workers are there before old ones go: a lease moves, and is never without an owner.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = var.security_group_ids
    assign_public_ip = var.assign_public_ip
  }

  # A worker that starts before it may read its streams ends with an error.
  depends_on = [aws_iam_role_policy_attachment.task, aws_iam_role_policy.execution]

  lifecycle {
    # Autoscaling sets it.
    ignore_changes = [desired_count]
  }
}
