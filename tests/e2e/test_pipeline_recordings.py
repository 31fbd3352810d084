"""Recordings of every kind go in and cleaned ones come out, each by one task."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.e2e import recordings
from tests.e2e.local_stack import until
from tests.e2e.pipeline import RAW, Pipeline, moment

pytestmark = pytest.mark.usefixtures("late_upload")

# The preset's target and the worker's promise: within 0.5 LU of -16 LUFS, never above -1 dBTP.
TARGET_LUFS, TOLERANCE_LU, MOST_DBTP = -16.0, 0.5, -1.0


@pytest.fixture(scope="module")
def jobs(stack: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Send one job for each kind of recording, all at once; return their ids by kind."""
    return {
        kind: stack.send(make(tmp_path_factory.mktemp("recording")), kind) for kind, make in recordings.GOOD.items()
    }


@pytest.mark.parametrize("kind", recordings.GOOD)
def test_recording_is_cleaned_by_exactly_one_task(stack: Pipeline, jobs: dict[str, str], kind: str) -> None:
    job_id = jobs[kind]
    row = stack.succeeded(job_id)
    tasks = stack.tasks(job_id)
    assert [task["taskArn"] for task in tasks] == [row["task_arn"]]
    assert tasks[0]["containers"][0]["exitCode"] == 0
    assert stack.states(job_id) == [("queued", 0), ("starting", 1), ("running", 1), ("succeeded", 1)]


@pytest.mark.parametrize("kind", recordings.GOOD)
def test_row_tells_everything(stack: Pipeline, jobs: dict[str, str], kind: str) -> None:
    row = stack.succeeded(jobs[kind])
    assert (row["progress"], row["attempt"], row["error_code"], row["lease_until"]) == (1, 1, None, None)
    assert row["outputs"] == stack.published(jobs[kind])
    times = [moment(row[name]) for name in ("queued_at", "starting_at", "running_at", "succeeded_at")]
    assert times == sorted(times)
    assert row["failed_at"] is row["retrying_at"] is None


@pytest.mark.parametrize("kind", recordings.GOOD)
def test_manifest_names_all_that_is_stored(stack: Pipeline, jobs: dict[str, str], kind: str) -> None:
    job_id = jobs[kind]
    stack.succeeded(job_id)
    manifest = stack.published(job_id)
    assert (manifest["job_id"], manifest["attempt"]) == (job_id, 1)
    assert set(manifest["outputs"]) > {"audio", "waveform", "report"}
    named = {output["key"] for output in manifest["outputs"].values()}
    assert all(key.startswith(f"derived/{job_id}/1/") for key in named)
    assert stack.keys(job_id) == named | {f"derived/{job_id}/manifest.json"}
    assert stack.unfinished_uploads(job_id) == []


@pytest.mark.parametrize("kind", recordings.GOOD)
def test_result_sounds_as_promised(stack: Pipeline, jobs: dict[str, str], kind: str, tmp_path: Path) -> None:
    row = stack.succeeded(jobs[kind])
    files = stack.front_end.download(jobs[kind], tmp_path)
    for name, output in row["outputs"]["outputs"].items():
        content = files[name].read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (output["bytes"], output["sha256"])
    measured = recordings.measure(files["audio"])
    assert measured.lufs == pytest.approx(TARGET_LUFS, abs=TOLERANCE_LU)
    assert measured.dbtp <= MOST_DBTP
    seen = recordings.probe(files["audio"])
    assert [stream["codec_name"] for stream in seen["streams"]] == ["aac"]
    assert float(seen["format"]["duration"]) == pytest.approx(recordings.SECONDS, abs=0.2)
    assert files["waveform"].read_bytes().startswith(b"\x89PNG")


def test_recordings_stay_where_they_were_uploaded(stack: Pipeline, jobs: dict[str, str]) -> None:
    for job_id in jobs.values():
        stored = stack.s3.list_objects_v2(Bucket=RAW, Prefix=f"uploads/{job_id}/")["Contents"]
        assert [item["Key"] for item in stored] == [stack.row(job_id)["s3_key"]]


def test_no_message_is_left(stack: Pipeline, jobs: dict[str, str]) -> None:
    for job_id in jobs.values():
        stack.succeeded(job_id)
    assert not [letter for letter in stack.dead_letters() if any(job_id in letter.body for job_id in jobs.values())]
    until("an empty queue", stack.queue_is_empty)
