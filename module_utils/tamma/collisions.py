"""Things with a name of the stack that something else made, or that were never told to be ours."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from ansible.module_utils.tamma import holdings, leftovers
from ansible.module_utils.tamma.ec2 import filters
from ansible.module_utils.tamma.errors import is_code
from ansible.module_utils.tamma.holdings import KINDS, Connect, Kind, Thing
from botocore.exceptions import ClientError

Names = Mapping[str, list[str]]
"""The names that the stack uses, by the module that makes them."""
Listing = Callable[[Connect, Kind, list[str]], Iterator[Thing]]

# How one thing is asked for by its name, where that is the question that its module asks too: operation, arguments and
# where the answer holds it. A run that changes nothing asks each question once, whoever has it.
_BY_NAME: dict[str, tuple[str, Callable[[str], dict[str, Any]], str]] = {
    "ec2_vpc_net": ("describe_vpcs", lambda name: {"Filters": filters({"tag:Name": [name]})}, "Vpcs"),
    "ec2_launch_template": (
        "describe_launch_templates",
        lambda name: {"Filters": filters({"launch-template-name": [name]})},
        "LaunchTemplates",
    ),
    "autoscaling_group": (
        "describe_auto_scaling_groups",
        lambda name: {"AutoScalingGroupNames": [name]},
        "AutoScalingGroups",
    ),
    "ssm_parameter": (
        "describe_parameters",
        lambda name: {"ParameterFilters": [{"Key": "Name", "Option": "Equals", "Values": [name]}]},
        "Parameters",
    ),
    "cloudwatch_metric_alarm": (
        "describe_alarms",
        lambda name: {"AlarmNames": [name], "AlarmTypes": ["MetricAlarm"]},
        "MetricAlarms",
    ),
    "iam_role": ("get_role", lambda name: {"RoleName": name}, "Role"),
    "iam_user": ("get_user", lambda name: {"UserName": name}, "User"),
    "iam_instance_profile": (
        "get_instance_profile",
        lambda name: {"InstanceProfileName": name},
        "InstanceProfile",
    ),
}


def strangers(
    connect: Connect, names: Names, accepted: Collection[str], ours: Callable[[Thing], bool], listing: Listing
) -> list[Thing]:
    """Return what has a name of the stack and is not ours; what stands inside a VPC is known by that.

    `accepted` holds names, or `label`s, that may be anybody's. A task definition is ours when one of its revisions is:
    people register others by hand.
    """
    found: dict[str, Thing] = {}
    own = set()
    for thing in named_like_ours(connect, names, listing):
        if not {label(thing), thing.name} & set(accepted):
            found[label(thing)] = thing
            if label(thing) not in own and ours(thing):
                own.add(label(thing))
    return [thing for called, thing in found.items() if called not in own]


def made_by_others(connect: Connect, names: Names, marks: Mapping[str, str], accepted: Collection[str]) -> list[Thing]:
    """Return what a run would take over though something else made it.

    AWS's index of tags is asked first, which knows most of what is ours in one answer; only the rest is looked for.
    """
    known = [leftovers.place_of(arn) for arn in _indexed(connect, marks)]
    rest = {
        kind.module: [name for name in names.get(kind.module, []) if not _is_indexed(kind, name, known)]
        for kind in KINDS
    }
    return strangers(connect, rest, accepted, lambda thing: is_ours(thing, connect, marks), by_name)


def named_like_ours(connect: Connect, names: Names, listing: Listing) -> Iterator[Thing]:
    """Yield everything that has a name of the stack, except for what is inside a VPC."""
    for kind in KINDS:
        wanted = [] if kind.inside_vpc else names.get(kind.module, [])
        if wanted:
            yield from (thing for thing in listing(connect, kind, wanted) if thing.name in wanted)


def by_listing(connect: Connect, kind: Kind, names: list[str]) -> Iterator[Thing]:
    """Yield all things of a kind."""
    return holdings.things(kind, connect, names)


def by_name(connect: Connect, kind: Kind, names: list[str]) -> Iterator[Thing]:
    """Yield the things of a kind with these names, and others where the service only lists."""
    if kind.module not in _BY_NAME:
        yield from holdings.things(kind, connect, names)
        return
    operation, arguments, member = _BY_NAME[kind.module]
    for name in names:
        try:
            answer = getattr(connect(kind.service), operation)(**arguments(name))[member]
        except ClientError as error:
            if is_code(error, "NoSuchEntity"):
                continue
            raise
        for item in answer if isinstance(answer, list) else [answer]:
            yield Thing(kind, kind.name(item), kind.token(item), item)


def label(thing: Thing) -> str:
    """Return what a person calls it, which stays the same when it is made anew."""
    return f"{thing.kind.words} {thing.name}"


def is_ours(thing: Thing, connect: Connect, marks: Mapping[str, str]) -> bool:
    """Whether this project made a thing: a tag that says it must be there, and none may say something else.

    Other tags of ours may be missing or changed by hand: that is drift, which a run repairs. A layer, which cannot have
    tags, is known by its description. `marks` are the tags of the stack, ManagedBy and Project among them.
    """
    if thing.kind.module == "lambda_layer":
        return holdings.is_ours(thing, connect, marks)
    tags = holdings.labels(thing.item) or holdings.tags_of(thing, connect)
    return tags.get("ManagedBy") == marks["ManagedBy"] and tags.get("Project", marks["Project"]) == marks["Project"]


def _indexed(connect: Connect, marks: Mapping[str, str]) -> list[str]:
    """Return the ARNs that the index knows as ours; none for who may not ask it: then everything is looked for."""
    try:
        return holdings.tagged(connect, {name: marks[name] for name in ("ManagedBy", "Project")})
    except ClientError as error:
        if is_code(error, "AccessDenied", "AccessDeniedException"):
            return []
        raise


def _is_indexed(kind: Kind, name: str, known: Collection[leftovers.Place]) -> bool:
    """Whether the index has a thing of this name; a revision of a task definition stands for its family."""
    tail = name.strip("/")
    return any(begins in kind.arn and (called == tail or called.rpartition(":")[0] == tail) for begins, called in known)
