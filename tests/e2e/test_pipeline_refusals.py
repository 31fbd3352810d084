"""What cannot be cleaned fails at once and says why; what has not arrived yet is waited for."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from tests.e2e import recordings
from tests.e2e.pipeline import Pipeline, Row, moment

pytestmark = pytest.mark.usefixtures("late_upload")

# What a creator must never be shown: paths, addresses, tools, exceptions, exit codes, keys.
JARGON = re.compile(
    r"/|\\|ffmpeg|ffprobe|Traceback|Error\b|Exception|errno|exit code|stderr|demux|codec|s3|None|JSON|\{|http",
    re.IGNORECASE,
)
SENTENCES = re.compile(r"([A-Z][^.?!]*[.?!] ?)+")

WAIT = timedelta(seconds=60)  # the contract: a missing object is looked for again 60 s later


@pytest.fixture(scope="module")
def jobs(stack: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Send one job for each kind of useless file, all at once; return their ids by kind."""
    return {
        kind: stack.send(make(tmp_path_factory.mktemp("useless")), kind)
        for kind, (make, _code) in recordings.BAD.items()
    }


@pytest.mark.parametrize(("kind", "code"), [(kind, code) for kind, (_make, code) in recordings.BAD.items()])
def test_useless_file_fails_once_with_a_sentence(stack: Pipeline, jobs: dict[str, str], kind: str, code: str) -> None:
    job_id = jobs[kind]
    row = stack.finished(job_id)
    assert (row["status"], row["error_code"], row["attempt"]) == ("failed", code, 1)
    assert SENTENCES.fullmatch(row["error_message"])
    assert not JARGON.findall(row["error_message"])
    assert stack.states(job_id) == [("queued", 0), ("starting", 1), ("running", 1), ("failed", 1)]
    assert [task["containers"][0]["exitCode"] for task in stack.tasks(job_id)] == [65]
    assert row["failed_at"]
    assert row["outputs"] is row["dead_letter_at"] is row["retry_at"] is None


def test_useless_files_leave_nothing(stack: Pipeline, jobs: dict[str, str]) -> None:
    for job_id in jobs.values():
        stack.finished(job_id)
        assert stack.keys(job_id) == set()
        assert stack.unfinished_uploads(job_id) == []
    # A file that can never be cleaned is nothing to send again.
    assert not [letter for letter in stack.dead_letters() if any(job_id in letter.body for job_id in jobs.values())]


def test_missing_upload_is_noted_with_its_time(late_upload: Row) -> None:
    assert (late_upload["status"], late_upload["error_code"]) == ("retrying", "missing_input")
    assert (late_upload["attempt"], late_upload["missing_inputs"], late_upload["failed_attempts"]) == (1, 1, 0)
    assert moment(late_upload["retry_at"]) - moment(late_upload["retrying_at"]) == WAIT
    assert SENTENCES.fullmatch(late_upload["error_message"])
    assert not JARGON.findall(late_upload["error_message"])


def test_late_upload_is_cleaned_by_the_second_attempt(stack: Pipeline, late_upload: Row) -> None:
    job_id = late_upload["job_id"]
    row = stack.succeeded(job_id)
    assert [task["containers"][0]["exitCode"] for task in stack.tasks(job_id)] == [66, 0]
    assert (row["attempt"], row["missing_inputs"], row["error_code"]) == (2, 1, None)
    assert stack.states(job_id) == [
        ("queued", 0), ("starting", 1), ("running", 1), ("retrying", 1),
        ("starting", 2), ("running", 2), ("succeeded", 2),
    ]  # fmt: skip
    times = {(event["to_status"], event["attempt"]): moment(event["at"]) for event in stack.history(job_id)}
    waited = times["starting", 2] - times["retrying", 1]
    # The upload was there long before, so nothing but the wait itself decides; the rest is the way of the message.
    assert WAIT <= waited <= WAIT * 1.5
    assert stack.published(job_id)["attempt"] == 2
    assert {key.split("/")[2] for key in stack.keys(job_id)} == {"2", "manifest.json"}
