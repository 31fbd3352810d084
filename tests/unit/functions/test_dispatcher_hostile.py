"""Hostile messages through the dispatcher's handler, on the real schema, with the limits of SQS."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.unit.functions.aws import refusal, sent
from tests.unit.functions.hostile import received_bodies, sqs_takes
from tests.unit.functions.test_dispatcher import DLQ, World, record

if TYPE_CHECKING:
    from job_store import JobStore

    from tests.unit.functions.rest import RestOverDatabase
    from tests.unit.supabase.database import Database


@pytest.fixture
def world(database: Database, rest: RestOverDatabase, store: JobStore) -> World:
    return World(database, rest, store)


NUMBERS = itertools.count()  # the database outlives an example


def as_sqs(params: dict[str, Any]) -> dict[str, Any]:
    """Take a message, or refuse it as SQS does: empty text, characters outside of its set, more than 256 KiB."""
    texts = [params["MessageBody"], *(value["StringValue"] for value in params["MessageAttributes"].values())]
    if not all(sqs_takes(text) for text in texts) or sum(len(text.encode()) for text in texts) > 262_144 - 100:
        return refusal("InvalidMessageContents")
    return {"MessageId": "1"}


@given(body=received_bodies)
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_every_message_ends_in_a_clear_state_after_one_delivery(world: World, body: str) -> None:
    """Started, known already, or set aside with a reason; never returned, and its mates of the same group start."""
    world.sqs.answers["SendMessage"] = as_sqs
    number = next(NUMBERS)
    mates = [f"mate-{number}-{side}" for side in "ab"]
    for calls in (world.sqs.calls, world.ecs.calls):
        calls.clear()
    hostile = {**record("hostile", "g"), "body": body}
    assert world.send(record(mates[0], "g"), hostile, record(mates[1], "g")) == []
    started = [request["tags"][0]["value"] for request in world.run_tasks]
    assert (started[0], started[-1]) == (mates[0], mates[1])
    letters = sent(world.sqs, DLQ)
    for letter in letters:
        assert letter["MessageBody"] == body
        assert letter["MessageAttributes"]["reason"]["StringValue"].endswith(".")
        assert started == mates
    for job_id in started[1:-1]:
        assert world.database.job(job_id)["status"] == "starting"
    assert len(letters) <= 1
    assert len(started) <= 3


@pytest.mark.parametrize("body", ["\x00", "a\ud800", "\ufffe", "\x1b[2J", "\x00" * 200_001])
def test_what_sqs_would_refuse_is_set_aside_all_the_same(world: World, body: str) -> None:
    """Nothing that was received holds such characters; should one get here, it must not go round for ever."""
    world.sqs.answers["SendMessage"] = as_sqs
    assert world.send({**record("bad"), "body": body}, record("good")) == []
    assert len(sent(world.sqs, DLQ)) == 1
    assert len(world.run_tasks) == 1


def test_a_body_of_a_megabyte_fits_the_dead_letter_queue(world: World) -> None:
    world.sqs.answers["SendMessage"] = as_sqs
    assert world.send(record("big", body="👩" * (1 << 18)), record("good")) == []
    assert len(sent(world.sqs, DLQ)) == 1
    assert len(world.run_tasks) == 1


@pytest.mark.parametrize("character", ["\ufffe", "\uffff"])
def test_a_key_with_an_escaped_character_that_sqs_refuses_plain(world: World, character: str) -> None:
    assert world.send(record(s3_key=f"a{character}.wav")) == []
    assert world.database.job("job")["s3_key"] == f"a{character}.wav"
