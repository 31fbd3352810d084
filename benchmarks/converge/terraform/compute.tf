resource "aws_cloudwatch_log_group" "task" {
  name              = "/ecs/${var.prefix}-audio-clean"
  retention_in_days = 14
  tags              = local.tags
}

resource "aws_launch_template" "gpu" {
  name                   = "${var.prefix}-gpu"
  image_id               = "resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id"
  instance_type          = "g5.xlarge"
  vpc_security_group_ids = [aws_security_group.worker.id]
  update_default_version = true
  tags                   = local.tags

  user_data = base64encode(<<-EOT
    #!/bin/bash
    cat >> /etc/ecs/ecs.config <<'EOF'
    ECS_CLUSTER=${var.prefix}-cluster
    ECS_ENABLE_GPU_SUPPORT=true
    ECS_ENABLE_SPOT_INSTANCE_DRAINING=true
    EOF
  EOT
  )

  iam_instance_profile {
    name = aws_iam_instance_profile.gpu.name
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_size           = 100
      volume_type           = "gp3"
      encrypted             = true
      delete_on_termination = true
    }
  }

  dynamic "tag_specifications" {
    for_each = ["instance", "volume"]

    content {
      resource_type = tag_specifications.value
      tags          = merge(local.tags, { Name = "${var.prefix}-gpu-asg" })
    }
  }
}

resource "aws_autoscaling_group" "gpu" {
  name                  = "${var.prefix}-gpu-asg"
  min_size              = 0
  max_size              = 2
  vpc_zone_identifier   = aws_subnet.private[*].id
  protect_from_scale_in = true

  launch_template {
    id      = aws_launch_template.gpu.id
    version = "$Default"
  }

  dynamic "tag" {
    for_each = local.tags

    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = true
    }
  }
}

resource "aws_ecs_capacity_provider" "gpu" {
  name = "${var.prefix}-gpu-cp"
  tags = local.tags

  auto_scaling_group_provider {
    auto_scaling_group_arn         = aws_autoscaling_group.gpu.arn
    managed_termination_protection = "ENABLED"
    managed_draining               = "ENABLED"

    managed_scaling {
      status                    = "ENABLED"
      target_capacity           = 100
      minimum_scaling_step_size = 1
      maximum_scaling_step_size = 1
    }
  }

  # ministack 1.5.33 forgets it on creation.
  lifecycle {
    ignore_changes = [auto_scaling_group_provider[0].managed_draining]
  }
}

resource "aws_ecs_cluster" "this" {
  name = "${var.prefix}-cluster"
  tags = local.tags

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT", aws_ecs_capacity_provider.gpu.name]

  default_capacity_provider_strategy {
    capacity_provider = "FARGATE"
    weight            = 1
    base              = 0
  }
}

resource "aws_ecs_task_definition" "worker" {
  family                   = "${var.prefix}-audio-clean"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 1024
  memory                   = 2048
  execution_role_arn       = aws_iam_role.this["execution"].arn
  task_role_arn            = aws_iam_role.this["task"].arn
  tags                     = local.tags

  ephemeral_storage {
    size_in_gib = 40
  }

  runtime_platform {
    cpu_architecture        = upper(var.architecture)
    operating_system_family = "LINUX"
  }

  container_definitions = jsonencode([{
    name                   = "worker"
    image                  = "${var.account_id}.dkr.ecr.${var.region}.amazonaws.com/${var.prefix}-audio-clean:${var.image_tag}"
    essential              = true
    stopTimeout            = 120
    readonlyRootFilesystem = false
    environment = [
      { name = "RAW_BUCKET", value = "${var.prefix}-raw" },
      { name = "DERIVED_BUCKET", value = "${var.prefix}-derived" },
      { name = "LOG_LEVEL", value = "INFO" },
    ]
    secrets = [
      { name = "SUPABASE_URL", valueFrom = "${local.parameters}/supabase_url" },
      { name = "SUPABASE_SERVICE_KEY", valueFrom = "${local.parameters}/supabase_service_key" },
    ]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = "/ecs/${var.prefix}-audio-clean"
        awslogs-region        = var.region
        awslogs-stream-prefix = "worker"
      }
    }
  }])
}
