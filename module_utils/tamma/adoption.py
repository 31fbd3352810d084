"""What of a stack that something else made can be taken over, and under which names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.tamma import adopted_network, foreigners, holdings
from ansible.module_utils.tamma.collisions import Names, by_name, is_ours, label, named_like_ours, strangers
from ansible.module_utils.tamma.ec2 import Vpc
from ansible.module_utils.tamma.errors import RefusalError, is_code
from ansible.module_utils.tamma.holdings import KINDS, Connect, Thing
from botocore.exceptions import ClientError

_MODULES = {
    "dispatcher_function": "lambda_function",
    "dispatcher_role": "iam_role",
    "gpu_instance_role": "iam_role",
    "gpu_instance_profile": "iam_instance_profile",
    "gpu_launch_template": "ec2_launch_template",
    "task_log_group": "cloudwatch_log_group",
}
"""Which module makes what a key of naming_adopted_names is the name of."""
_OF_THE_OLD_WAY = ("dispatcher_function", "dispatcher_role")
"""What a standard queue still needs until it is empty."""
_FIFO = ".fifo"
_FUNCTION_LOGS = "/aws/lambda/"


@dataclass(frozen=True)
class Wish:
    """What the stack is called, and what it may have been called."""

    names: Names
    marks: Mapping[str, str]
    defaults: Mapping[str, Any]
    """What is used without an adoption, by keys of naming_adopted_names."""
    old_names: Mapping[str, str]
    adopted: frozenset[str]
    """What an earlier adoption took over."""
    vpc: str
    cluster: str
    worker_group: str
    gpu_group: str
    queues: tuple[str, ...]
    parameter_path: str
    url_parameter: str


@dataclass
class Survey:
    """What was found, in sentences, and the inventory's variables for it."""

    variables: dict[str, Any] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def survey(connect: Connect, wish: Wish) -> Survey:
    """Look at everything; RefusalError when nothing is there that this project did not make."""
    network = adopted_network.survey(connect("ec2"), Vpc(connect("ec2"), wish.vpc), wish.worker_group)
    standard = [queue.removesuffix(_FIFO) for queue in wish.queues if _queue(connect, queue.removesuffix(_FIFO))]
    old = {key: name for key, name in _old_names(connect, wish) if not (standard and key in _OF_THE_OLD_WAY)}
    mapped = {key: name for key, name in {**network.names, **old}.items() if name != wish.defaults.get(key)}
    names = _renamed(wish, mapped)
    found = strangers(connect, names, (), lambda thing: is_ours(thing, connect, wish.marks), by_name)
    result = Survey(replaced=list(_replaced(connect, wish, standard)))
    services = dict(_services(connect, wish.cluster))
    idle = [f"ECS service {name}" for name, tasks in services.items() if not tasks]
    if not found and not mapped:
        raise RefusalError(
            f"there is nothing to adopt: whatever is called like {wish.vpc} or its kin in this account and region was "
            "made by this project, or there is none; check AWS_PROFILE, naming_region and naming_project"
        )
    there = {label(thing) for thing in named_like_ours(connect, names, by_name)} | set(idle)
    resources = {label(thing) for thing in found} | {*idle} | (wish.adopted & there)
    result.variables = {
        "naming_adopted_names": mapped,
        "naming_adopted_resources": sorted(resources),
        **_types(connect, wish.url_parameter),
        **(network.variables if network.names.keys() & mapped.keys() or _is_in(found, wish.vpc) else {}),
    }
    result.taken = [*map(str, found), *_inside(mapped, network.gateways)]
    result.left = list(_left(connect, wish, names, services))
    return result


def _is_in(found: list[Thing], vpc: str) -> bool:
    return any(thing.kind.module == "ec2_vpc_net" and thing.name == vpc for thing in found)


def _types(connect: Connect, parameter: str) -> dict[str, str]:
    """Return the type of the parameter that need not be secret: AWS would have to make it anew to change that."""
    only = {"ParameterFilters": [{"Key": "Name", "Option": "Equals", "Values": [parameter]}]}
    found = holdings.listed(connect("ssm"), "describe_parameters", "Parameters", only)
    return {"secrets_supabase_url_type": found[0]["Type"]} if found and found[0]["Type"] != "String" else {}


def _old_names(connect: Connect, wish: Wish) -> Iterator[tuple[str, str]]:
    """Yield the old name of what exists under it and not under ours."""
    candidates = {**wish.old_names, **_of_the_group(connect, wish.gpu_group)}
    for key, old in candidates.items():
        present = _present(connect, _MODULES[key], [old, str(wish.defaults[key])])
        if old in present and str(wish.defaults[key]) not in present:
            yield key, old


def _present(connect: Connect, module: str, names: list[str]) -> set[str]:
    kind = next(kind for kind in KINDS if kind.module == module)
    return {thing.name for thing in holdings.things(kind, connect, names)} & set(names)


def _of_the_group(connect: Connect, name: str) -> dict[str, str]:
    """Return what the template of the group of GPU instances, and the instance profile in it, are called."""
    groups = connect("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    template = groups[0].get("LaunchTemplate", {}).get("LaunchTemplateName") if groups else None
    if not template:
        return {}
    versions = connect("ec2").describe_launch_template_versions(LaunchTemplateName=template, Versions=["$Latest"])
    profile = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"].get("IamInstanceProfile", {})
    called = profile.get("Name") or holdings.last(profile.get("Arn", ""))
    return {
        "gpu_launch_template": template,
        **({"gpu_instance_profile": called} if called else {}),
    }


def _renamed(wish: Wish, mapped: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names of the stack with the old ones in place of ours."""
    change: dict[str, list[str]] = {}
    for key, value in mapped.items():
        for ours, theirs in zip(_list(wish.defaults.get(key)), _list(value), strict=False):
            change.setdefault(ours, []).append(theirs)
    if function := mapped.get("dispatcher_function"):
        change[f"{_FUNCTION_LOGS}{wish.defaults['dispatcher_function']}"] = [f"{_FUNCTION_LOGS}{function}"]
    return {
        module: list(dict.fromkeys(new for name in listed for new in change.get(name, [name])))
        for module, listed in wish.names.items()
    }


def _list(value: Any) -> list[str]:
    return list(map(str, value)) if isinstance(value, list) else [str(value)]


def _queue(connect: Connect, name: str) -> str:
    """Return how many messages a queue holds, in words; nothing when there is none."""
    sqs, wanted = connect("sqs"), ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    try:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    except ClientError as error:
        if is_code(error, "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"):
            return ""
        raise
    count = sum(map(int, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"].values()))
    return f"{count} message{'' if count == 1 else 's'}"


def _replaced(connect: Connect, wish: Wish, standard: list[str]) -> Iterator[str]:
    for queue in standard:
        yield (
            f"SQS queue {queue} ({_queue(connect, queue)}): {queue}{_FIFO} is made beside it, because a standard queue "
            "cannot become a FIFO one; delete it when it is empty"
        )
    for key in _OF_THE_OLD_WAY if standard else ():
        old, ours = wish.old_names.get(key), wish.defaults[key]
        if old and _present(connect, _MODULES[key], [old]):
            kind = next(kind.words for kind in KINDS if kind.module == _MODULES[key])
            yield (
                f"{kind} {old}: {ours} is made beside it, because the standard queue needs the old one until it is "
                "empty; delete it then"
            )


def _services(connect: Connect, cluster: str) -> Iterator[tuple[str, int]]:
    """Yield the services of the cluster with how many tasks they want or have."""
    ecs = connect("ecs")
    if not [one for one in ecs.describe_clusters(clusters=[cluster])["clusters"] if one["status"] == "ACTIVE"]:
        return
    for arn in holdings.listed(ecs, "list_services", "serviceArns", {"cluster": cluster}):
        for service in ecs.describe_services(cluster=cluster, services=[arn])["services"]:
            yield str(service["serviceName"]), int(service["desiredCount"]) + int(service["runningCount"])


def _left(connect: Connect, wish: Wish, names: Names, services: Mapping[str, int]) -> Iterator[str]:
    own = set(names.get("ssm_parameter", []))
    path = {"Key": "Path", "Option": "Recursive", "Values": [wish.parameter_path]}
    for parameter in holdings.listed(connect("ssm"), "describe_parameters", "Parameters", {"ParameterFilters": [path]}):
        if parameter["Name"] not in own and str(parameter["Name"]).startswith(f"{wish.parameter_path}/"):
            yield f"SSM parameter {parameter['Name']}: it is not part of this stack, also when that is torn down"
    for name, tasks in services.items():
        if tasks:
            yield f"ECS service {name} ({tasks} tasks): jobs need no service; delete it when nothing needs it"
        else:
            yield f"ECS service {name} (no task): jobs need no service; it goes with the cluster"
    vpc = Vpc(connect("ec2"), wish.vpc).id
    for found in foreigners.in_vpc(connect, vpc, names, set()) if vpc else ():
        yield f"{found}: it is in {wish.vpc} and not part of this stack; a teardown refuses to begin until it is gone"


def _inside(mapped: Mapping[str, Any], gateways: int) -> Iterator[str]:
    """Yield what is inside the VPC under other names than ours; of the zones' NAT gateways the first so many exist."""
    words = {
        "public_subnets": "public subnet",
        "private_subnets": "private subnet",
        "public_route_table": "public route table",
        "private_route_tables": "private route table",
        "internet_gateway": "internet gateway",
        "nat_gateways": "NAT gateway",
        "s3_endpoint": "S3 endpoint",
    }
    for key, what in words.items():
        names = list(dict.fromkeys(_list(mapped[key]))) if key in mapped else []
        yield from (f"{what} {name}" for name in (names[:gateways] if key == "nat_gateways" else names))


def lines(found: Survey, title: str) -> Iterator[str]:
    """Yield a page for a person."""
    yield f"Adoption of {title}"
    parts = (
        ("taken over, under its name", found.taken),
        ("replaced", found.replaced),
        ("left alone", found.left),
    )
    for head, listed in parts:
        yield ""
        yield f"{head}:" if listed else f"{head}: nothing"
        yield from (f"  {line}" for line in listed)
