# The stack of site.yml with the local inventory, said in Terraform: the same resources, names, tags and properties.
# Where one thing can be said in two ways, this is the one that needs fewer API calls (inline rules, routes, policies).
terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

# Keys come from the environment. Nothing is asked that only real AWS could answer; the account is checked, as the
# role naming does it.
provider "aws" {
  region                      = var.region
  allowed_account_ids         = [var.account_id]
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true

  endpoints {
    autoscaling = var.endpoint
    cloudwatch  = var.endpoint
    ec2         = var.endpoint
    ecr         = var.endpoint
    ecs         = var.endpoint
    events      = var.endpoint
    iam         = var.endpoint
    lambda      = var.endpoint
    logs        = var.endpoint
    s3          = var.endpoint
    sns         = var.endpoint
    sqs         = var.endpoint
    ssm         = var.endpoint
    sts         = var.endpoint
  }
}
