locals {
  pipeline = {
    task_definition    = "${var.prefix}-audio-clean"
    container          = "worker"
    strategy           = [{ capacityProvider = "FARGATE_SPOT", weight = 3 }, { capacityProvider = "FARGATE", weight = 1 }]
    on_demand_strategy = [{ capacityProvider = "FARGATE", weight = 1 }]
  }

  common_environment = {
    CLUSTER                        = "${var.prefix}-cluster"
    JOBS_QUEUE                     = "${var.prefix}-jobs.fifo"
    DEAD_LETTER_QUEUE              = "${var.prefix}-jobs-dlq.fifo"
    TASK_EVENTS_QUEUE              = "${var.prefix}-task-events"
    SUPABASE_URL_PARAMETER         = "${local.parameters}/supabase_url"
    SUPABASE_SERVICE_KEY_PARAMETER = "${local.parameters}/supabase_service_key"
    LEASE_SECONDS                  = "120"
    START_LEASE_SECONDS            = "600"
    POWERTOOLS_LOG_LEVEL           = "INFO"
  }

  functions = {
    dispatcher = {
      name        = "trigger-audio-clean"
      description = "Starts a task for each job"
      archive     = var.archives.dispatcher
      environment = {
        PIPELINES           = jsonencode({ audio-clean = local.pipeline, video = local.pipeline })
        SUBNET_NAMES        = jsonencode([for zone in local.zones : "${var.prefix}-private-${zone}"])
        SECURITY_GROUP_NAME = "${var.prefix}-worker-sg"
        ASSIGN_PUBLIC_IP    = "DISABLED"
        RUN_TASK_RATE       = "500"
      }
    }
    reconciler = {
      name        = "${var.prefix}-reconciler"
      description = "Recovers jobs whose task is gone"
      archive     = var.archives.reconciler
      environment = {}
    }
  }
}

resource "aws_lambda_layer_version" "python" {
  layer_name               = "${var.prefix}-python"
  description              = "sha256:${var.layer.hash}"
  filename                 = var.layer.path
  source_code_hash         = filebase64sha256(var.layer.path)
  compatible_runtimes      = ["python${var.python_version}"]
  compatible_architectures = [var.architecture]
}

resource "aws_cloudwatch_log_group" "function" {
  for_each          = { dispatcher = "trigger-audio-clean", reconciler = "${var.prefix}-reconciler" }
  name              = "/aws/lambda/${each.value}"
  retention_in_days = 14
  tags              = local.tags
}

resource "aws_lambda_function" "this" {
  for_each         = toset(["dispatcher", "reconciler"])
  function_name    = local.functions[each.key].name
  description      = local.functions[each.key].description
  runtime          = "python${var.python_version}"
  architectures    = [var.architecture]
  handler          = "app.handler"
  role             = aws_iam_role.this[each.key].arn
  filename         = local.functions[each.key].archive
  source_code_hash = filebase64sha256(local.functions[each.key].archive)
  timeout          = 60
  memory_size      = 512
  layers           = [aws_lambda_layer_version.python.arn]
  tags             = local.tags
  depends_on       = [aws_cloudwatch_log_group.function, aws_iam_role_policy_attachment.this]

  environment {
    variables = merge(
      local.common_environment, local.functions[each.key].environment, { POWERTOOLS_SERVICE_NAME = "${var.prefix}-${each.key}" },
    )
  }
}

resource "aws_lambda_event_source_mapping" "dispatcher" {
  function_name           = aws_lambda_function.this["dispatcher"].arn
  event_source_arn        = aws_sqs_queue.jobs.arn
  enabled                 = true
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]
  tags                    = local.tags

  scaling_config {
    maximum_concurrency = 2
  }
}

resource "aws_lambda_event_source_mapping" "reconciler" {
  function_name           = aws_lambda_function.this["reconciler"].arn
  event_source_arn        = aws_sqs_queue.task_events.arn
  enabled                 = true
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]
  tags                    = local.tags

  scaling_config {
    maximum_concurrency = 2
  }
}
