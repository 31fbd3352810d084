# What differs between machines; run.py gives all of it.
variable "endpoint" {
  description = "URL of the emulator, or of the proxy in front of it."
  type        = string
}

variable "region" {
  type = string
}

variable "account_id" {
  type = string
}

variable "prefix" {
  description = "What names begin with: <project>-<environment>."
  type        = string
  default     = "tamma-dev"
}

variable "image_tag" {
  description = "Tag of the worker image: the hash of what it is built from."
  type        = string
}

variable "python_version" {
  description = "Python version of the functions, for example 3.13."
  type        = string
}

variable "architecture" {
  description = "Processor of functions and tasks in Lambda's words: x86_64 or arm64."
  type        = string
}

variable "layer" {
  description = "Zip of the functions' packages, and the hash of what it was built of."
  type        = object({ path = string, hash = string })
}

variable "archives" {
  description = "Zips of the functions' code, by the function's folder."
  type        = object({ dispatcher = string, reconciler = string })
}

variable "supabase_url" {
  type = string
}

variable "supabase_service_key" {
  type      = string
  sensitive = true
}

variable "cors_origins" {
  type    = list(string)
  default = ["http://localhost:3000", "http://127.0.0.1:3000"]
}

locals {
  tags = { Project = "tamma", Environment = "dev", ManagedBy = "ansible" }

  zones      = [for letter in ["a", "b", "c"] : "${var.region}${letter}"]
  parameters = "/${replace(var.prefix, "-", "/")}"
  scope      = "${var.region}:${var.account_id}"

  # ARNs follow from names, as in the role naming: what names another resource need not wait until it exists. For
  # Terraform that is the difference between one and two minutes, because it waits long for queues and buckets.
  jobs_queue_arn        = "arn:aws:sqs:${local.scope}:${var.prefix}-jobs.fifo"
  dead_letter_queue_arn = "arn:aws:sqs:${local.scope}:${var.prefix}-jobs-dlq.fifo"
  task_events_queue_arn = "arn:aws:sqs:${local.scope}:${var.prefix}-task-events"
  bucket_arns           = { for bucket in ["raw", "derived"] : bucket => "arn:aws:s3:::${var.prefix}-${bucket}" }
  repository_arn        = "arn:aws:ecr:${local.scope}:repository/${var.prefix}-audio-clean"
  parameters_arn        = "arn:aws:ssm:${local.scope}:parameter${local.parameters}/*"
  cluster_arn           = "arn:aws:ecs:${local.scope}:cluster/${var.prefix}-cluster"
  tasks_arn             = "arn:aws:ecs:${local.scope}:task/${var.prefix}-cluster/*"
  task_family_arn       = "arn:aws:ecs:${local.scope}:task-definition/${var.prefix}-audio-clean"
  execution_role_arn    = "arn:aws:iam::${var.account_id}:role/${var.prefix}-ecs-task-execution-role"
  task_role_arn         = "arn:aws:iam::${var.account_id}:role/${var.prefix}-audio-clean-task-role"
  log_groups_arn        = "arn:aws:logs:${local.scope}:log-group:"
  rules_arn             = "arn:aws:events:${local.scope}:rule"
  alarm_topic_arn       = "arn:aws:sns:${local.scope}:${var.prefix}-alarms"
}
