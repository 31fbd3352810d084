"""Functions, their sources, rules, alarms, log groups and everything that tasks run on, changed by somebody else."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from tests.e2e.drift.mutation import PROJECT, REGION, Account, Mutation, Value

DISPATCHER, RECONCILER = "trigger-audio-clean", f"{PROJECT}-reconciler"
LAYER = f"{PROJECT}-python"
STOPPED, SWEEP = f"{PROJECT}-task-stopped", f"{PROJECT}-sweep"
CLUSTER, PROVIDER, GROUP, TEMPLATE = (f"{PROJECT}-{end}" for end in ("cluster", "gpu-cp", "gpu-asg", "gpu"))
FAMILY, LOGS = f"{PROJECT}-audio-clean", f"/ecs/{PROJECT}-audio-clean"
JOBS, EVENTS = f"{PROJECT}-jobs.fifo", f"{PROJECT}-task-events"
OF_JOBS, OF_EVENTS = f"of {JOBS} to {DISPATCHER}", f"of {EVENTS} to {RECONCILER}"
_PUBLIC = {"StatementId": "all", "Principal": "*", "Action": "lambda:InvokeFunction"}
_SCALING = {
    "status": "ENABLED",
    "targetCapacity": 100,
    "minimumScalingStepSize": 1,
    "maximumScalingStepSize": 1,
    "instanceWarmupPeriod": 300,
}

Act = Callable[[Account], object]


def archive(text: str) -> bytes:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as made:
        made.writestr("app.py", text)
    return code.getvalue()


def configure(function: str, **settings: Any) -> Act:
    return lambda aws: aws("lambda").update_function_configuration(FunctionName=function, **settings)


def call(service: str, operation: str, **arguments: Any) -> Act:
    return lambda aws: getattr(aws(service), operation)(**arguments)


def mapping(aws: Account, queue: str) -> str:
    arn = f"arn:aws:sqs:{REGION}:{aws.id}:{queue}"
    return str(aws("lambda").list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"][0]["UUID"])


def _source(queue: str, **settings: Any) -> Act:
    return lambda aws: aws("lambda").update_event_source_mapping(UUID=mapping(aws, queue), **settings)


def _environment(aws: Account) -> None:
    variables = aws("lambda").get_function_configuration(FunctionName=RECONCILER)["Environment"]["Variables"]
    aws("lambda").update_function_configuration(
        FunctionName=RECONCILER, Environment={"Variables": {**variables, "LEASE_SECONDS": "1"}}
    )


def _second_mapping(aws: Account) -> None:
    arn = f"arn:aws:sqs:{REGION}:{aws.id}:{JOBS}"
    aws("lambda").create_event_source_mapping(EventSourceArn=arn, FunctionName=RECONCILER, BatchSize=1)


def _alias(aws: Account) -> None:
    aws("lambda").create_alias(FunctionName=DISPATCHER, Name="back-door", FunctionVersion="$LATEST")


def _share_layer(aws: Account) -> None:
    versions = aws("lambda").list_layer_versions(LayerName=LAYER)["LayerVersions"]
    number = max(int(version["Version"]) for version in versions)
    aws("lambda").add_layer_version_permission(
        LayerName=LAYER, VersionNumber=number, StatementId="all", Action="lambda:GetLayerVersion", Principal="*"
    )


def _rule(name: str, **settings: Any) -> Act:
    def act(aws: Account) -> None:
        found = aws("events").describe_rule(Name=name)
        members = ("EventPattern", "ScheduleExpression", "State", "Description")
        kept = {member: found[member] for member in members if found.get(member)}
        aws("events").put_rule(Name=name, **{**kept, **settings})

    return act


def _target(rule: str, **settings: Any) -> Act:
    def act(aws: Account) -> None:
        target = aws("events").list_targets_by_rule(Rule=rule)["Targets"][0]
        filled = json.loads(json.dumps(settings).replace("{account}", aws.id))
        aws("events").put_targets(Rule=rule, Targets=[{**target, **filled}])

    return act


def _alarm(name: str, **settings: Any) -> Act:
    def act(aws: Account) -> None:
        found = aws("cloudwatch").describe_alarms(AlarmNames=[f"{PROJECT}-{name}"])["MetricAlarms"][0]
        members = aws("cloudwatch").meta.service_model.operation_model("PutMetricAlarm").input_shape.members
        kept = {member: value for member, value in found.items() if member in members and value is not None}
        aws("cloudwatch").put_metric_alarm(**{**kept, **settings})

    return act


def _revision(edit: Callable[[dict[str, Any]], None]) -> Act:
    def act(aws: Account) -> None:
        answer = aws("ecs").describe_task_definition(taskDefinition=FAMILY, include=["TAGS"])
        model = aws("ecs").meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
        request = {name: value for name, value in answer["taskDefinition"].items() if name in model}
        edit(request)
        aws("ecs").register_task_definition(**request, tags=answer["tags"])

    return act


def _change_container(**settings: Any) -> Callable[[dict[str, Any]], None]:
    return lambda request: request["containerDefinitions"][0].update(settings)


def _template(**settings: Any) -> Act:
    def act(aws: Account) -> None:
        found = aws("ec2").describe_launch_template_versions(LaunchTemplateName=TEMPLATE, Versions=["$Default"])
        data = {**found["LaunchTemplateVersions"][0]["LaunchTemplateData"], **settings}
        data["MetadataOptions"].pop("State", None)  # an answer says it, a request must not
        answer = aws("ec2").create_launch_template_version(LaunchTemplateName=TEMPLATE, LaunchTemplateData=data)
        number = str(answer["LaunchTemplateVersion"]["VersionNumber"])
        aws("ec2").modify_launch_template(LaunchTemplateName=TEMPLATE, DefaultVersion=number)

    return act


def _scaling(**settings: Any) -> Act:
    return call("autoscaling", "update_auto_scaling_group", AutoScalingGroupName=GROUP, **settings)


def _tag_group(aws: Account) -> None:
    where = {"ResourceId": GROUP, "ResourceType": "auto-scaling-group", "PropagateAtLaunch": True}
    aws("autoscaling").create_or_update_tags(Tags=[{**where, "Key": "Owner", "Value": "x"}])


def _provide(**settings: Any) -> Act:
    return call("ecs", "update_capacity_provider", name=PROVIDER, autoScalingGroupProvider=settings)


def _ecs_arn(aws: Account, resource: str) -> str:
    return f"arn:aws:ecs:{REGION}:{aws.id}:{resource}"


def _tag_ecs(resource: str, key: str) -> Act:
    return lambda aws: aws("ecs").untag_resource(resourceArn=_ecs_arn(aws, resource), tagKeys=[key])


def _providers(names: list[str], *strategy: tuple[str, int]) -> Act:
    items = [{"capacityProvider": name, "weight": weight, "base": 0} for name, weight in strategy]
    return call(
        "ecs",
        "put_cluster_capacity_providers",
        cluster=CLUSTER,
        capacityProviders=names,
        defaultCapacityProviderStrategy=items,
    )


def _subscribe_logs(aws: Account) -> None:
    aws("logs").put_subscription_filter(
        logGroupName=LOGS, filterName="thief", filterPattern="", destinationArn=_function_arn(aws, RECONCILER)
    )


def _function_arn(aws: Account, name: str) -> str:
    return f"arn:aws:lambda:{REGION}:{aws.id}:function:{name}"


def _of(kind: str, name: str, rows: Mapping[str, tuple[Any, ...]]) -> dict[str, Mutation]:
    return {label: Mutation(act, kind, name, *values) for label, (act, *values) in rows.items()}


_FUNCTION = _of(
    "Lambda function",
    DISPATCHER,
    {
        "function with other code": (
            lambda aws: aws("lambda").update_function_code(FunctionName=DISPATCHER, ZipFile=archive("evil = 1")),
            *("code_sha256", Value(""), Value("=")),
        ),
        "function without time": (configure(DISPATCHER, Timeout=3), "timeout", 3, 60),
        "function without memory": (configure(DISPATCHER, MemorySize=128), "memory_size", 128, 512),
        "function described in another way": (
            configure(DISPATCHER, Description="x"),
            *("description", "x", "Starts a task for each job"),
        ),
        "function with another handler": (
            configure(DISPATCHER, Handler="app.main"),
            "handler",
            "app.main",
            "app.handler",
        ),
        "function that is traced": (
            configure(DISPATCHER, TracingConfig={"Mode": "Active"}),
            *("tracing_mode", "Active", "PassThrough"),
        ),
        "function with a bigger disk": (
            configure(DISPATCHER, EphemeralStorage={"Size": 1024}),
            *("ephemeral_storage", 1024, 512),
        ),
        "function that logs elsewhere": (
            configure(DISPATCHER, LoggingConfig={"LogFormat": "Text", "LogGroup": "/x"}),
            *("logging_config.log_group", "/x", f"/aws/lambda/{DISPATCHER}"),
        ),
        "function without dead letters of ours": (
            configure(DISPATCHER, DeadLetterConfig={"TargetArn": f"arn:aws:sqs:{REGION}:000000000000:{EVENTS}"}),
            *("other_settings.DeadLetterConfig", {"TargetArn": f"arn:aws:sqs:{REGION}:000000000000:{EVENTS}"}, None),
        ),
        "function stopped": (
            call("lambda", "put_function_concurrency", FunctionName=DISPATCHER, ReservedConcurrentExecutions=0),
            *("reserved_concurrency", 0, -1),
        ),
        "function with an alias": (_alias, "aliases.back-door", "$LATEST", None),
        "function whose alias was moved": (
            call("lambda", "update_alias", FunctionName=DISPATCHER, Name="live", FunctionVersion="$LATEST"),
            *("aliases.live", "$LATEST", Value("")),
        ),
        "function whose alias everybody may call": (
            call("lambda", "add_permission", FunctionName=DISPATCHER, Qualifier="live", **_PUBLIC),
            *("alias_policy.Version", "2012-10-17", None),
            (("alias_policy.Statement", Value("'Sid': 'all'"), None),),
        ),
        "function with a foreign tag": (
            lambda aws: aws("lambda").tag_resource(Resource=_function_arn(aws, DISPATCHER), Tags={"Owner": "x"}),
            *("tags.Owner", "x", None),
        ),
    },
) | _of(
    "Lambda function",
    RECONCILER,
    {
        "function with another environment": (_environment, "environment_variables.LEASE_SECONDS", "1", "120"),
        "function without its layer": (configure(RECONCILER, Layers=[]), "layers", [], Value(f":layer:{LAYER}:")),
        "function with another role": (
            lambda aws: configure(RECONCILER, Role=f"arn:aws:iam::{aws.id}:role/{PROJECT}-dispatcher-role")(aws),
            *("role", f"arn:aws:iam::{{account}}:role/{PROJECT}-dispatcher-role"),
            f"arn:aws:iam::{{account}}:role/{PROJECT}-reconciler-role",
        ),
        "function that everybody may call": (
            call("lambda", "add_permission", FunctionName=RECONCILER, **_PUBLIC),
            *("policy.Version", "2012-10-17", None),
            (("policy.Statement", Value("'Sid': 'all'"), None),),
        ),
        "function with a public URL": (
            call("lambda", "create_function_url_config", FunctionName=RECONCILER, AuthType="NONE"),
            *("function_url", "public", "absent"),
        ),
    },
)

_SOURCES = _of(
    "event source mapping",
    OF_JOBS,
    {
        "mapping disabled": (_source(JOBS, Enabled=False), "enabled", False, True),
        "mapping with other batches": (_source(JOBS, BatchSize=1), "batch_size", 1, 10),
        "mapping that takes too much": (
            _source(JOBS, ScalingConfig={"MaximumConcurrency": 900}),
            "maximum_concurrency",
            900,
            2,
        ),
        "mapping that loses failures": (
            _source(JOBS, FunctionResponseTypes=[]),
            "function_response_types",
            [],
            ["ReportBatchItemFailures"],
        ),
        "mapping that drops jobs": (
            _source(JOBS, FilterCriteria={"Filters": [{"Pattern": '{"body": {"a": ["b"]}}'}]}),
            *("filter_criteria[0]", {"body": {"a": ["b"]}}, None),
        ),
    },
) | {
    "jobs taken by another function": Mutation(
        _second_mapping,
        *("event source mapping", OF_EVENTS, "exclusive"),
        Value(f"{JOBS} to {RECONCILER}"),
        True,
        elsewhere=(("event source mapping", OF_JOBS, "exclusive"),),
    ),
}

_TASKS = (
    _of(
        "ECS task definition",
        FAMILY,
        {
            "newer revision with another image": (
                _revision(_change_container(image="evil:latest")),
                *("container_definitions[worker].image", "evil:latest", Value(f"{PROJECT}-audio-clean:")),
            ),
            "newer revision with more rights": (
                _revision(lambda request: request.update(pidMode="task")),
                "other_settings.pidMode",
                "task",
                None,
            ),
            "newer revision with a volume": (
                _revision(lambda request: request.update(volumes=[{"name": "x"}])),
                "volumes[x]",
                {"name": "x"},
                None,
            ),
            "newer revision with less memory": (
                _revision(lambda request: request.update(memory="3072")),
                "memory",
                "3072",
                "2048",
            ),
            "newer revision without a role": (
                _revision(lambda request: request.pop("taskRoleArn")),
                *("task_role_arn", None, f"arn:aws:iam::{{account}}:role/{PROJECT}-audio-clean-task-role"),
            ),
        },
    )
    | _of(
        "ECS cluster",
        CLUSTER,
        {
            "cluster without metrics": (
                call(
                    "ecs",
                    "update_cluster_settings",
                    cluster=CLUSTER,
                    settings=[{"name": "containerInsights", "value": "disabled"}],
                ),
                *("container_insights", "disabled", "enabled"),
            ),
            "cluster without Spot": (
                _providers(["FARGATE", PROVIDER], (PROVIDER, 1)),
                *("capacity_providers", ["FARGATE", PROVIDER], ["FARGATE", "FARGATE_SPOT", PROVIDER]),
                (("default_capacity_provider_strategy[0].capacity_provider", PROVIDER, "FARGATE"),),
            ),
            "cluster without a tag": (_tag_ecs(f"cluster/{CLUSTER}", "Project"), "tags.Project", None, "tamma"),
        },
    )
    | _of(
        "ECS capacity provider",
        PROVIDER,
        {
            "provider half full": (
                _provide(managedScaling={**_SCALING, "targetCapacity": 50}),
                *("managed_scaling.target_capacity", 50, 100),
            ),
            "provider without protection": (
                _provide(managedTerminationProtection="DISABLED"),
                *("managed_termination_protection", "DISABLED", "ENABLED"),
            ),
            "provider without draining": (
                _provide(managedDraining="DISABLED"),
                "managed_draining",
                "DISABLED",
                "ENABLED",
            ),
            "provider without a tag": (
                _tag_ecs(f"capacity-provider/{PROVIDER}", "Environment"),
                "tags.Environment",
                None,
                "dev",
            ),
        },
    )
    | _of(
        "Auto Scaling group",
        GROUP,
        {
            "group too big": (_scaling(MaxSize=50), "max_size", 50, 2),
            "group never empty": (_scaling(MinSize=1, DesiredCapacity=0), "min_size", 1, 0),
            "group with other health checks": (_scaling(HealthCheckType="ELB"), "health_check_type", "ELB", "EC2"),
            "group with a foreign tag": (_tag_group, "tags.Owner", "x", None),
        },
    )
    | _of(
        "Launch template",
        TEMPLATE,
        {
            "template with another type": (
                _template(InstanceType="p5.48xlarge"),
                "instance_type",
                "p5.48xlarge",
                "g5.xlarge",
            ),
            "template with open metadata": (
                _template(
                    MetadataOptions={"HttpTokens": "optional", "HttpEndpoint": "enabled", "HttpPutResponseHopLimit": 1}
                ),
                *("metadata_options.http_tokens", "optional", "required"),
            ),
            "template with a key pair": (_template(KeyName="thief"), "other_settings.KeyName", "thief", None),
        },
    )
)

_WATCH = (
    _of(
        "EventBridge rule",
        STOPPED,
        {
            "rule disabled": (call("events", "disable_rule", Name=STOPPED), "rule_state", "disabled", "enabled"),
            "rule for other events": (
                _rule(STOPPED, EventPattern='{"source": ["aws.ec2"]}'),
                "event_pattern.source",
                ["aws.ec2"],
                ["aws.ecs"],
                (
                    ("event_pattern.detail-type", None, ["ECS Task State Change"]),
                    (
                        "event_pattern.detail",
                        None,
                        {
                            "clusterArn": [f"arn:aws:ecs:{REGION}:{{account}}:cluster/{CLUSTER}"],
                            "lastStatus": ["STOPPED"],
                        },
                    ),
                ),
            ),
            "rule described in another way": (
                _rule(STOPPED, Description="x"),
                *("description", "x", "Tasks of the cluster that stopped, for the reconciler"),
            ),
            "extra target": (
                lambda aws: aws("events").put_targets(
                    Rule=STOPPED, Targets=[{"Id": "thief", "Arn": _function_arn(aws, DISPATCHER)}]
                ),
                *(
                    "targets[thief]",
                    {"id": "thief", "arn": f"arn:aws:lambda:{REGION}:{{account}}:function:{DISPATCHER}"},
                ),
                None,
            ),
            "target with a role": (
                _target(STOPPED, RoleArn="arn:aws:iam::{account}:role/x"),
                *("targets[task-events].role_arn", "arn:aws:iam::{account}:role/x", None),
            ),
            "target with dead letters": (
                _target(STOPPED, DeadLetterConfig={"Arn": f"arn:aws:sqs:{REGION}:{{account}}:x"}),
                *("targets[task-events].dead_letter_queue_arn", f"arn:aws:sqs:{REGION}:{{account}}:x", None),
            ),
        },
    )
    | _of(
        "EventBridge rule",
        SWEEP,
        {
            "rule once a day": (
                _rule(SWEEP, ScheduleExpression="rate(1 day)"),
                "schedule_expression",
                "rate(1 day)",
                "rate(1 minute)",
            ),
            "rule with a pattern too": (
                _rule(SWEEP, EventPattern='{"source": ["x"]}'),
                "event_pattern.source",
                ["x"],
                None,
            ),
            "target with other input": (
                _target(SWEEP, Input='{"tamma": "x"}'),
                *("targets[task-events].input", '{"tamma": "x"}', '{"tamma": "sweep"}'),
            ),
            "target removed": (
                call("events", "remove_targets", Rule=SWEEP, Ids=["task-events"]),
                *("targets[task-events]", None),
                {
                    "id": "task-events",
                    "arn": f"arn:aws:sqs:{REGION}:{{account}}:{EVENTS}",
                    "input": '{"tamma": "sweep"}',
                },
            ),
            "rule with a foreign tag": (
                lambda aws: aws("events").tag_resource(
                    ResourceARN=f"arn:aws:events:{REGION}:{aws.id}:rule/{SWEEP}", Tags=[{"Key": "Owner", "Value": "x"}]
                ),
                *("tags.Owner", "x", None),
            ),
        },
    )
    | _of(
        "CloudWatch alarm",
        f"{PROJECT}-oldest-job",
        {
            "alarm silent": (
                call("cloudwatch", "disable_alarm_actions", AlarmNames=[f"{PROJECT}-oldest-job"]),
                *("actions_enabled", False, True),
            ),
            "alarm too late": (_alarm("oldest-job", Threshold=1e6), "threshold", 1e6, 900.0),
            "alarm tells nobody": (
                _alarm("oldest-job", AlarmActions=[]),
                *("alarm_actions", [], [f"arn:aws:sns:{REGION}:{{account}}:{PROJECT}-alarms"]),
            ),
            "alarm on another queue": (
                _alarm("oldest-job", Dimensions=[{"Name": "QueueName", "Value": "x"}]),
                *("dimensions.QueueName", "x", JOBS),
            ),
            "alarm that misses data": (
                _alarm("oldest-job", TreatMissingData="breaching"),
                "treat_missing_data",
                "breaching",
                "notBreaching",
            ),
            "alarm after an hour": (_alarm("oldest-job", Period=3600), "period", 3600, 60),
            "alarm without a tag": (
                lambda aws: aws("cloudwatch").untag_resource(
                    ResourceARN=f"arn:aws:cloudwatch:{REGION}:{aws.id}:alarm:{PROJECT}-oldest-job", TagKeys=["Project"]
                ),
                *("tags.Project", None, "tamma"),
            ),
        },
    )
    | _of(
        "CloudWatch log group",
        LOGS,
        {
            "logs kept for ever": (call("logs", "delete_retention_policy", logGroupName=LOGS), "retention", 0, 14),
            "logs sent on": (
                _subscribe_logs,
                *("subscription_filters[thief]",),
                {
                    "name": "thief",
                    "destination": f"arn:aws:lambda:{REGION}:{{account}}:function:{RECONCILER}",
                    "pattern": "",
                },
                None,
            ),
            "logs without a tag": (
                lambda aws: aws("logs").untag_resource(
                    resourceArn=f"arn:aws:logs:{REGION}:{aws.id}:log-group:{LOGS}", tagKeys=["Project"]
                ),
                *("tags.Project", None, "tamma"),
            ),
        },
    )
)

MUTATIONS = {
    **_FUNCTION,
    **_SOURCES,
    **_TASKS,
    **_WATCH,
    "layer for everybody": Mutation(
        _share_layer,
        *("Lambda layer", LAYER, "policy.Version", "2012-10-17", None),
        also=(("policy.Statement", Value("'Sid': 'all'"), None),),
        elsewhere=(("Lambda layer", LAYER, "policy.Id"),),
    ),
}
