"""The ledger must see what is wrong: each promise broken by hand, one at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.e2e.pipeline import DeadLetter
from tests.faults import ledger
from tests.faults.jobs import Job, chosen, make_jobs
from tests.faults.options import Options
from tests.faults.scenario import Death, Scenario

OPTIONS = Options(1, 10, (), 0.1, small=False, keep=False)
JOB = "kills-1-0000"


class Plain(Scenario):
    name = "kills"
    fault = "-"
    most_tasks_per_job = 1.0
    requeue_seconds = 60
    requeue_timers = 10


def scenario() -> Plain:
    return Plain(cast("Any", SimpleNamespace()), OPTIONS, make_jobs("kills", 1, 1))


def good() -> ledger.Facts:
    """Return one job that went as it should."""
    key, content = f"derived/{JOB}/1/audio.m4a", b"sound"
    output = {"key": key, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest = {"job_id": JOB, "attempt": 1, "outputs": {"audio": output}}
    place = f"derived/{JOB}/manifest.json"
    return ledger.Facts(
        jobs=make_jobs("kills", 1, 1),
        rows={JOB: {"status": "succeeded", "outputs": manifest, "error_code": None, "error_message": None}},
        events={JOB: [_event("starting", 1, 0), _event("succeeded", 1, 3)]},
        tasks={JOB: [{}]},
        objects={JOB: {key: len(content), place: 1}},
        contents={key: content, place: json.dumps(manifest).encode()},
        unfinished_uploads=[],
        dead_letters=[],
        queues_emptied=True,
    )


def _event(status: str, attempt: int, at: float) -> dict[str, Any]:
    return {"to_status": status, "attempt": attempt, "at": datetime.fromtimestamp(at, UTC), "error_code": None}


def test_a_good_job_breaks_nothing() -> None:
    facts = good()
    assert (ledger.lost(facts), ledger.duplicates(facts), ledger.broken(scenario(), facts)) == ([], [], [])
    assert ledger.tasks_per_job(facts) == 1


def test_a_job_without_an_end_is_lost() -> None:
    assert ledger.lost(replace(good(), rows={JOB: {"status": "running"}})) == [JOB]
    assert ledger.lost(replace(good(), rows={})) == [JOB]


def test_a_second_end_is_a_duplicate_effect() -> None:
    twice = {JOB: [_event("succeeded", 1, 3), _event("succeeded", 2, 4)]}
    assert "ended 2 times" in ledger.duplicates(replace(good(), events=twice))[0]
    failed = replace(good(), rows={JOB: {"status": "failed"}})
    assert "failed and has a published result" in ledger.duplicates(failed)[0]


BROKEN: dict[str, Callable[[ledger.Facts], ledger.Facts]] = {
    "succeeded without a manifest": lambda facts: replace(facts, contents={}),
    "is not what the manifest says": lambda facts: replace(
        facts, contents=facts.contents | {f"derived/{JOB}/1/audio.m4a": b"noise"}
    ),
    "outputs are not the manifest": lambda facts: replace(facts, rows={JOB: facts.rows[JOB] | {"outputs": {}}}),
    "not succeeded": lambda facts: replace(facts, rows={JOB: facts.rows[JOB] | {"status": "failed"}}),
    "objects that no manifest names": lambda facts: replace(
        facts, objects={JOB: facts.objects[JOB] | {f"derived/{JOB}/2/audio.m4a": 1}}
    ),
    "an unfinished upload": lambda facts: replace(facts, unfinished_uploads=["derived/x"]),
    "in the dead-letter queue": lambda facts: replace(facts, dead_letters=[DeadLetter("{}", "why", JOB)]),
    "still hold messages": lambda facts: replace(facts, queues_emptied=False),
    "tasks per job": lambda facts: replace(facts, tasks={JOB: [{}, {}]}),
}


@pytest.mark.parametrize("words", BROKEN)
def test_what_is_wrong_is_said(words: str) -> None:
    assert [sentence for sentence in ledger.broken(scenario(), BROKEN[words](good())) if words in sentence]


def test_requeueing_is_measured_from_the_death_to_the_next_claim() -> None:
    run, facts = scenario(), good()
    events = [
        _event("starting", 1, 0),
        _event("retrying", 1, 60),
        _event("starting", 2, 70),
        _event("succeeded", 2, 80),
    ]
    facts = replace(facts, events={JOB: events})
    run.deaths.append(Death(JOB, 1, 10))
    assert ledger.slowest_requeue(run, facts) == (60, JOB)
    # 60 s of which 10 are a timer: 50 + 1 are left when time is compressed to a tenth.
    assert run.requeue_limit(OPTIONS) == 51
    assert [sentence for sentence in ledger.broken(run, facts) if "later than 51.0 s" in sentence]


def test_a_signal_that_came_after_the_end_is_no_death() -> None:
    run = scenario()
    run.deaths.append(Death(JOB, 1, 10))
    assert ledger.slowest_requeue(run, good()) is None


def test_the_same_seed_makes_the_same_plan_and_another_one_another() -> None:
    def plan(seed: int) -> list[tuple[int, float]]:
        return [(job.number, job.random("moment").random()) for job in chosen(make_jobs("spot", seed, 50), 0.2, "x")]

    assert plan(7) == plan(7)
    assert len(plan(7)) == 10
    assert plan(7) != plan(8)


def test_recordings_are_real_and_all_different(tmp_path: Any) -> None:
    contents = {job.recording(tmp_path).read_bytes() for job in make_jobs("none", 1, 5)}
    assert len(contents) == 5
    assert {content[:4] for content in contents} == {b"RIFF"}
    assert isinstance(make_jobs("none", 1, 1)[0], Job)
