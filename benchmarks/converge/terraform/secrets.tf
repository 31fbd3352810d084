resource "aws_ssm_parameter" "supabase_url" {
  name        = "${local.parameters}/supabase_url"
  type        = "String"
  value       = var.supabase_url
  description = "Where the job table is"
  tags        = local.tags
}

resource "aws_ssm_parameter" "supabase_service_key" {
  name        = "${local.parameters}/supabase_service_key"
  type        = "SecureString"
  value       = var.supabase_service_key
  description = "Key of the service role, for functions and tasks alone"
  tags        = local.tags
}
