"""Row 6: roles, policies, the profile of GPU instances and the user that signs uploads."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from stack_checks.report import Report, as_list, statements

_TRUSTED = {
    "ecs-task-execution": "ecs-tasks.amazonaws.com",
    "audio-clean-task": "ecs-tasks.amazonaws.com",
    "dispatcher": "lambda.amazonaws.com",
    "reconciler": "lambda.amazonaws.com",
    "gpu-instance": "ec2.amazonaws.com",
}
# Calls that know no resources: AWS accepts nothing but "*" for them.
_WITHOUT_RESOURCE = {
    "ecr:GetAuthorizationToken",
    "ecs:DescribeTaskDefinition",
    "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups",
}
_GPU_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"


def check(report: Report) -> None:
    """Check row 6, but for what the user can really do (presign.py)."""
    stack, iam = report.stack, report.stack.client("iam")
    with report.row("6 identity"):
        granted = {name: _role(report, iam, name) for name in _TRUSTED}
        _pass_role(report, granted)
        _worker(report, granted["audio-clean-task"])
        _execution(report, granted["ecs-task-execution"])
        _functions(report, granted)
        _profile(report, iam)
    with report.row(f"6 user {stack.presign_user}"):
        _user(report, iam)


def _role(report: Report, iam: Any, name: str) -> list[dict[str, Any]]:
    """Return the statements of the one policy of a role."""
    role_name = f"{report.stack.prefix}-{name}-role"
    role = iam.get_role(RoleName=role_name)["Role"]
    trust = statements(role["AssumeRolePolicyDocument"])
    taken = [(s["Effect"], as_list(s["Principal"].get("Service")), as_list(s["Action"])) for s in trust]
    report.same(f"{name}: who may take it", taken, [("Allow", [_TRUSTED[name]], ["sts:AssumeRole"])])
    report.tags(name, iam.list_role_tags(RoleName=role_name)["Tags"])
    report.same(f"{name}: has no inline policy", iam.list_role_policies(RoleName=role_name)["PolicyNames"], [])
    attached = iam.list_attached_role_policies(RoleName=role_name)["AttachedPolicies"]
    policy = report.only(f"policy of {name}", attached)
    if name == "gpu-instance":
        report.same(f"{name}: policy", policy["PolicyArn"], _GPU_POLICY)
        return []
    return _policy(report, iam, name, policy["PolicyArn"])


def _policy(report: Report, iam: Any, holder: str, arn: str) -> list[dict[str, Any]]:
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    found = statements(iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"])
    report.tags(f"policy of {holder}", iam.list_policy_tags(PolicyArn=arn)["Tags"])
    wide = [a for s in found for a in as_list(s["Action"]) if "*" in a]
    report.same(f"{holder}: actions are spelled out", wide, [])
    anywhere = {a for s in found if "*" in as_list(s["Resource"]) for a in as_list(s["Action"])}
    report.same(f"{holder}: resources are named", sorted(anywhere - _WITHOUT_RESOURCE), [])
    report.same(f"{holder}: only allows", [s for s in found if s["Effect"] != "Allow"], [])
    # NotAction and NotResource grant everything but something.
    report.same(f"{holder}: nothing by exclusion", [s for s in found if {"NotAction", "NotResource"} & set(s)], [])
    return found


def _resources(policy: list[dict[str, Any]], *actions: str) -> list[str]:
    """Return where any of these actions is allowed."""
    return sorted(
        {resource for s in policy if set(actions) & set(as_list(s["Action"])) for resource in as_list(s["Resource"])}
    )


def _actions(policy: list[dict[str, Any]], service: str) -> list[str]:
    return sorted({action for s in policy for action in as_list(s["Action"]) if action.startswith(f"{service}:")})


def _pass_role(report: Report, granted: dict[str, list[dict[str, Any]]]) -> None:
    stack = report.stack
    wanted = sorted([stack.role_arn("ecs-task-execution"), stack.role_arn("audio-clean-task")])
    report.same(
        "dispatcher: hands on the two roles of tasks", _resources(granted["dispatcher"], "iam:PassRole"), wanted
    )
    conditions = [s.get("Condition") for s in granted["dispatcher"] if "iam:PassRole" in as_list(s["Action"])]
    to_tasks = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    report.same("dispatcher: hands them to tasks alone", conditions, [to_tasks])
    others = [name for name, policy in granted.items() if name != "dispatcher" and _resources(policy, "iam:PassRole")]
    report.same("nobody else hands on roles", others, [])
    iam_actions = sorted({action for policy in granted.values() for action in _actions(policy, "iam")})
    report.same("nobody changes identities", iam_actions, ["iam:PassRole"])


def _worker(report: Report, policy: list[dict[str, Any]]) -> None:
    stack = report.stack
    raw, derived = (f"arn:aws:s3:::{stack.bucket(kind)}" for kind in ("raw", "derived"))
    services = sorted({action.partition(":")[0] for s in policy for action in as_list(s["Action"])})
    report.same("worker: reaches S3 alone", services, ["s3"])
    report.same(
        "worker: writes results alone", _resources(policy, "s3:PutObject", "s3:DeleteObject"), [f"{derived}/derived/*"]
    )
    reads = _resources(policy, "s3:GetObject")
    report.same("worker: reads recordings and own results", reads, sorted([f"{raw}/*", f"{derived}/derived/*"]))


def _execution(report: Report, policy: list[dict[str, Any]]) -> None:
    stack = report.stack
    parameters = stack.arn("ssm", f"parameter/{stack.project}/{stack.environment}/*")
    report.same("execution: secrets", _resources(policy, "ssm:GetParameters"), [parameters])
    report.same("execution: SSM actions", _actions(policy, "ssm"), ["ssm:GetParameters"])
    repository = stack.arn("ecr", f"repository/{stack.prefix}-audio-clean")
    report.same("execution: image", _resources(policy, "ecr:BatchGetImage"), [repository])
    logs = stack.arn("logs", f"log-group:/ecs/{stack.prefix}-audio-clean:*")
    report.same("execution: logs", _resources(policy, "logs:PutLogEvents"), [logs])
    report.same("execution: makes no log group", [a for a in _actions(policy, "logs") if "CreateLogGroup" in a], [])


def _functions(report: Report, granted: dict[str, list[dict[str, Any]]]) -> None:
    stack = report.stack
    cluster = stack.arn("ecs", f"cluster/{stack.prefix}-cluster")
    family = stack.arn("ecs", f"task-definition/{stack.prefix}-audio-clean:*")
    dispatcher, reconciler = granted["dispatcher"], granted["reconciler"]
    report.same("dispatcher: starts this task alone", _resources(dispatcher, "ecs:RunTask"), [family])
    conditions = [s.get("Condition") for s in dispatcher if "ecs:RunTask" in as_list(s["Action"])]
    report.same("dispatcher: in this cluster alone", conditions, [{"ArnEquals": {"ecs:cluster": cluster}}])
    jobs, dead = stack.arn("sqs", f"{stack.prefix}-jobs.fifo"), stack.arn("sqs", f"{stack.prefix}-jobs-dlq.fifo")
    report.same("dispatcher: receives jobs alone", _resources(dispatcher, "sqs:ReceiveMessage"), [jobs])
    report.same("dispatcher: sends dead letters alone", _resources(dispatcher, "sqs:SendMessage"), [dead])
    events = stack.arn("sqs", f"{stack.prefix}-task-events")
    report.same("reconciler: receives task events alone", _resources(reconciler, "sqs:ReceiveMessage"), [events])
    report.same("reconciler: starts no task", _resources(reconciler, "ecs:RunTask"), [])
    for name, policy, function in (
        ("dispatcher", dispatcher, stack.dispatcher),
        ("reconciler", reconciler, f"{stack.prefix}-reconciler"),
    ):
        logs = stack.arn("logs", f"log-group:/aws/lambda/{function}:*")
        report.same(f"{name}: writes its own log", _resources(policy, *_actions(policy, "logs")), [logs])


def _profile(report: Report, iam: Any) -> None:
    name = f"{report.stack.prefix}-gpu-instance-profile"
    profile = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    roles = [role["RoleName"] for role in profile["Roles"]]
    report.same("profile of GPU instances: role", roles, [f"{report.stack.prefix}-gpu-instance-role"])


def _user(report: Report, iam: Any) -> None:
    stack, name = report.stack, report.stack.presign_user
    raw, derived = (f"arn:aws:s3:::{stack.bucket(kind)}" for kind in ("raw", "derived"))
    report.tags(name, iam.list_user_tags(UserName=name)["Tags"])
    report.same("user: has no inline policy", iam.list_user_policies(UserName=name)["PolicyNames"], [])
    report.same("user: is in no group", iam.list_groups_for_user(UserName=name)["Groups"], [])
    report.same("user: has no password", _has_password(iam, name), False)
    policy = report.only("policy of the user", iam.list_attached_user_policies(UserName=name)["AttachedPolicies"])
    granted = {
        (action, resource)
        for s in _policy(report, iam, "user", policy["PolicyArn"])
        for action in as_list(s["Action"])
        for resource in as_list(s["Resource"])
    }
    wanted = {
        ("sqs:SendMessage", stack.arn("sqs", f"{stack.prefix}-jobs.fifo")),
        ("s3:PutObject", f"{raw}/uploads/*"),
        ("s3:GetObject", f"{derived}/*"),
    }
    report.same("user: may do three things and nothing else", sorted(granted), sorted(wanted))


def _has_password(iam: Any, name: str) -> bool:
    try:
        iam.get_login_profile(UserName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchEntity":
            return False
        raise
    return True
