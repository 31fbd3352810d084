resource "aws_cloudwatch_event_rule" "task_stopped" {
  name        = "${var.prefix}-task-stopped"
  description = "Tasks of the cluster that stopped, for the reconciler"
  tags        = local.tags

  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail      = { clusterArn = [local.cluster_arn], lastStatus = ["STOPPED"] }
  })
}

resource "aws_cloudwatch_event_target" "task_stopped" {
  rule      = aws_cloudwatch_event_rule.task_stopped.name
  target_id = "task-events"
  arn       = aws_sqs_queue.task_events.arn
}

resource "aws_cloudwatch_event_rule" "sweep" {
  name                = "${var.prefix}-sweep"
  description         = "Asks the reconciler to look for jobs whose lease ran out"
  schedule_expression = "rate(1 minute)"
  tags                = local.tags
}

resource "aws_cloudwatch_event_target" "sweep" {
  rule      = aws_cloudwatch_event_rule.sweep.name
  target_id = "task-events"
  arn       = aws_sqs_queue.task_events.arn
  input     = "{\"tamma\": \"sweep\"}"
}
