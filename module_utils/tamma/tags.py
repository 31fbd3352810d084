"""Tags: a dict of strings on our side, three spellings on AWS's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def to_dict(pairs: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    """Return tags as a dict from `Key`/`Value` or `key`/`value` pairs, without those that AWS itself sets (`aws:`)."""
    tags = {}
    for pair in pairs or ():
        name = str(pair["Key"] if "Key" in pair else pair["key"])
        tags[name] = str(pair.get("Value", pair.get("value", "")))
    return own(tags)


def own(tags: Mapping[str, str] | None) -> dict[str, str]:
    """Return the tags without those that AWS itself sets."""
    return {name: value for name, value in (tags or {}).items() if not name.startswith("aws:")}


def to_pairs(tags: Mapping[str, Any] | None, *, lower: bool = False) -> list[dict[str, str]]:
    """Return tags as the list of pairs that most services take; ECS spells them in lower case."""
    key, value = ("key", "value") if lower else ("Key", "Value")
    return [{key: str(name), value: str(text)} for name, text in sorted((tags or {}).items())]


def changes(current: Mapping[str, str], desired: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the tags to set and the keys to remove."""
    wanted = {name: value for name, value in desired.items() if current.get(name) != value}
    return wanted, sorted(set(current) - set(desired))


def update_ecs(ecs: Any, arn: str, current: Mapping[str, str], desired: Mapping[str, str]) -> None:
    """Set and remove tags of a resource of ECS, whose kinds all share these two calls."""
    wanted, gone = changes(current, desired)
    if wanted:
        ecs.tag_resource(resourceArn=arn, tags=to_pairs(wanted, lower=True))
    if gone:
        ecs.untag_resource(resourceArn=arn, tagKeys=gone)
