locals {
  alarms = {
    jobs-dead-letters = {
      namespace  = "AWS/SQS"
      metric     = "ApproximateNumberOfMessagesVisible"
      dimensions = { QueueName = "${var.prefix}-jobs-dlq.fifo" }
      statistic  = "Maximum"
      threshold  = 0
    }
    task-events-dead-letters = {
      namespace  = "AWS/SQS"
      metric     = "ApproximateNumberOfMessagesVisible"
      dimensions = { QueueName = "${var.prefix}-task-events-dlq" }
      statistic  = "Maximum"
      threshold  = 0
    }
    oldest-job = {
      namespace  = "AWS/SQS"
      metric     = "ApproximateAgeOfOldestMessage"
      dimensions = { QueueName = "${var.prefix}-jobs.fifo" }
      statistic  = "Maximum"
      threshold  = 900
    }
    dispatcher-errors = {
      namespace  = "AWS/Lambda"
      metric     = "Errors"
      dimensions = { FunctionName = "trigger-audio-clean" }
      statistic  = "Sum"
      threshold  = 0
    }
    no-capacity = {
      namespace  = "Tamma"
      metric     = "ReturnedCapacity"
      dimensions = { service = "${var.prefix}-dispatcher" }
      statistic  = "Sum"
      threshold  = 0
      minutes    = 10
    }
    tasks-refused = {
      namespace  = "Tamma"
      metric     = "ReturnedRefused"
      dimensions = { service = "${var.prefix}-dispatcher" }
      statistic  = "Sum"
      threshold  = 0
    }
    reconciler-errors = {
      namespace  = "AWS/Lambda"
      metric     = "Errors"
      dimensions = { FunctionName = "${var.prefix}-reconciler" }
      statistic  = "Sum"
      threshold  = 0
    }
  }
}

resource "aws_sns_topic" "alarms" {
  name = "${var.prefix}-alarms"
  tags = local.tags

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AllowAlarms"
      Effect    = "Allow"
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = local.alarm_topic_arn
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = local.alarms
  alarm_name          = "${var.prefix}-${each.key}"
  alarm_description   = "See docs/runbooks/${each.key}.md"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = try(each.value.minutes, 1)
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}
