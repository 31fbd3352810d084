"""Row 7: cluster, GPU capacity, log groups and the task definition."""

from __future__ import annotations

import base64
import re
from typing import Any

from stack_checks.report import Report


def check(report: Report) -> None:
    """Check row 7."""
    with report.row("7 cluster"):
        _cluster(report)
    with report.row("7 GPU capacity"):
        group = _group(report)
        _template(report, group)
        _provider(report, group)
    with report.row("7 log groups"):
        _log_groups(report)
    with report.row("7 task definition"):
        _task_definition(report)


def check_image(report: Report) -> None:
    """Check row 10: the registry has the image that the task definition names."""
    stack, family = report.stack, f"{report.stack.prefix}-audio-clean"
    with report.row("10 image"):
        task = stack.client("ecs").describe_task_definition(taskDefinition=family)["taskDefinition"]
        image = task["containerDefinitions"][0]["image"]
        repository, _, tag = image.partition("/")[2].partition(":")
        # DescribeImages answers with an error or with nothing, depending on whom one asks.
        wanted = {"repositoryName": repository, "imageIds": [{"imageTag": tag}]}
        found = stack.client("ecr").batch_get_image(**wanted)["images"]
        report.holds("the registry has it", found, f"it has no {image}: run playbooks/build_image.yml")


def _cluster(report: Report) -> None:
    stack, name = report.stack, f"{report.stack.prefix}-cluster"
    answer = stack.client("ecs").describe_clusters(clusters=[name], include=["SETTINGS", "TAGS"])
    cluster = report.only(f"cluster {name}", [item for item in answer["clusters"] if item["status"] == "ACTIVE"])
    providers = sorted(cluster["capacityProviders"])
    report.same("cluster: capacity", providers, sorted(["FARGATE", "FARGATE_SPOT", f"{stack.prefix}-gpu-cp"]))
    insights = {setting["name"]: setting["value"] for setting in cluster["settings"]}.get("containerInsights")
    report.holds("cluster: Container Insights", insights in ("enabled", "enhanced"), f"it is {insights}")
    strategy = [(item["capacityProvider"], item["weight"]) for item in cluster["defaultCapacityProviderStrategy"]]
    report.same("cluster: what runs without a choice", strategy, [("FARGATE", 1)])
    report.tags("cluster", cluster["tags"])


def _group(report: Report) -> dict[str, Any]:
    stack, name = report.stack, f"{report.stack.prefix}-gpu-asg"
    answer = stack.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    group: dict[str, Any] = report.only(f"group {name}", answer["AutoScalingGroups"])
    sizes = (group["MinSize"], group["DesiredCapacity"], group["MaxSize"])
    report.same("group: sizes", sizes, (0, 0, 2))
    report.same("group: ECS decides what goes", group["NewInstancesProtectedFromScaleIn"], True)
    report.tags("group", [{"Key": tag["Key"], "Value": tag["Value"]} for tag in group["Tags"]])
    names = [f"{stack.prefix}-private-{zone}" for zone in stack.zones]
    subnets = stack.client("ec2").describe_subnets(Filters=[{"Name": "tag:Name", "Values": names}])["Subnets"]
    wanted = sorted(subnet["SubnetId"] for subnet in subnets)
    report.same("group: the three private subnets", sorted(group["VPCZoneIdentifier"].split(",")), wanted)
    return group


def _template(report: Report, group: dict[str, Any]) -> None:
    stack, ec2, name = report.stack, report.stack.client("ec2"), f"{report.stack.prefix}-gpu"
    template = report.only(
        f"launch template {name}", ec2.describe_launch_templates(LaunchTemplateNames=[name])["LaunchTemplates"]
    )
    report.tags("launch template", template["Tags"])
    used = group["LaunchTemplate"]
    report.same("group: template", used.get("LaunchTemplateName", name), name)
    versions = ec2.describe_launch_template_versions(LaunchTemplateName=name)["LaunchTemplateVersions"]
    default = template["DefaultVersionNumber"]
    newest = max(version["VersionNumber"] for version in versions)
    current = {"$Latest": newest, "$Default": default}.get(used["Version"]) or int(used["Version"])
    report.same("group: uses the default version", current, default)
    if stack.fresh:
        report.same("launch template: versions, after several runs", newest, 1)
    data = next(version for version in versions if version["VersionNumber"] == current)["LaunchTemplateData"]
    _instances(report, data)


def _instances(report: Report, data: dict[str, Any]) -> None:
    stack = report.stack
    report.same("instances: type", data["InstanceType"], "g5.xlarge")
    image = "resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id"
    report.same("instances: image", data["ImageId"], image)
    options = data.get("MetadataOptions", {})
    report.same("instances: IMDSv2 is required", options.get("HttpTokens"), "required")
    report.same("instances: containers are a hop too far for IMDS", options.get("HttpPutResponseHopLimit"), 1)
    volumes = [(disk["DeviceName"], disk["Ebs"].get("Encrypted")) for disk in data["BlockDeviceMappings"]]
    report.same("instances: the root volume is encrypted", volumes, [("/dev/xvda", True)])
    profile = data["IamInstanceProfile"].get("Name") or data["IamInstanceProfile"].get("Arn", "").rpartition("/")[2]
    report.same("instances: profile", profile, f"{stack.prefix}-gpu-instance-profile")
    groups = data.get("SecurityGroupIds") or [g for n in data.get("NetworkInterfaces", []) for g in n["Groups"]]
    found = stack.client("ec2").describe_security_groups(GroupIds=groups)["SecurityGroups"]
    names = [group["GroupName"] for group in found]
    report.same("instances: security groups", names, [f"{stack.prefix}-worker-sg"])
    script = base64.b64decode(data["UserData"]).decode()
    report.holds("instances: join the cluster", f"ECS_CLUSTER={stack.prefix}-cluster" in script, "they join another")


def _provider(report: Report, group: dict[str, Any]) -> None:
    name = f"{report.stack.prefix}-gpu-cp"
    answer = report.stack.client("ecs").describe_capacity_providers(capacityProviders=[name], include=["TAGS"])
    active = [item for item in answer["capacityProviders"] if item["status"] == "ACTIVE"]
    provider = report.only(f"capacity provider {name}", active)
    report.tags("capacity provider", provider["tags"])
    behind = provider["autoScalingGroupProvider"]
    report.same("capacity provider: group", behind["autoScalingGroupArn"], group["AutoScalingGroupARN"])
    scaling = behind["managedScaling"]
    report.same("capacity provider: scales the group", (scaling["status"], scaling["targetCapacity"]), ("ENABLED", 100))
    report.same("capacity provider: protects what runs", behind["managedTerminationProtection"], "ENABLED")


def _log_groups(report: Report) -> None:
    stack, logs = report.stack, report.stack.client("logs")
    names = [
        f"/ecs/{stack.prefix}-audio-clean",
        f"/aws/lambda/{stack.dispatcher}",
        f"/aws/lambda/{stack.prefix}-reconciler",
    ]
    for name in names:
        found = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        group = report.only(name, [item for item in found if item["logGroupName"] == name])
        report.same(f"{name}: days", group.get("retentionInDays"), stack.log_retention_days)
        arn = group["arn"].removesuffix(":*")
        report.tags(name, logs.list_tags_for_resource(resourceArn=arn)["tags"])


def _task_definition(report: Report) -> None:
    stack, family = report.stack, f"{report.stack.prefix}-audio-clean"
    ecs = stack.client("ecs")
    answer = ecs.describe_task_definition(taskDefinition=family, include=["TAGS"])
    task = answer["taskDefinition"]
    report.tags("task", answer["tags"])
    if stack.fresh:
        report.same("task: revision, after several runs", task["revision"], 1)
    report.same("task: runs on", (task["requiresCompatibilities"], task["networkMode"]), (["FARGATE"], "awsvpc"))
    report.same("task: execution role", task["executionRoleArn"], stack.role_arn("ecs-task-execution"))
    report.same("task: role", task["taskRoleArn"], stack.role_arn("audio-clean-task"))
    disk = task.get("ephemeralStorage", {}).get("sizeInGiB", 20)
    report.between("task: GiB of disk, more than the 20 that Fargate gives anyway", disk, 21, 200)
    report.same("task: sizes", (task["cpu"], task["memory"]), ("1024", "2048"))
    container = report.only("container", task["containerDefinitions"])
    _container(report, container)


def _container(report: Report, container: dict[str, Any]) -> None:
    stack = report.stack
    report.same("container: name", container["name"], "worker")
    repository, _, tag = container["image"].partition(":")
    host = f"{stack.account}.dkr.ecr.{stack.region}.amazonaws.com"
    report.same("container: image", repository, f"{host}/{stack.prefix}-audio-clean")
    report.holds("container: the tag is a hash", re.fullmatch(r"[0-9a-f]{12,64}", tag), f"it is {tag!r}")
    report.same("container: seconds to stop", container["stopTimeout"], 120)
    environment = {item["name"]: item["value"] for item in container["environment"]}
    buckets = {"RAW_BUCKET": stack.bucket("raw"), "DERIVED_BUCKET": stack.bucket("derived")}
    report.same("container: environment", {**environment, "LOG_LEVEL": ""}, {**buckets, "LOG_LEVEL": ""})
    path = f"/{stack.project}/{stack.environment}"
    secrets = {item["name"]: item["valueFrom"].rpartition(":parameter")[2] for item in container["secrets"]}
    wanted = {"SUPABASE_URL": f"{path}/supabase_url", "SUPABASE_SERVICE_KEY": f"{path}/supabase_service_key"}
    report.same("container: secrets come from SSM", secrets, wanted)
    log = container["logConfiguration"]
    report.same(
        "container: log",
        (log["logDriver"], log["options"]["awslogs-group"]),
        ("awslogs", f"/ecs/{stack.prefix}-audio-clean"),
    )
    report.same("container: is not privileged", container.get("privileged", False), False)
