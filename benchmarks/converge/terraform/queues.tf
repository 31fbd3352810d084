resource "aws_sqs_queue" "dead_letter" {
  name                      = "${var.prefix}-jobs-dlq.fifo"
  fifo_queue                = true
  message_retention_seconds = 1209600
  deduplication_scope       = "messageGroup"
  fifo_throughput_limit     = "perMessageGroupId"
  redrive_allow_policy      = jsonencode({ redrivePermission = "byQueue", sourceQueueArns = [local.jobs_queue_arn] })
  sqs_managed_sse_enabled   = true
  tags                      = local.tags
}

resource "aws_sqs_queue" "jobs" {
  name                        = "${var.prefix}-jobs.fifo"
  fifo_queue                  = true
  visibility_timeout_seconds  = 360
  message_retention_seconds   = 345600
  deduplication_scope         = "messageGroup"
  fifo_throughput_limit       = "perMessageGroupId"
  content_based_deduplication = false
  redrive_policy              = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead_letter.arn, maxReceiveCount = 1000 })
  sqs_managed_sse_enabled     = true
  tags                        = local.tags
}

resource "aws_sqs_queue" "task_events_dead_letter" {
  name                      = "${var.prefix}-task-events-dlq"
  message_retention_seconds = 1209600
  redrive_allow_policy      = jsonencode({ redrivePermission = "byQueue", sourceQueueArns = [local.task_events_queue_arn] })
  sqs_managed_sse_enabled   = true
  tags                      = local.tags
}

resource "aws_sqs_queue" "task_events" {
  name                       = "${var.prefix}-task-events"
  visibility_timeout_seconds = 360
  message_retention_seconds  = 345600
  sqs_managed_sse_enabled    = true
  tags                       = local.tags

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.task_events_dead_letter.arn
    maxReceiveCount     = 1000
  })

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AllowEventRules"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = local.task_events_queue_arn
      Condition = {
        ArnEquals = { "aws:SourceArn" = ["${local.rules_arn}/${var.prefix}-task-stopped", "${local.rules_arn}/${var.prefix}-sweep"] }
      }
    }]
  })
}
