"""What is left of a stack in an account: by the names that it uses, and by its tags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ansible.module_utils.tamma import holdings
from ansible.module_utils.tamma.holdings import INSTANCE, KINDS, Connect, Thing

# They go with their cluster; AWS's index of tags knows them for a while longer.
_GO_ALONG = {"ecs:task", "ecs:container-instance"}

Place = tuple[str, str]
"""How the ARN of something begins, and what it is called in it."""


def left(connect: Connect, names: Mapping[str, list[str]], marks: Mapping[str, str]) -> list[str]:
    """Return a sentence for everything that is left.

    `names` are those of the stack by module; `marks` are its tags. Every service is asked for its things, which are
    known by name and by the tags that their descriptions hold; AWS's index of tags is asked for the rest.
    """
    indexed = {place_of(arn): arn for arn in holdings.tagged(connect, marks)}
    seen: set[Place] = set()
    found: dict[Place, str] = {}
    for thing in _all(connect, names, indexed):
        places = [(begins, tail_of(thing.token)) for begins in thing.kind.arn]
        seen |= set(places)
        if reason := _reason(thing, names, marks):
            found[places[0]] = f"{thing} is left: it has {reason}."
    for place, arn in indexed.items():
        if place not in found and _still_there(place, seen):
            found[place] = f"{arn} is left: it has the tags of the stack."
    return list(found.values())


def _all(connect: Connect, names: Mapping[str, list[str]], indexed: Mapping[Place, str]) -> Iterator[Thing]:
    for kind in KINDS:
        wanted = [*names.get(kind.module, [])]
        if kind.prefix:
            wanted += [
                arn.split(":", 6)[6].removesuffix(":*") for (begins, _), arn in indexed.items() if begins in kind.arn
            ]
        yield from holdings.things(kind, connect, wanted)
    yield from holdings.instances(connect)


def _reason(thing: Thing, names: Mapping[str, list[str]], marks: Mapping[str, str]) -> str:
    if marks.items() <= holdings.labels(thing.item).items():
        return "the tags of the stack"
    if thing.kind.inside_vpc:
        return ""  # in another VPC such a name is somebody else's
    if thing.kind.words == "event source mapping" and _joins(thing, names):
        return "an end in the stack"
    return "a name of the stack" if thing.name in names.get(thing.kind.module, []) else ""


def _joins(thing: Thing, names: Mapping[str, list[str]]) -> bool:
    """Whether one end of an event source mapping is a queue or a function of the stack."""
    queue, function = (str(thing.item.get(end)).split(":") for end in ("EventSourceArn", "FunctionArn"))
    return queue[-1] in names.get("sqs_queue", []) or bool(set(function) & set(names.get("lambda_function", [])))


def _still_there(place: Place, seen: set[Place]) -> bool:
    """Whether a thing that the index names exists: its service says so, where that was asked for things like it."""
    known = {begins for kind in (*KINDS, INSTANCE) for begins in kind.arn} | _GO_ALONG
    return place in seen or place[0] not in known


def place_of(arn: str) -> Place:
    """Return how an ARN begins, for example `ec2:vpc`, and what the thing is called in it."""
    service, resource = arn.split(":", 5)[2], arn.split(":", 5)[5]
    separator = next((sign for sign in resource if sign in ":/"), "")
    return f"{service}:{resource.partition(separator)[0] if separator else ''}", tail_of(arn)


def tail_of(token: str) -> str:
    """Return what a thing is called in its ARN, from that or from its id, name or URL."""
    if token.startswith("http"):
        return holdings.last(token)
    if not token.startswith("arn:"):
        return token.strip("/")
    resource = token.split(":", 5)[5]
    separator = next((sign for sign in resource if sign in ":/"), "")
    return (resource.partition(separator)[2] if separator else resource).strip("/")
