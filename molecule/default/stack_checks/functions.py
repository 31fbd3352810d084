"""Rows 8 and 9: functions with their layer and sources, event rules, topic and alarms."""

from __future__ import annotations

import json
from typing import Any

from stack_checks.report import Report, as_list, statements

_NAMES = {"CLUSTER", "JOBS_QUEUE", "DEAD_LETTER_QUEUE", "TASK_EVENTS_QUEUE", "SUPABASE_URL_PARAMETER"}
_COMMON = {*_NAMES, "SUPABASE_SERVICE_KEY_PARAMETER", "LEASE_SECONDS", "START_LEASE_SECONDS"}
_DISPATCHER = {"PIPELINES", "SUBNET_NAMES", "SECURITY_GROUP_NAME", "ASSIGN_PUBLIC_IP"}


def check_functions(report: Report) -> None:
    """Check row 8, and the function that recovers jobs."""
    stack = report.stack
    functions = (
        (stack.dispatcher, "dispatcher", "jobs.fifo", {*_COMMON, *_DISPATCHER}),
        (f"{stack.prefix}-reconciler", "reconciler", "task-events", _COMMON),
    )
    for name, role, queue, variables in functions:
        with report.row(f"8 function {name}"):
            function = stack.client("lambda").get_function(FunctionName=name)
            configuration = function["Configuration"]
            report.tags(name, function.get("Tags", {}))
            report.same("role", configuration["Role"], stack.role_arn(role))
            report.same("handler", configuration["Handler"], "app.handler")
            report.holds(
                "runtime", configuration["Runtime"].startswith("python3."), f"it is {configuration['Runtime']}"
            )
            # In a VPC its network interfaces would outlive it for minutes, and teardown would wait for them.
            report.holds("is in no VPC", not configuration.get("VpcConfig", {}).get("VpcId"), "it is in one")
            _layer(report, configuration)
            _starts(report, name)
        with report.row(f"8 source of {name}"):
            _mapping(report, name, queue)
        with report.row(f"8 environment of {name}"):
            configuration = stack.client("lambda").get_function_configuration(FunctionName=name)
            _environment(report, configuration["Environment"]["Variables"], variables)


def _layer(report: Report, configuration: dict[str, Any]) -> None:
    stack, name = report.stack, f"{report.stack.prefix}-python"
    layers = [layer["Arn"] for layer in configuration.get("Layers", [])]
    versions = stack.client("lambda").list_layer_versions(LayerName=name)["LayerVersions"]
    newest = max(versions, key=lambda version: int(version["Version"]))
    report.same("layer: the newest", layers, [newest["LayerVersionArn"]])
    runtimes = newest.get("CompatibleRuntimes", [])
    report.holds("layer: fits the runtime", configuration["Runtime"] in runtimes, f"it is for {runtimes}")
    if stack.fresh:
        report.same("layer: versions, after several runs", len(versions), 1)


def _environment(report: Report, variables: dict[str, str], wanted: set[str]) -> None:
    stack = report.stack
    missing = sorted(wanted - set(variables))
    report.same("nothing is missing", missing, [])
    path = f"/{stack.project}/{stack.environment}/supabase_service_key"
    report.same("the service key by name", variables.get("SUPABASE_SERVICE_KEY_PARAMETER"), path)
    secrets = stack.client("ssm").get_parameters(Names=[path], WithDecryption=True)["Parameters"]
    leaks = [name for name, value in variables.items() for secret in secrets if secret["Value"] in value]
    report.same("holds no secret", leaks, [])
    if "PIPELINES" in wanted:
        _pipelines(report, variables)


def _pipelines(report: Report, variables: dict[str, str]) -> None:
    stack, family = report.stack, f"{report.stack.prefix}-audio-clean"
    pipeline = json.loads(variables["PIPELINES"])["audio-clean"]
    report.same("pipeline: task", (pipeline["task_definition"], pipeline["container"]), (family, "worker"))
    places = [item["capacityProvider"] for item in pipeline["strategy"]]
    report.same("pipeline: runs on Spot and on demand", sorted(places), ["FARGATE", "FARGATE_SPOT"])
    calm = [item["capacityProvider"] for item in pipeline["on_demand_strategy"]]
    report.same("pipeline: on demand after interruptions", calm, ["FARGATE"])
    kind, address = ("public", "ENABLED") if stack.nat == "none" else ("private", "DISABLED")
    subnets = [f"{stack.prefix}-{kind}-{zone}" for zone in stack.zones]
    report.same("network: subnets", json.loads(variables["SUBNET_NAMES"]), subnets)
    report.same("network: security group", variables["SECURITY_GROUP_NAME"], f"{stack.prefix}-worker-sg")
    report.same("network: public address", variables["ASSIGN_PUBLIC_IP"], address)


def _mapping(report: Report, function: str, queue: str) -> None:
    stack = report.stack
    found = stack.client("lambda").list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    mapping = report.only("source", found)
    report.same("queue", mapping["EventSourceArn"], stack.arn("sqs", f"{stack.prefix}-{queue}"))
    report.same("state", mapping["State"], "Enabled")
    report.same("partial batches", mapping.get("FunctionResponseTypes"), ["ReportBatchItemFailures"])
    report.between("batch size, 10 being all that FIFO allows", mapping["BatchSize"], 1, 10)
    bound = mapping.get("ScalingConfig", {}).get("MaximumConcurrency")
    # Batches at once share the rate of RunTask, which AWS throttles at 20 a second.
    report.between("concurrent batches", bound, 2, 10)


def _starts(report: Report, function: str) -> None:
    """Invoke with no records: code and layer must fit together; what the handler says to nothing is its business."""
    answer = report.stack.client("lambda").invoke(FunctionName=function, Payload=b'{"Records": []}')
    error = json.loads(answer["Payload"].read() or b"null") if "FunctionError" in answer else {}
    kind = str((error or {}).get("errorType", ""))
    broken = "Import" in kind or "ModuleNotFound" in kind or "Syntax" in kind or "HandlerNotFound" in kind
    report.holds("code and layer load", not broken, f"it ends with {error}")


def check_events(report: Report) -> None:
    """Check row 9."""
    with report.row("9 event rules"):
        _rules(report)
    with report.row("9 topic and alarms"):
        _topic(report)
        _alarms(report)


def _rules(report: Report) -> None:
    stack, events = report.stack, report.stack.client("events")
    queue = stack.arn("sqs", f"{stack.prefix}-task-events")
    stopped = events.describe_rule(Name=f"{stack.prefix}-task-stopped")
    pattern = json.loads(stopped["EventPattern"])
    report.same(
        "task-stopped: source", (pattern["source"], pattern["detail-type"]), (["aws.ecs"], ["ECS Task State Change"])
    )
    detail = {"clusterArn": [stack.arn("ecs", f"cluster/{stack.prefix}-cluster")], "lastStatus": ["STOPPED"]}
    report.same("task-stopped: of this cluster", pattern["detail"], detail)
    sweep = events.describe_rule(Name=f"{stack.prefix}-sweep")
    report.same("sweep: schedule", sweep["ScheduleExpression"], "rate(1 minute)")
    for rule, content in ((stopped, None), (sweep, {"tamma": "sweep"})):
        short = rule["Name"].removeprefix(f"{stack.prefix}-")
        report.same(f"{short}: state", rule["State"], "ENABLED")
        target = report.only(f"target of {short}", events.list_targets_by_rule(Rule=rule["Name"])["Targets"])
        report.same(f"{short}: goes to", target["Arn"], queue)
        report.same(f"{short}: says", json.loads(target["Input"]) if "Input" in target else None, content)
        report.tags(short, events.list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"])


def _topic(report: Report) -> None:
    stack, sns = report.stack, report.stack.client("sns")
    arn = stack.arn("sns", f"{stack.prefix}-alarms")
    attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    policy = statements(attributes["Policy"])
    report.same("topic: statements of the policy", len(policy), 1)
    who = (policy[0]["Effect"], as_list(policy[0]["Principal"].get("Service")), as_list(policy[0]["Action"]))
    actions = [action.lower() for action in who[2]]
    report.same(
        "topic: alarms alone publish", (*who[:2], actions), ("Allow", ["cloudwatch.amazonaws.com"], ["sns:publish"])
    )
    account = policy[0].get("Condition", {}).get("StringEquals", {}).get("aws:SourceAccount")
    report.same("topic: those of this account", as_list(account), [stack.account])
    report.tags("topic", sns.list_tags_for_resource(ResourceArn=arn)["Tags"])


def _alarms(report: Report) -> None:
    stack = report.stack
    wanted = {
        "jobs-dead-letters": ("ApproximateNumberOfMessagesVisible", f"{stack.prefix}-jobs-dlq.fifo", 0.0),
        "task-events-dead-letters": ("ApproximateNumberOfMessagesVisible", f"{stack.prefix}-task-events-dlq", 0.0),
        "oldest-job": ("ApproximateAgeOfOldestMessage", f"{stack.prefix}-jobs.fifo", None),
        "dispatcher-errors": ("Errors", stack.dispatcher, 0.0),
        "no-capacity": ("ReturnedCapacity", f"{stack.prefix}-dispatcher", 0.0),
        "tasks-refused": ("ReturnedRefused", f"{stack.prefix}-dispatcher", 0.0),
        "reconciler-errors": ("Errors", f"{stack.prefix}-reconciler", 0.0),
    }
    found = stack.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{stack.prefix}-")["MetricAlarms"]
    alarms = {alarm["AlarmName"].removeprefix(f"{stack.prefix}-"): alarm for alarm in found}
    report.same("alarms: names", sorted(alarms), sorted(wanted))
    topic = [stack.arn("sns", f"{stack.prefix}-alarms")]
    for name, (metric, about, threshold) in wanted.items():
        # One that is missing was told above.
        alarm = alarms.get(name)
        if alarm is None:
            continue
        report.same(f"{name}: metric", alarm["MetricName"], metric)
        report.same(f"{name}: about", [item["Value"] for item in alarm["Dimensions"]], [about])
        report.same(f"{name}: tells", (alarm["ActionsEnabled"], alarm["AlarmActions"]), (True, topic))
        report.same(f"{name}: when more than", alarm["ComparisonOperator"], "GreaterThanThreshold")
        if threshold is not None:
            report.same(f"{name}: threshold", alarm["Threshold"], threshold)
        report.holds(
            f"{name}: says what to do", f"{name}.md" in alarm.get("AlarmDescription", ""), "it names no runbook"
        )
