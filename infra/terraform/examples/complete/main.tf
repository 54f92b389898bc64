# The whole of it: streams, tables, a bucket, mail, workers, alarms and a dashboard.

module "kms" {
  source = "../../modules/kms"

  prefix = var.prefix
}

module "network" {
  source = "../../modules/network"

  prefix = var.prefix
}

module "streams" {
  source = "../../modules/streams"

  prefix      = var.prefix
  kms_key_arn = module.kms.key_arn
  shards      = var.shards
  fan_out     = var.fan_out
}

module "tables" {
  source = "../../modules/tables"

  prefix              = var.prefix
  kms_key_arn         = module.kms.key_arn
  deletion_protection = !var.disposable
}

module "storage" {
  source = "../../modules/storage"

  prefix        = var.prefix
  kms_key_arn   = module.kms.key_arn
  force_destroy = var.disposable
}

module "ses" {
  source = "../../modules/ses"
  count  = var.mail_server == "ses" ? 1 : 0

  prefix      = var.prefix
  kms_key_arn = module.kms.key_arn
  sender      = var.sender
}

module "sns" {
  source = "../../modules/sns"
  count  = var.mail_server == "sns" ? 1 : 0

  prefix      = var.prefix
  kms_key_arn = module.kms.key_arn
  topics      = var.topics
}

module "access" {
  source = "../../modules/access"

  prefix              = var.prefix
  stream_arns         = module.streams.arns
  consumer            = module.streams.consumer
  fan_out             = var.fan_out
  table_arns          = module.tables.arns
  bucket_arn          = module.storage.bucket_arn
  folder              = module.storage.folder
  kms_key_arn         = module.kms.key_arn
  ses                 = one([for ses in module.ses : ses.access])
  sns_topic_arns      = flatten(module.sns[*].topic_arns)
  producer_principals = var.producer_principals
  analyst_principals  = var.analyst_principals
}

resource "aws_ecs_cluster" "this" {
  name = trimsuffix(var.prefix, "-")
}

locals {
  # What all workers are told. Lines of level info say which lease went where.
  settings = {
    ODDSMILL_AWS_FAN_OUT = tostring(var.fan_out)
    ODDSMILL_AWS_PREFIX  = var.prefix
    ODDSMILL_AWS_STATES  = module.storage.states
    ODDSMILL_LOG_LEVEL   = "info"
  }

  # `ses:SET` has SES report bounces through the set.
  mail_settings = {
    ODDSMILL_MAIL_FROM   = var.mail_from
    ODDSMILL_MAIL_SERVER = var.mail_server == "ses" ? "ses:${module.ses[0].configuration_set}" : "sns"
  }

  # One service that does everything, or one for bets and one for mail, each with only its own rights.
  # All share one lease table, and a stream is read by one service.
  possible = {
    workers = {
      split    = false
      jobs     = []
      streams  = ["bets", "game-events", "notifications"]
      policies = { betting = module.access.betting_policy_arn, mail = module.access.mail_policy_arn }
      settings = local.mail_settings
      most     = var.max_workers
    }
    betting = {
      split    = true
      jobs     = ["betting"]
      streams  = ["bets", "game-events"]
      policies = { betting = module.access.betting_policy_arn }
      settings = { ODDSMILL_MAIL_SERVER = "none" }
      most     = var.max_workers
    }
    mail = {
      split    = true
      jobs     = ["notify"]
      streams  = ["notifications"]
      policies = { mail = module.access.mail_policy_arn }
      settings = local.mail_settings
      most     = 4
    }
  }

  services = { for name, service in local.possible : name => service if service.split == var.split_jobs }
}

module "workers" {
  source   = "../../modules/workers"
  for_each = local.services

  prefix             = var.prefix
  name               = each.key
  cluster_arn        = aws_ecs_cluster.this.arn
  cluster_name       = aws_ecs_cluster.this.name
  subnet_ids         = module.network.subnet_ids
  security_group_ids = module.network.security_group_ids
  image              = var.image
  repository_arn     = var.repository_arn
  cpu_architecture   = var.cpu_architecture
  jobs               = each.value.jobs
  settings           = merge(local.settings, each.value.settings)
  secrets            = var.secrets
  policies           = merge({ worker = module.access.worker_policy_arn }, each.value.policies)
  kms_key_arn        = module.kms.key_arn
  max_workers        = each.value.most
  lag_metrics        = { for name in each.value.streams : name => module.streams.lag_metrics[name] }
}

module "observability" {
  source = "../../modules/observability"

  prefix          = var.prefix
  kms_key_arn     = module.kms.key_arn
  emails          = var.alarm_emails
  stream_names    = module.streams.names
  lag_metrics     = module.streams.lag_metrics
  table_names     = module.tables.names
  cluster_name    = aws_ecs_cluster.this.name
  dead_queue_name = one(module.ses[*].bounces_dead_queue_name)

  services = {
    for name, workers in module.workers : name => {
      service   = workers.service_name
      log_group = workers.log_group_name
    }
  }
}
