"""Messages that make no sense are set aside without harm to others; messages that come twice do nothing twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import recordings
from tests.e2e.local_stack import until
from tests.e2e.pipeline import Pipeline, new_id

pytestmark = pytest.mark.usefixtures("late_upload")

# Bodies that no job can be made of, with a word of the reason that has to be given.
MALFORMED = {
    "no JSON": ('{"job_id": "a", ', "JSON"),
    "no object": ('["a", "uploads/a.wav"]', "array"),
    "no key": ('{"job_id": "malformed-1"}', "s3_key is missing"),
    "climbing key": ('{"job_id": "malformed-2", "s3_key": "uploads/../../secret.wav"}', '".."'),
    "job id of other characters": ('{"job_id": "mal formed/3", "s3_key": "uploads/a.wav"}', "job_id must be"),
    "job id of another type": ('{"job_id": 4, "s3_key": "uploads/a.wav"}', "job_id is a JSON number"),
    "key of another type": ('{"job_id": "malformed-5", "s3_key": {"key": "uploads/a.wav"}}', "s3_key is a JSON object"),
    "attempt of another type": ('{"job_id": "malformed-6", "s3_key": "uploads/a.wav", "attempt": true}', "attempt"),
}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recordings.GOOD["wav"](tmp_path_factory.mktemp("recording"))


@pytest.fixture(scope="module")
def mates(stack: Pipeline, recording: Path) -> dict[str, str]:
    """Upload two recordings; return their jobs' ids and keys."""
    ids = [new_id("mate") for _ in range(2)]
    return {job_id: stack.front_end.upload(recording, job_id, lambda _count: None) for job_id in ids}


@pytest.fixture(scope="module")
def sent(stack: Pipeline, mates: dict[str, str]) -> dict[str, str]:
    """Send the malformed messages between two good ones in one batch of ten; return message ids by what is wrong."""
    first, last = (json.dumps({"job_id": job_id, "s3_key": key}) for job_id, key in mates.items())
    with stack.dispatcher_paused():
        ids = stack.send_bodies([first, *(body for body, _reason in MALFORMED.values()), last])
    return dict(zip(["first mate", *MALFORMED, "last mate"], ids, strict=True))


@pytest.fixture(scope="module")
def repeated(stack: Pipeline, recording: Path, sent: dict[str, str]) -> str:
    """Deliver one job's message three times: each with a deduplication id of its own, so that SQS passes them all.

    Only after the batch has been taken: it is to have the dispatcher for itself.
    """
    until("the batch is taken", lambda: stack.dispatcher_log(sent["last mate"]))
    job_id = new_id("repeated")
    key = stack.front_end.upload(recording, job_id, lambda _count: None)
    stack.send_bodies([json.dumps({"job_id": job_id, "s3_key": key})] * 3)
    return job_id


@pytest.mark.usefixtures("repeated")
@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_message_is_set_aside_after_one_delivery(stack: Pipeline, sent: dict[str, str], what: str) -> None:
    body, reason = MALFORMED[what]
    letters = until(f"the dead letter {body}", lambda: [it for it in stack.dead_letters() if it.body == body])
    assert len(letters) == 1
    assert reason in letters[0].reason
    assert letters[0].reason.endswith(".")
    entries = until("its log", lambda: stack.dispatcher_log(sent[what]))
    assert [entry["message"].partition(":")[0] for entry in entries] == ["Set aside in the dead-letter queue"]


def test_batch_was_one_invocation(stack: Pipeline, sent: dict[str, str]) -> None:
    until("the batch is taken", lambda: stack.dispatcher_log(sent["last mate"]))
    logged = [stack.dispatcher_log(message_id) for message_id in sent.values()]
    assert all(logged)
    assert len({entry["function_request_id"] for entries in logged for entry in entries}) == 1


@pytest.mark.usefixtures("sent")
def test_batch_mates_are_done_exactly_once(stack: Pipeline, mates: dict[str, str]) -> None:
    for job_id in mates:
        # There was no row: the claim has made it.
        stack.succeeded(job_id)
        assert stack.states(job_id) == [("starting", 1), ("running", 1), ("succeeded", 1)]
        assert len(stack.tasks(job_id)) == 1
        assert not [letter for letter in stack.dead_letters() if job_id in letter.body]


@pytest.mark.usefixtures("sent")
def test_malformed_messages_leave_no_rows_and_nothing_in_the_queue(stack: Pipeline, mates: dict[str, str]) -> None:
    for job_id in mates:
        stack.succeeded(job_id)
    rows: list[Any] = stack.table.table("jobs").select("job_id").like("job_id", "malformed%").execute().data
    assert rows == []
    until("an empty queue", stack.queue_is_empty)


def test_message_that_comes_again_starts_nothing(stack: Pipeline, repeated: str) -> None:
    stack.succeeded(repeated)
    stored = stack.keys(repeated)
    body = json.dumps({"job_id": repeated, "s3_key": stack.row(repeated)["s3_key"]})
    stack.send_bodies([body])

    def answers() -> list[str]:
        said = [str(entry["message"]) for entry in stack.dispatcher_log(repeated)]
        return [message for message in said if message.startswith(("Nothing to do", "Task "))]

    until("four messages are answered", lambda: len(answers()) >= 4)
    until("an empty queue", stack.queue_is_empty)
    (task,) = stack.tasks(repeated)
    # A twin that comes before the task is noted asks ECS for it with the same client token, and is given the same one.
    started = {message for message in answers() if message.startswith("Task ")}
    assert started == {f"Task {task['taskArn']} was started."}
    assert stack.states(repeated) == [("starting", 1), ("running", 1), ("succeeded", 1)]
    assert stack.keys(repeated) == stored
    assert not [letter for letter in stack.dead_letters() if repeated in letter.body]


def test_what_a_message_changes_of_its_preset_reaches_the_worker(stack: Pipeline, recording: Path) -> None:
    job_id, changes = new_id("changed"), {"loudness_lufs": -20, "formats": ["wav"]}
    key = stack.front_end.upload(recording, job_id, lambda _count: None)
    stack.send_bodies([json.dumps({"job_id": job_id, "s3_key": key, "overrides": changes})])
    assert stack.succeeded(job_id)["overrides"] == changes
    assert {"audio", "audio_wav"} <= set(stack.published(job_id)["outputs"])
