locals {
  roles = {
    execution    = { name = "ecs-task-execution-role", service = "ecs-tasks.amazonaws.com", description = "Starts tasks" }
    task         = { name = "audio-clean-task-role", service = "ecs-tasks.amazonaws.com", description = "What the worker may do" }
    dispatcher   = { name = "dispatcher-role", service = "lambda.amazonaws.com", description = "Starts a task for each job" }
    reconciler   = { name = "reconciler-role", service = "lambda.amazonaws.com", description = "Recovers jobs whose task is gone" }
    gpu_instance = { name = "gpu-instance-role", service = "ec2.amazonaws.com", description = "Lets GPU instances join the cluster" }
  }

  write_function_logs = { Sid = "WriteLogs", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"] }
  read_secrets = {
    Sid      = "ReadSecrets"
    Effect   = "Allow"
    Action   = ["ssm:GetParameter", "ssm:GetParameters"]
    Resource = [local.parameters_arn]
  }

  policies = {
    execution = [
      {
        Sid      = "PullImage"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = [local.repository_arn]
      },
      { Sid = "SignInToRegistry", Effect = "Allow", Action = ["ecr:GetAuthorizationToken"], Resource = ["*"] },
      {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${local.log_groups_arn}/ecs/${var.prefix}-audio-clean:*"]
      },
      { Sid = "ReadSecrets", Effect = "Allow", Action = ["ssm:GetParameters"], Resource = [local.parameters_arn] },
    ]
    task = [
      {
        Sid      = "ReadRecordings"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["${local.bucket_arns.raw}/*"]
      },
      {
        Sid      = "TellMissingFromForbidden"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = [local.bucket_arns.raw]
      },
      {
        Sid    = "WriteResults"
        Effect = "Allow"
        Action = [
          "s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts",
        ]
        Resource = ["${local.bucket_arns.derived}/derived/*"]
      },
      {
        Sid      = "FindOwnLeftovers"
        Effect   = "Allow"
        Action   = ["s3:ListBucket", "s3:ListBucketMultipartUploads"]
        Resource = [local.bucket_arns.derived]
      },
    ]
    dispatcher = [
      merge(local.write_function_logs, { Resource = ["${local.log_groups_arn}/aws/lambda/trigger-audio-clean:*"] }),
      {
        Sid    = "ReceiveJobs"
        Effect = "Allow"
        Action = [
          "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ChangeMessageVisibility",
        ]
        Resource = [local.jobs_queue_arn]
      },
      {
        Sid      = "SetPoisonAside"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage", "sqs:GetQueueUrl"]
        Resource = [local.dead_letter_queue_arn]
      },
      {
        Sid       = "StartTasks"
        Effect    = "Allow"
        Action    = ["ecs:RunTask"]
        Resource  = ["${local.task_family_arn}:*"]
        Condition = { ArnEquals = { "ecs:cluster" = local.cluster_arn } }
      },
      {
        Sid       = "TagTasks"
        Effect    = "Allow"
        Action    = ["ecs:TagResource"]
        Resource  = [local.tasks_arn]
        Condition = { StringEquals = { "ecs:CreateAction" = "RunTask" } }
      },
      {
        Sid       = "PassTaskRoles"
        Effect    = "Allow"
        Action    = ["iam:PassRole"]
        Resource  = [local.execution_role_arn, local.task_role_arn]
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
      { Sid = "ReadTaskSizes", Effect = "Allow", Action = ["ecs:DescribeTaskDefinition"], Resource = ["*"] },
      {
        Sid      = "FindNetwork"
        Effect   = "Allow"
        Action   = ["ec2:DescribeSubnets", "ec2:DescribeSecurityGroups"]
        Resource = ["*"]
      },
      local.read_secrets,
    ]
    reconciler = [
      merge(local.write_function_logs, { Resource = ["${local.log_groups_arn}/aws/lambda/${var.prefix}-reconciler:*"] }),
      {
        Sid    = "ReceiveTaskEvents"
        Effect = "Allow"
        Action = [
          "sqs:ReceiveMessage",
          "sqs:DeleteMessage",
          "sqs:GetQueueAttributes",
          "sqs:GetQueueUrl",
          "sqs:ChangeMessageVisibility",
          "sqs:SendMessage",
        ]
        Resource = [local.task_events_queue_arn]
      },
      {
        Sid      = "SendJobsAgain"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage", "sqs:GetQueueUrl"]
        Resource = [local.jobs_queue_arn, local.dead_letter_queue_arn]
      },
      {
        Sid      = "LookAtTasks"
        Effect   = "Allow"
        Action   = ["ecs:DescribeTasks", "ecs:StopTask"]
        Resource = [local.tasks_arn]
      },
      local.read_secrets,
    ]
    presign = [
      { Sid = "SendJobs", Effect = "Allow", Action = ["sqs:SendMessage"], Resource = [local.jobs_queue_arn] },
      {
        Sid      = "UploadRecordings"
        Effect   = "Allow"
        Action   = ["s3:PutObject"]
        Resource = ["${local.bucket_arns.raw}/uploads/*"]
      },
      {
        Sid      = "DownloadResults"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["${local.bucket_arns.derived}/*"]
      },
    ]
  }
}

# The keys are written out because the statements are of different types, which for_each over the map would refuse.
resource "aws_iam_policy" "this" {
  for_each = toset(["execution", "task", "dispatcher", "reconciler", "presign"])
  name     = "${var.prefix}-${each.key}"
  policy   = jsonencode({ Version = "2012-10-17", Statement = local.policies[each.key] })
  tags     = local.tags
}

resource "aws_iam_role" "this" {
  for_each    = local.roles
  name        = "${var.prefix}-${each.value.name}"
  description = each.value.description
  tags        = local.tags

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = each.value.service }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each   = toset(["execution", "task", "dispatcher", "reconciler"])
  role       = aws_iam_role.this[each.key].name
  policy_arn = aws_iam_policy.this[each.key].arn
}

resource "aws_iam_role_policy_attachment" "gpu_instance" {
  role       = aws_iam_role.this["gpu_instance"].name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
}

resource "aws_iam_instance_profile" "gpu" {
  name = "${var.prefix}-gpu-instance-profile"
  role = aws_iam_role.this["gpu_instance"].name
  tags = local.tags
}

resource "aws_iam_user" "presign" {
  name = "tamma-presign"
  tags = local.tags
}

resource "aws_iam_user_policy_attachment" "presign" {
  user       = aws_iam_user.presign.name
  policy_arn = aws_iam_policy.this["presign"].arn
}
