"""Redriving dead letters: nothing is lost wherever it ends, nothing happens twice however often it is done."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.ansible_modules import KilledError, load
from tests.contract.emulators import Emulator
from tests.contract.operating import DEAD_LETTERS, REASON, Operated, body
from tests.e2e.local_stack import until
from tests.unit.supabase.conftest import database, database_server  # noqa: F401 the fixtures of the schema's tests
from tests.unit.supabase.database import Database

from ansible.module_utils.tamma import letters  # isort: skip - tests.ansible_modules shows it to Python

MALFORMED = '{"s3_key": "uploads/talk.wav"}'
USER = "00000000-0000-0000-0000-000000000001"


@pytest.fixture
def operated(
    emulator: Callable[[str], Emulator],
    database: Database,  # noqa: F811 the fixture, not the import
    monkeypatch: pytest.MonkeyPatch,
) -> Operated:
    return Operated(emulator("ministack"), database, monkeypatch)


def _fates(letters: dict[str, Any]) -> dict[str, str]:
    return {label: letter["fate"] for label, letter in letters.items()}


def test_without_a_choice_they_are_listed_and_put_back_at_once(operated: Operated) -> None:
    operated.use_up("talk-1")
    operated.set_aside(MALFORMED)
    outcome = operated.redrive()
    assert not outcome.changed
    assert outcome.resource["talk-1"]["reason"] == REASON
    assert outcome.resource["talk-1"]["job"] == "failed in attempt 5 (crashed)"
    malformed = next(letter for label, letter in outcome.resource.items() if label != "talk-1")
    assert malformed["redrive"] == "stays: malformed"
    assert operated.depth(operated.dead_letters) == (2, 0)
    assert operated.sent() == []
    report = "\n".join(outcome.result["report"])
    assert "2 dead letters" in report
    assert REASON in report
    assert "redrive_all=true" in report


def test_the_preview_names_every_fate_and_changes_nothing(operated: Operated) -> None:
    operated.use_up("talk-1")
    outcome = operated.redrive(all=True, check=True)
    assert outcome.changed
    assert (outcome.before["talk-1"]["fate"], outcome.after["talk-1"]["fate"]) == (
        "set aside",
        "reopened for attempt 6",
    )
    assert operated.database.job("talk-1")["status"] == "failed"
    assert operated.depth(operated.dead_letters) == (1, 0)
    assert operated.sent() == []


def test_a_redrive_reopens_and_sends_each_job_once_and_the_second_does_nothing(operated: Operated) -> None:
    for number in range(3):
        operated.use_up(f"talk-{number}")
    operated.set_aside(MALFORMED)
    assert operated.redrive(all=True).changed
    again = operated.redrive(all=True)
    assert not again.changed
    assert len(again.resource) == 1
    assert sorted((it["job_id"], it["attempt"]) for it in operated.sent()) == [(f"talk-{n}", 6) for n in range(3)]
    for number in range(3):
        job = operated.database.job(f"talk-{number}")
        assert (job["status"], job["attempt"], job["reopened"], job["failed_attempts"]) == ("retrying", 5, 1, 0)
    assert operated.depth(operated.dead_letters) == (1, 0)


def test_only_the_chosen_jobs_are_redriven(operated: Operated) -> None:
    for name in ("talk-1", "talk-2"):
        operated.use_up(name)
    outcome = operated.redrive(job_ids=["talk-2"])
    assert _fates(outcome.resource) == {"talk-1": "set aside", "talk-2": "reopened for attempt 6"}
    assert outcome.resource["talk-1"]["redrive"] == "not chosen"
    assert [it["job_id"] for it in operated.sent()] == ["talk-2"]
    again = operated.redrive(job_ids=["talk-2"])
    assert not again.changed
    assert "There is no dead letter of talk-2: the job is waiting for attempt 6." in again.result["report"]


def test_malformed_ones_are_removed_only_when_that_is_asked_for(operated: Operated) -> None:
    operated.use_up("talk-1")
    operated.set_aside(MALFORMED)
    assert sorted(_fates(operated.redrive(discard_malformed=True).resource).values()) == [
        "removed: malformed",
        "set aside",
    ]
    assert list(operated.redrive().resource) == ["talk-1"]
    assert operated.sent() == []


def _finish(operated: Operated) -> None:
    operated.claim("talk", 1)
    operated.database.call("complete_job", p_job_id="talk", p_attempt=1, p_outputs="{}")


def _fail(operated: Operated, attempt: int, code: str) -> None:
    operated.claim("talk", 1)
    operated.database.call("fail_job", p_job_id="talk", p_attempt=attempt, p_error_code=code, p_error_message="No.")


@pytest.mark.parametrize(
    ("prepare", "attempt", "fate", "sends"),
    [
        (lambda _: None, 1, "sent again: the job has no row yet", True),
        (lambda it: it.claim("talk", 1), 1, "sent again: the job is starting in attempt 1", True),
        (_finish, 2, "removed: the job is done", False),
        (lambda it: _fail(it, 1, "cancelled"), 2, "removed: the job was cancelled", False),
        (lambda it: _fail(it, 1, "bad_input"), 1, "removed: the job has gone on and failed in attempt 1", False),
        (lambda it: _fail(it, 1, "bad_input"), 2, "reopened for attempt 2", True),
    ],
)
def test_the_job_decides_what_becomes_of_its_letter(
    operated: Operated, prepare: Callable[[Operated], None], attempt: int, fate: str, sends: bool
) -> None:
    prepare(operated)
    operated.set_aside(body("talk", attempt))
    outcome = operated.redrive(all=True)
    assert outcome.resource["talk"]["fate"].startswith(fate)
    assert operated.depth(operated.dead_letters) == (0, 0)
    assert len(operated.sent()) == sends


def test_whatever_call_it_dies_after_the_next_run_does_the_rest_and_nothing_twice(
    operated: Operated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "HIDDEN", 1)
    writes = 0
    while True:
        writes += 1
        jobs = [f"talk-{writes}-{number}" for number in range(2)]
        for job_id in jobs:
            operated.use_up(job_id)
        try:
            with operated.aws.recorder.killing(writes):
                operated.redrive(all=True)
        except KilledError:
            pass
        else:
            break
        until("what it held is shown again", lambda: operated.depth(operated.dead_letters)[1] == 0)
        operated.redrive(all=True)
        assert operated.depth(operated.dead_letters) == (0, 0), writes
        assert [operated.database.job(job_id)["reopened"] for job_id in jobs] == [1, 1], writes
        # A message too many would start nothing, but SQS knows it by its id and does not even deliver it.
        assert sorted(it["job_id"] for it in operated.sent()) == jobs, writes
    assert writes > 6


def test_a_group_is_redriven_to_its_end_also_behind_a_malformed_message(operated: Operated) -> None:
    operated.set_aside(MALFORMED, USER)
    jobs = [f"talk-{number:02}" for number in range(23)]
    for job_id in jobs:
        operated.use_up(job_id, USER)
    listed = operated.redrive()
    # Ten are all that SQS gives of one group at a time.
    assert len(listed.resource) == 10
    assert any("Behind others of their message group: 14." in line for line in listed.result["report"])
    assert len(operated.redrive(all=True).resource) == 24
    assert [it["job_id"] for it in operated.sent()] == jobs
    assert operated.depth(operated.dead_letters) == (1, 0)


def test_what_arrives_meanwhile_is_left_for_the_next_run(operated: Operated, monkeypatch: pytest.MonkeyPatch) -> None:
    operated.use_up("talk-1")
    with monkeypatch.context() as patched:
        patched.setattr(load("dead_letters").time, "time", lambda: 0.0)
        assert _fates(operated.redrive(all=True).resource) == {"talk-1": "set aside"}
    assert operated.sent() == []
    assert _fates(operated.redrive(all=True).resource) == {"talk-1": "reopened for attempt 6"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rate": 0}, "a rate of 0 messages a second is not possible; choose 0.01 to 100"),
        ({"rate": "nan"}, "a rate of nan messages a second is not possible; choose 0.01 to 100"),
        ({"all": True, "job_ids": ["a"]}, "choose one of the two"),
        ({"job_ids": ["nobody"]}, "there is neither a job nor a dead letter nobody"),
        ({"job_ids": ["'; drop table jobs; --"]}, "there is neither a job nor a dead letter '; drop table jobs; --"),
        ({"name": "t-other.fifo"}, "there is no queue t-other.fifo; deploy first"),
        ({"jobs_queue": "t-other.fifo"}, "there is no queue t-other.fifo; deploy first"),
        ({"supabase_url_parameter": "/t/other"}, "the SSM parameter /t/other does not exist; deploy first"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(operated: Operated, options: dict[str, Any], words: str) -> None:
    operated.use_up("talk-1")
    outcome = operated.redrive(**{"all": "job_ids" not in options, **options})
    assert outcome.failed
    assert outcome.message.startswith(f"dead letters {options.get('name', DEAD_LETTERS)}: ")
    assert words in outcome.message
    assert operated.database.job("talk-1")["status"] == "failed"
    assert operated.depth(operated.dead_letters) == (1, 0)


@pytest.mark.parametrize(
    ("outage", "words"),
    [
        (httpx.ConnectError("no"), "Supabase cannot be reached (ConnectError); check the network"),
        (
            httpx.Response(404, json={"code": "PGRST205", "message": "no table"}),
            "apply the new ones of",
        ),
        (httpx.Response(401, json={"code": "PGRST301", "message": "JWSError"}), "correct the service key in the vault"),
        (httpx.Response(400, json={"code": "22P02", "message": "odd"}), "Supabase answered jobs with 22P02: odd"),
    ],
)
def test_supabase_that_does_not_answer_is_told_in_a_sentence_and_nothing_is_hidden(
    operated: Operated, outage: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postgrest._sync.request_builder.time.sleep", lambda _seconds: None)
    operated.use_up("talk-1")
    operated.rest.outages = [outage] * 9
    outcome = operated.redrive(all=True)
    assert outcome.failed
    assert words in outcome.message
    assert operated.depth(operated.dead_letters) == (1, 0)
    assert "Traceback" not in json.dumps(outcome.result)
