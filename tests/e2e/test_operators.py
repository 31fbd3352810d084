"""The playbooks that look after jobs, as an operator runs them: on jobs that failed, hang, run or are done."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tamma_local.layout import REPOSITORY

from tests.e2e import recordings
from tests.e2e.local_stack import until
from tests.e2e.pipeline import DEAD_LETTER_QUEUE, Pipeline, new_id

_SECONDS = 300  # the bound is for what hangs
# Seconds of sound: a minute of work for two idle cores, so that the job is still running when it is cancelled.
LONG = 1500
COUNTED = {"p_reason": "failure", "p_error_code": "crashed", "p_error_message": "The processing stopped unexpectedly."}


@dataclass(frozen=True)
class Ran:
    """What one ansible-playbook said."""

    code: int
    said: str

    def __str__(self) -> str:
        return f"exit code {self.code}\n{self.said}"


class Operator:
    """Runs the playbooks with the variables that an operator gives."""

    def __init__(self, state: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ANSIBLE_"))}
        self._environment = kept | {"TAMMA_LOCAL_DIR": str(state), "COLUMNS": "200"}

    def start(self, playbook: str, *options: str, **variables: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(Path(sys.executable).parent / "ansible-playbook"), f"playbooks/{playbook}.yml", "-i",
             "inventories/local", *options, "-e", json.dumps(variables)],
            env=self._environment, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def run(self, playbook: str, *options: str, **variables: Any) -> Ran:
        process = self.start(playbook, *options, **variables)
        said, _ = process.communicate(timeout=_SECONDS)
        assert "Traceback" not in said
        return Ran(process.returncode, said)


@pytest.fixture(scope="module")
def operator(stack: Pipeline, cloud_state: Path) -> Operator:
    assert stack.demo.exit_code == 0
    return Operator(cloud_state)


@pytest.fixture(scope="module")
def upload(stack: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    recording = recordings.GOOD["wav"](tmp_path_factory.mktemp("operators"))
    return lambda job_id: stack.front_end.upload(recording, job_id, lambda _count: None)


def _use_up(stack: Pipeline, job_id: str, key: str) -> None:
    """Let a job fail five times, without its tasks, and have the reconciler set its message aside."""
    rows: Any = {"job_id": job_id, "s3_key": key}
    stack.table.table("jobs").insert(rows).execute()
    claim = {"p_s3_key": key, "p_pipeline": "audio-clean", "p_preset": None, "p_lease_seconds": 600}
    for attempt in range(1, 6):
        which = {"p_job_id": job_id, "p_attempt": attempt}
        assert stack.table.rpc("claim_job", which | claim).execute().data
        stack.table.rpc("retry_job", which | COUNTED | {"p_delay_seconds": 300}).execute()
    url = stack.sqs.get_queue_url(QueueName="tamma-dev-task-events")["QueueUrl"]
    body = json.dumps({"tamma": "requeue", "job_id": job_id, "attempt": 5})
    stack.sqs.send_message(QueueUrl=url, MessageBody=body)
    until("its dead letter is confirmed", lambda: stack.row(job_id)["dead_letter_at"] is None)


def _letters(stack: Pipeline) -> tuple[int, int]:
    """Return how many messages of the dead-letter queue can be received, and how many are hidden."""
    url = stack.sqs.get_queue_url(QueueName=DEAD_LETTER_QUEUE)["QueueUrl"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = stack.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    visible, hidden = (int(answer[name]) for name in names)
    return visible, hidden


@pytest.fixture(scope="module")
def dead(stack: Pipeline, upload: Callable[[str], str]) -> list[str]:
    """Return three jobs that used up their attempts; beside theirs there is a malformed dead letter."""
    stack.dead_letters()  # what other tests have left
    jobs = [new_id("dead") for _ in range(3)]
    for job_id in jobs:
        _use_up(stack, job_id, upload(job_id))
    stack.send_bodies(['{"s3_key": "uploads/operators.wav"}'])
    until("four dead letters", lambda: _letters(stack) == (4, 0))
    return jobs


@pytest.fixture(scope="module")
def cut_off(stack: Pipeline, operator: Operator, dead: list[str]) -> list[str]:
    """Look at the dead letters, begin to redrive them, one in two seconds, and interrupt that; return the jobs.

    The message that it was at stays hidden for half a minute, which passes while the next test runs.
    """
    listed = operator.run("redrive_dead_letters")
    assert listed.code == 0, listed
    assert "4 dead letters" in listed.said
    for job_id in dead:
        assert re.search(rf"{job_id} +6 .*reopened for attempt 6 .*\(crashed\)\.", listed.said), listed
    assert "job_id is missing." in listed.said
    preview = operator.run("redrive_dead_letters", "--check", redrive_all=True)
    assert "Plan: 0 to create, 1 to update, 0 to delete." in preview.said, preview
    assert {stack.row(job_id)["status"] for job_id in dead} == {"failed"}
    assert _letters(stack) == (4, 0)
    slow = operator.start("redrive_dead_letters", redrive_all=True, redrive_rate=0.5)
    until("one job is reopened", lambda: any(stack.row(job_id)["reopened"] for job_id in dead))
    os.killpg(slow.pid, signal.SIGKILL)
    slow.communicate(timeout=_SECONDS)
    assert 0 in [stack.row(job_id)["reopened"] for job_id in dead]
    return dead


@pytest.mark.usefixtures("cut_off")
def test_a_running_job_is_cancelled_with_its_task_and_a_retry_completes_it(
    stack: Pipeline, operator: Operator, tmp_path: Path
) -> None:
    job_id = stack.send(recordings.long_recording(tmp_path, LONG), "cancelled")
    stack.reached(job_id, lambda row: row.get("status") == "running", "its worker")
    shown = operator.run("show_status", status_json=str(tmp_path / "status.json"))
    assert shown.code == 0, shown
    assert f"running longest: {job_id}" in shown.said
    status = json.loads((tmp_path / "status.json").read_text())
    assert [(it["family"], it["last_status"]) for it in status["tasks"]] == [("tamma-dev-audio-clean", "RUNNING")]
    assert status["jobs"]["running"] == 1

    cancelled = operator.run("cancel_job", job_id=job_id, cancel_reason="You asked us to stop.")
    assert cancelled.code == 0, cancelled
    row = stack.finished(job_id)
    assert (row["status"], row["error_code"], row["error_message"]) == ("failed", "cancelled", "You asked us to stop.")
    assert len(stack.tasks(job_id)) == 1
    again = operator.run("cancel_job", job_id=job_id)
    assert again.said.rstrip().endswith("No changes."), again
    assert re.search(r"^  cancelled +1$", operator.run("show_status").said, re.MULTILINE)

    key = stack.front_end.upload(recordings.GOOD["wav"](tmp_path), job_id, lambda _count: None)
    stack.table.table("jobs").update({"s3_key": key}).eq("job_id", job_id).execute()  # a minute less to wait for
    assert operator.run("retry_job", job_id=job_id).code == 0
    second = operator.run("retry_job", job_id=job_id)
    assert second.code == 0 or "it is done" in second.said, second
    assert stack.succeeded(job_id)["attempt"] == 2
    assert [status for status, _ in stack.states(job_id)] == [
        "queued", "starting", "running", "failed", "retrying", "starting", "running", "succeeded",
    ]  # fmt: skip
    assert len(stack.tasks(job_id)) == 2
    assert stack.row(job_id)["dead_letter_at"] is None


def test_a_redrive_that_was_killed_and_is_repeated_does_every_job_once(
    stack: Pipeline, operator: Operator, cut_off: list[str]
) -> None:
    until("what it held can be received", lambda: _letters(stack)[1] == 0)
    rest = operator.run("redrive_dead_letters", redrive_all=True)
    assert rest.code == 0, rest
    again = operator.run("redrive_dead_letters", redrive_all=True)
    assert again.said.rstrip().endswith("No changes."), again
    assert _letters(stack) == (1, 0)  # the malformed one
    for job_id in cut_off:
        row = stack.succeeded(job_id)
        assert (row["attempt"], row["reopened"]) == (6, 1)
        assert len(stack.tasks(job_id)) == 1
        assert stack.published(job_id)["attempt"] == 6
        assert [state for state in stack.states(job_id) if state[0] == "succeeded"] == [("succeeded", 6)]
    assert operator.run("redrive_dead_letters", redrive_discard_malformed=True).code == 0
    assert _letters(stack) == (0, 0)


@pytest.mark.parametrize(
    ("playbook", "variables", "sentence"),
    [
        ("retry_job", {}, "which one is not said; add -e job_id=THE-JOB (with make: JOB=THE-JOB)."),
        ("cancel_job", {"job_id": "no/\u202ejob"}, "a job id has 1-128 of the characters A-Z a-z 0-9 . _ -"),
        ("redrive_dead_letters", {"redrive_all": True, "redrive_rate": 0}, "choose 0.01 to 100."),
        ("show_status", {"status_hours": 0}, "hours is 0; choose 1 to 8760."),
    ],
)
def test_what_makes_no_sense_ends_with_a_sentence(
    operator: Operator, playbook: str, variables: dict[str, Any], sentence: str
) -> None:
    ran = operator.run(playbook, **variables)
    assert ran.code == 2, ran
    assert sentence in ran.said
    assert "Stopped by 1 error" in ran.said
