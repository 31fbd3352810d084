"""Why a teardown must not begin: each reason is a sentence that says what a person can do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.tamma import buckets, foreigners, holdings, unfinished
from ansible.module_utils.tamma.collisions import by_listing, strangers
from ansible.module_utils.tamma.ec2 import filters
from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.holdings import Connect
from ansible.module_utils.tamma.unfinished import Places

_GIVE_UP = "give them up with -e teardown_abandon_jobs=true"


@dataclass(frozen=True)
class Wish:
    """What shall go, and what the operator has said about it."""

    names: Mapping[str, list[str]]
    """All names of the stack, by the module that makes them."""
    marks: Mapping[str, str]
    places: Places
    vpc: str
    adopt: frozenset[str]
    """Names of things that go though they lack the tags of the stack."""
    adopted: frozenset[str]
    """What was adopted, for example `ECS service tamma-dev-audio-clean`."""
    delete_objects: bool
    abandon: bool
    drain: bool


def reasons(connect: Connect, wish: Wish) -> list[str]:
    """Return every reason against a teardown; reads the account."""
    collisions = _collisions(connect, wish)
    if collisions:
        return collisions  # what else there is may be somebody else's, and no business of this run
    return [*_foreigners(connect, wish), *_data(connect, wish), *_jobs(connect, wish)]


def _collisions(connect: Connect, wish: Wish) -> list[str]:
    """Name what has a name of ours and not our tags: it may be somebody else's."""
    found = strangers(
        connect, wish.names, wish.adopt, lambda thing: holdings.is_ours(thing, connect, wish.marks), by_listing
    )
    marks = ", ".join(f"{name}={value}" for name, value in wish.marks.items())
    return [
        f"{thing} has a name of this stack and not its tags {marks}, so it may be somebody else's: tag it, rename it, "
        f"or let it go with the stack by -e teardown_adopt={thing.name} (several: separated by commas)."
        for thing in found
    ]


def _foreigners(connect: Connect, wish: Wish) -> list[str]:
    ecs, found = connect("ecs"), []
    if any(one["status"] == "ACTIVE" for one in ecs.describe_clusters(clusters=[wish.places.cluster])["clusters"]):
        found += [one for one in foreigners.services_in(ecs, wish.places.cluster) if one not in wish.adopted]
    vpcs = connect("ec2").describe_vpcs(Filters=filters({"tag:Name": [wish.vpc]}))["Vpcs"]
    if len(vpcs) > 1:
        ids = ", ".join(str(vpc["VpcId"]) for vpc in vpcs)
        return [f"{len(vpcs)} VPCs are called {wish.vpc} ({ids}): rename all but the one that is meant."]
    if vpcs:
        tasks = unfinished.running_tasks(ecs, wish.places.cluster)
        own = unfinished.interfaces_of(ecs, wish.places.cluster, tasks)
        found += foreigners.in_vpc(connect, str(vpcs[0]["VpcId"]), wish.names, own)
    if not found:
        return []
    where = f"{wish.vpc} and {wish.places.cluster}"
    return [f"There is something in {where} that this project did not make: {_list(found)}. Remove it first."]


def _data(connect: Connect, wish: Wish) -> list[str]:
    if wish.delete_objects:
        return []
    s3, wanted = connect("s3"), set(wish.names.get("s3_bucket", []))
    ours = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"] if bucket["Name"] in wanted]
    held = {name: buckets.holds(s3, name) for name in ours}
    full = [f"S3 bucket {name} ({what})" for name, what in held.items() if what]
    if not full:
        return []
    step = "Copy what you need, then let it go with -e storage_delete_objects=true."
    return [f"There is data that nobody can bring back: {_list(full)}. {step}"]


def _jobs(connect: Connect, wish: Wish) -> list[str]:
    if wish.abandon:
        return []
    try:
        under_way = [] if wish.drain else unfinished.under_way(connect, wish.places)
    except RefusalError as error:
        return [f"{str(error)[0].upper()}{str(error)[1:]}."]
    aside = unfinished.dead_letters(connect, wish.places)
    if under_way:
        step = f"Let them end with -e teardown_drain_minutes=30, or {_GIVE_UP}."
        return [f"Jobs are not over: {_list([*under_way, *aside])}. {step}"]
    if aside:
        step = f"Send them again (see the runbook of the dead-letter queue), or {_GIVE_UP}."
        return [f"Jobs wait for a person: {_list(aside)}. {step}"]
    return []


def _list(items: Iterable[Any]) -> str:
    return ", ".join(map(str, items))
