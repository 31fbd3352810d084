"""One ECS task against moto's S3 and a stand-in for the job's row: what it writes, what it says, how it exits."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from tamma_worker import binaries, clean, engine, job, settings, storage
from tamma_worker.control import Control
from tamma_worker.errors import ConfigurationError, TemporaryError
from tamma_worker.publish import Publisher

from tests.faults.shims import s3
from tests.faults.shims.plan import LOST, TORN, Plan, Rule
from tests.unit.worker import media
from tests.unit.worker.cloud import SERVICE_KEY, TASK_ARN
from tests.unit.worker.conftest import DERIVED, RAW, Cloud

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "derived/job-1/1/"
MANIFEST = "derived/job-1/manifest.json"
# What the default preset gives.
FILES = (
    *("audio.m4a", "audio.mp3", "waveform.png", "waveform.json"),
    *("spectrogram.png", "loudness.json", "report.json"),
)
ALL = {*(PREFIX + name for name in FILES), MANIFEST}
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return media.speech(tmp_path_factory.mktemp("talk") / "talk.wav", seconds=3).read_bytes()


SCALE = 0.02  # of every timer of the worker


def delay(seconds: float) -> int:
    """Return what a delay becomes when time is compressed; Supabase is told whole seconds."""
    return math.ceil(seconds * SCALE)


def run(cloud: Cloud, **more: str) -> int:
    """Run a task in this process, with every timer at a fiftieth (2.4 s of lease, 1.8 s of patience)."""
    return job.Task(settings.read({**cloud.environment, "TAMMA_TIME_SCALE": str(SCALE), **more})).run()


def test_a_recording_is_cleaned_published_and_committed(cloud: Cloud, talk: bytes) -> None:
    cloud.put(talk)
    assert run(cloud) == 0
    assert cloud.objects() == ALL
    assert cloud.unfinished() == []
    manifest = json.loads(cloud.s3.get_object(Bucket=DERIVED, Key=MANIFEST)["Body"].read())
    assert manifest["job_id"] == "job-1"
    assert manifest["attempt"] == 1
    for name, content_type in (("audio", "audio/mp4"), ("waveform", "image/png"), ("report", "application/json")):
        told = manifest["outputs"][name]
        found = cloud.s3.get_object(Bucket=DERIVED, Key=told["key"])
        body = found["Body"].read()
        assert (told["bytes"], told["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
        assert found["ContentType"] == told["content_type"] == content_type
    report = json.loads(cloud.s3.get_object(Bucket=DERIVED, Key=PREFIX + "report.json")["Body"].read())
    assert {"input", "output", "loudness", "steps", "timings_seconds"} <= set(report)
    assert "fetch" in report["timings_seconds"]
    assert cloud.supabase.named("start_job") == [
        {"p_job_id": "job-1", "p_attempt": 1, "p_task_arn": TASK_ARN, "p_lease_seconds": 2}
    ]
    assert cloud.supabase.named("complete_job") == [{"p_job_id": "job-1", "p_attempt": 1, "p_outputs": manifest}]
    progress = [beat["p_progress"] for beat in cloud.supabase.named("heartbeat_job")]
    assert progress == sorted(progress)
    assert all(beat["p_task_arn"] == TASK_ARN for beat in cloud.supabase.named("heartbeat_job"))


def test_video_gives_its_cleaned_sound(cloud: Cloud, tmp_path: Path) -> None:
    picture = ["-f", "lavfi", "-i", "testsrc=s=64x64:r=5"]
    video = media.make(tmp_path / "v.mp4", "-t", "2", "-i", str(media.SPEECH), *picture, "-t", "2", "-c:a", "aac")
    cloud.put(video.read_bytes())
    assert run(cloud, PIPELINE="video") == 0
    assert cloud.objects() == ALL


def test_a_message_changes_fields_of_its_preset(cloud: Cloud, talk: bytes) -> None:
    cloud.put(talk)
    assert run(cloud, PRESET="streaming", PRESET_OVERRIDES='{"loudness_lufs": -20, "formats": ["wav"]}') == 0
    report = json.loads(cloud.s3.get_object(Bucket=DERIVED, Key=PREFIX + "report.json")["Body"].read())
    assert (report["preset"], report["overrides"]) == (
        "streaming",
        {"loudness_lufs": -20.0, "formats": ["m4a", "wav"]},
    )
    assert report["loudness"]["after"]["integrated_lufs"] == pytest.approx(-20, abs=0.5)
    assert PREFIX + "audio.wav" in cloud.objects()
    assert PREFIX + "audio.mp3" not in cloud.objects()


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ('{"loudness_lufs": 3}', "loudness_lufs must be a number from -31 to -9."),
        ('{"max_bytes": 3}', 'A preset has no field "max_bytes" that can be changed; there are: loudness_lufs, '),
    ],
)
def test_a_wrong_override_ends_the_job_with_a_sentence(told: str, sentence: str, cloud: Cloud, talk: bytes) -> None:
    cloud.put(talk)
    assert run(cloud, PRESET_OVERRIDES=told) == 65
    (call,) = cloud.supabase.named("fail_job")
    assert call["p_error_code"] == "bad_override"
    assert call["p_error_message"].startswith(sentence)
    assert cloud.objects() == set()


def test_a_job_that_is_taken_or_over_is_left_alone(cloud: Cloud) -> None:
    cloud.supabase.answers["start_job"] = False
    assert run(cloud) == 0
    assert [name for name, _ in cloud.supabase.calls] == ["start_job"]


def test_a_missing_object_is_retried(cloud: Cloud) -> None:
    assert run(cloud) == 66
    (call,) = cloud.supabase.named("retry_job")
    assert (call["p_reason"], call["p_error_code"], call["p_delay_seconds"]) == (
        "missing_input",
        "missing_input",
        delay(60),
    )
    assert call["p_task_arn"] == TASK_ARN  # a twin's end must not touch the winner's row
    assert cloud.objects() == set()


@pytest.mark.parametrize(
    ("data", "code"), [(b"", "empty_file"), (b"<html>", "not_media"), (b"#EXTM3U\nhttp://x/y.ts\n", "playlist")]
)
def test_bad_input_fails_for_good_with_a_sentence(data: bytes, code: str, cloud: Cloud) -> None:
    cloud.put(data)
    assert run(cloud) == 65
    (call,) = cloud.supabase.named("fail_job")
    assert (call["p_error_code"], call["p_task_arn"]) == (code, TASK_ARN)
    assert call["p_error_message"].endswith(".")
    assert cloud.supabase.named("retry_job") == []


def test_an_oversize_object_is_not_even_fetched(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "look", lambda *_: storage.StoredObject(6 << 30, '"x"'))
    assert run(cloud) == 65
    assert cloud.supabase.named("fail_job")[0]["p_error_code"] == "too_large"


def test_a_full_disk_is_noticed_before_the_download(cloud: Cloud, talk: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.put(talk)
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(storage.Fetch, "to", lambda *_: pytest.fail("it was fetched"))
    assert run(cloud) == 75
    (call,) = cloud.supabase.named("retry_job")
    assert call["p_error_code"] == "disk"
    assert "needs 0.1 GB of free disk space, but there are only 0.0 GB" in call["p_error_message"]


def test_an_unknown_preset_fails_for_good(cloud: Cloud, talk: bytes) -> None:
    cloud.put(talk)
    assert run(cloud, PRESET="loud") == 65
    assert "podcast" in cloud.supabase.named("fail_job")[0]["p_error_message"]


def test_a_published_manifest_is_committed_without_work(cloud: Cloud) -> None:
    manifest = {"job_id": "job-1", "attempt": 1, "outputs": {}}
    cloud.s3.put_object(Bucket=DERIVED, Key=MANIFEST, Body=json.dumps(manifest).encode())
    assert run(cloud, ATTEMPT="2") == 0
    assert cloud.supabase.named("complete_job") == [{"p_job_id": "job-1", "p_attempt": 2, "p_outputs": manifest}]
    assert cloud.objects() == {MANIFEST}


def test_what_killed_attempts_left_goes_and_what_is_published_stays(cloud: Cloud) -> None:
    job = MANIFEST.removesuffix("manifest.json")
    kept, foreign = f"{job}2/audio.m4a", "derived/job-10/1/audio.m4a"
    manifest = {"job_id": "job-1", "attempt": 2, "outputs": {"audio": {"key": kept}}}
    cloud.s3.put_object(Bucket=DERIVED, Key=MANIFEST, Body=json.dumps(manifest).encode())
    for key in (kept, foreign, f"{job}1/audio.m4a", f"{job}20/audio.m4a"):
        cloud.s3.put_object(Bucket=DERIVED, Key=key, Body=b"sound")
    cloud.s3.create_multipart_upload(Bucket=DERIVED, Key=f"{job}1/report.json")
    assert run(cloud, ATTEMPT="3") == 0
    assert cloud.objects() == {MANIFEST, kept, foreign}
    assert cloud.unfinished() == []


def test_a_faster_twin_wins_and_our_outputs_go(cloud: Cloud, talk: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.put(talk)
    twin = {"job_id": "job-1", "attempt": 7, "outputs": {}}
    upload = Publisher.upload

    def twin_publishes_meanwhile(self: Publisher, *arguments: Any) -> Any:
        manifest = upload(self, *arguments)
        cloud.s3.put_object(Bucket=DERIVED, Key=MANIFEST, Body=json.dumps(twin).encode())
        return manifest

    monkeypatch.setattr(Publisher, "upload", twin_publishes_meanwhile)
    assert run(cloud) == 0
    assert cloud.objects() == {MANIFEST}
    assert json.loads(cloud.s3.get_object(Bucket=DERIVED, Key=MANIFEST)["Body"].read()) == twin
    assert cloud.supabase.named("complete_job")[0]["p_outputs"] == twin


def test_our_own_manifest_is_recognised_when_the_answer_was_lost(cloud: Cloud, tmp_path: Path) -> None:
    publisher = Publisher(cloud.s3, settings.read(cloud.environment))
    manifest = {"job_id": "job-1", "attempt": 1, "outputs": {}}
    publisher.publish(manifest)
    assert publisher.publish(manifest) == manifest


def test_a_commit_that_cannot_be_said_keeps_what_was_published(cloud: Cloud, talk: bytes) -> None:
    cloud.put(talk)
    cloud.supabase.broken["complete_job"] = 1000
    told = settings.read({**cloud.environment, "TAMMA_TIME_SCALE": str(SCALE)})
    told = replace(told, timing=replace(told.timing, commit_patience=1))
    assert job.Task(told).run() == 75
    assert cloud.objects() == ALL
    assert cloud.supabase.named("retry_job") == []


def test_a_published_result_is_committed_after_an_outage_longer_than_the_patience(cloud: Cloud, talk: bytes) -> None:
    cloud.put(talk)
    up_again = []

    def down_for_longer(_: object) -> Any:
        up_again.append(time.monotonic())
        long_enough = up_again[-1] - up_again[0] > 1.5 * told.timing.patience
        return True if long_enough else {"message": "not yet"}

    cloud.supabase.answers["complete_job"] = down_for_longer
    told = settings.read({**cloud.environment, "TAMMA_TIME_SCALE": str(SCALE)})
    assert job.Task(told).run() == 0
    assert cloud.supabase.named("retry_job") == []


@pytest.mark.parametrize("page", [{"message": "welcome"}, "<html>", 1, None, []])
def test_what_is_no_answer_does_not_pass_for_one(cloud: Cloud, page: Any) -> None:
    cloud.supabase.answers["start_job"] = page
    told = settings.read({**cloud.environment, "TAMMA_TIME_SCALE": str(SCALE)})
    assert job.Task(replace(told, timing=replace(told.timing, patience=0.1))).run() == 75
    assert {name for name, _ in cloud.supabase.calls} == {"start_job", "retry_job"}


def test_a_short_outage_of_supabase_is_waited_out(cloud: Cloud, talk: bytes) -> None:
    cloud.put(talk)
    cloud.supabase.broken.update(start_job=2, complete_job=2)
    assert run(cloud) == 0
    assert len(cloud.supabase.named("start_job")) == 3
    assert len(cloud.supabase.named("complete_job")) == 3


def test_a_long_outage_of_supabase_is_temporary(cloud: Cloud) -> None:
    cloud.supabase.broken["*"] = 1000
    assert run(cloud) == 75


def _hour() -> bytes:
    """A recording that keeps ffmpeg busy for many seconds."""
    header, size = media.low_wav(3600)
    return header + b"\x80\x90\x80\x70" * (size // 4)


def test_losing_the_lease_stops_the_work(cloud: Cloud) -> None:
    cloud.put(_hour())
    cloud.supabase.answers["heartbeat_job"] = False
    assert run(cloud) == 0
    assert cloud.objects() == set()
    assert {name for name, _ in cloud.supabase.calls} == {"start_job", "heartbeat_job"}


class _Cut:
    """A body that breaks off: what arrived counts, the rest is asked for again."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def close(self) -> None:
        pass

    def iter_chunks(self, _size: int) -> Iterator[bytes]:
        yield self._data
        raise EndpointConnectionError(endpoint_url="http://s3")


def test_a_cut_transfer_resumes_where_it_broke(cloud: Cloud, talk: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.put(talk)
    ranges = []
    client = storage.client

    def cutting(told: settings.Settings) -> Any:
        s3 = client(told)
        whole = s3.get_object

        def get_object(**options: Any) -> Any:
            if "Range" not in options:
                return whole(**options)
            ranges.append(options["Range"])
            assert options["IfMatch"]
            answer = whole(**options)
            if len(ranges) < 4:
                answer["Body"] = _Cut(answer["Body"].read()[:1000])
            return answer

        monkeypatch.setattr(s3, "get_object", get_object)
        return s3

    monkeypatch.setattr(storage, "client", cutting)
    assert run(cloud) == 0
    assert [int(text[6:].split("-")[0]) for text in ranges] == [0, 1000, 2000, 3000]


def test_a_replaced_object_is_not_mixed(cloud: Cloud, talk: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.put(talk)
    look = storage.look

    def then_replaced(*arguments: Any) -> Any:
        stored = look(*arguments)
        cloud.put(talk[:-100])
        return stored

    monkeypatch.setattr(storage, "look", then_replaced)
    assert run(cloud) == 75
    assert cloud.supabase.named("retry_job")[0]["p_error_code"] == "input_changed"


def test_an_outage_of_s3_is_temporary_and_leaves_nothing(
    cloud: Cloud, talk: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.put(talk)
    client = storage.client

    def failing(told: settings.Settings) -> Any:
        s3 = client(told)

        def put_object(**_: Any) -> Any:
            raise ClientError({"Error": {"Code": "SlowDown"}}, "PutObject")

        monkeypatch.setattr(s3, "put_object", put_object)
        return s3

    monkeypatch.setattr(storage, "client", failing)
    assert run(cloud, ATTEMPT="3") == 75
    (call,) = cloud.supabase.named("retry_job")
    assert (call["p_reason"], call["p_error_code"], call["p_delay_seconds"]) == (
        "failure",
        "storage_unreachable",
        delay(120),
    )
    assert cloud.objects() == set()
    assert cloud.unfinished() == []


def test_a_published_result_is_all_that_stays_of_many_attempts(cloud: Cloud, talk: bytes) -> None:
    cloud.put(talk)
    cloud.s3.put_object(Bucket=DERIVED, Key="derived/job-1/1/audio.m4a", Body=b"of a killed attempt")
    cloud.s3.create_multipart_upload(Bucket=DERIVED, Key="derived/job-1/1/waveform.png")
    cloud.s3.put_object(Bucket=DERIVED, Key="derived/job-10/1/audio.m4a", Body=b"of somebody else")
    assert run(cloud, ATTEMPT="2") == 0
    own = {f"derived/job-1/2/{name}" for name in FILES}
    assert cloud.objects() == {*own, MANIFEST, "derived/job-10/1/audio.m4a"}
    assert cloud.unfinished() == []


def test_a_large_output_arrives_whole_through_broken_connections(cloud: Cloud, tmp_path: Path) -> None:
    body = os.urandom(12 << 20)  # two parts
    (tmp_path / "audio.m4a").write_bytes(body)
    spoiled = Plan(3, [
        Rule(TORN, 0.3, "UploadPart"), Rule(LOST, 0.3, "UploadPart"), Rule(s3.BUSY, 0.3, "*MultipartUpload"),
        Rule(LOST, 0.5, "CreateMultipartUpload"), Rule(LOST, 0.5, "CompleteMultipartUpload"),
    ])  # fmt: skip
    spoiled.begin()
    with s3.FaultyS3(cloud.environment["AWS_ENDPOINT_URL"], spoiled) as shim:
        told = settings.read({**cloud.environment, "AWS_ENDPOINT_URL": shim.url})
        publisher = Publisher(storage.client(told), told)
        manifest = publisher.publish(publisher.upload(tmp_path, Control()))
    assert spoiled.met.keys() >= {"UploadPart: torn", "CreateMultipartUpload: lost"}
    Publisher(cloud.s3, told, _stumbled=True).tidy(manifest)
    output = manifest["outputs"]["audio"]
    assert cloud.s3.get_object(Bucket=DERIVED, Key=output["key"])["Body"].read() == body
    assert output["sha256"] == hashlib.sha256(body).hexdigest()
    assert cloud.objects() == {output["key"], MANIFEST}
    assert cloud.unfinished() == []


@pytest.fixture
def fake_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a script can take ffmpeg's place beside the real ffprobe, with less patience for it."""
    (tmp_path / "ffprobe").symlink_to(binaries.ffprobe())
    monkeypatch.setenv("TAMMA_FFMPEG", str(tmp_path / "ffmpeg"))
    monkeypatch.setattr(engine, "STALL_SECONDS", 0.7)
    return tmp_path / "ffmpeg"


# A dead ffmpeg; one that is silent; one that repeats where it is and never gets on; one that dies half-way.
_REPORTING = """echo sorry >&2
for word in $@; do case $word in pipe:*) fd=${word#pipe:}; break;; esac; done
while :; do printf "out_time_us=500000\\nprogress=continue\\n" >/proc/self/fd/$fd; sleep 0.1; done"""
FAILURES = {
    "dies": ("echo sorry >&2; kill -SEGV $$", "ffmpeg_crashed"),
    "hangs": ("echo sorry >&2; exec sleep 60", "ffmpeg_stalled"),
    "hangs but reports": (_REPORTING, "ffmpeg_stalled"),
    "dies half-way": ("head -c 400000 /dev/zero; echo sorry >&2; kill -KILL $$", "ffmpeg_crashed"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_crash_or_a_hang_of_ffmpeg_is_temporary(
    failure: str, cloud: Cloud, talk: bytes, fake_ffmpeg: Path, caplog: pytest.LogCaptureFixture
) -> None:
    script, code = FAILURES[failure]
    fake_ffmpeg.write_text(f"#!/bin/sh\n{script}\n")
    fake_ffmpeg.chmod(0o755)
    cloud.put(talk)
    with caplog.at_level(logging.INFO, "tamma_worker"):
        assert run(cloud) == 75
    call = cloud.supabase.named("retry_job")[0]
    assert call["p_error_code"] == code
    assert "sorry" not in call["p_error_message"]
    assert code in caplog.text
    assert "sorry" in caplog.text  # the last lines of standard error, for whoever looks after the pipeline
    assert cloud.objects() == set()


def test_an_unexpected_error_is_logged_and_retried(
    cloud: Cloud, talk: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.put(talk)
    monkeypatch.setattr(clean, "clean", lambda *_: 1 / 0)
    assert run(cloud) == 75
    assert cloud.supabase.named("retry_job")[0]["p_error_code"] == "internal_error"
    assert "ZeroDivisionError" in caplog.text


def _start(cloud: Cloud, tmp_path: Path, **more: str) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(ROOT / "files/worker/src")])
    environment = {**os.environ, **cloud.environment, "PYTHONPATH": path, "TMPDIR": str(tmp_path), **more}
    log = (tmp_path / "log").open("wb")
    return subprocess.Popen([sys.executable, "-m", "tamma_worker"], env=environment, stderr=log, stdout=log)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _interrupt(cloud: Cloud, tmp_path: Path, **more: str) -> tuple[int, float, list[int]]:
    """SIGTERM a task in the middle of its work; gives exit code, seconds until the exit, and its former children."""
    cloud.put(_hour())
    process = _start(cloud, tmp_path, LEASE_SECONDS="2", **more)
    try:
        cloud.supabase.wait_for(lambda: any(b["p_progress"] > 0.02 for b in cloud.supabase.named("heartbeat_job")))
        children = _children(process.pid)
        process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        return process.wait(20), time.monotonic() - asked, children
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for ffmpeg in /proc, which only Linux has")
def test_sigterm_hands_the_job_back_in_time(cloud: Cloud, tmp_path: Path) -> None:
    code, seconds, children = _interrupt(cloud, tmp_path)
    log = (tmp_path / "log").read_text()
    assert (code, seconds < 5) == (143, True), log
    (call,) = cloud.supabase.named("retry_job")
    assert (call["p_reason"], call["p_delay_seconds"]) == ("interruption", 0)
    assert len(children) == 1
    assert not Path(f"/proc/{children[0]}").exists()
    assert cloud.objects() == set()
    assert cloud.unfinished() == []
    assert list(tmp_path.glob("tamma-*")) == []
    assert SERVICE_KEY not in log


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for ffmpeg in /proc, which only Linux has")
def test_sigterm_exits_in_time_even_when_supabase_hangs(cloud: Cloud, tmp_path: Path) -> None:
    cloud.supabase.slow["retry_job"] = 9
    code, seconds, children = _interrupt(cloud, tmp_path)
    assert (code, seconds < 5) == (143, True)
    assert not Path(f"/proc/{children[0]}").exists()


def test_the_process_says_nothing_secret_and_exits_with_its_code(cloud: Cloud, tmp_path: Path) -> None:
    cloud.put(b"not a recording")
    process = _start(cloud, tmp_path, LOG_LEVEL="DEBUG")
    assert process.wait(30) == 65
    log = (tmp_path / "log").read_text()
    assert "job job-1, attempt 1" in log
    assert "Traceback" not in log
    assert SERVICE_KEY not in log


def test_a_task_without_its_environment_says_what_is_missing(cloud: Cloud) -> None:
    with pytest.raises(ConfigurationError, match="RAW_BUCKET"):
        settings.read({**cloud.environment, "RAW_BUCKET": ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JOB_ID", "../x"),
        ("JOB_ID", "-x"),
        ("ATTEMPT", "0"),
        ("ATTEMPT", "1.5"),
        ("ATTEMPT", "x"),
        ("PIPELINE", "tea"),
        ("TAMMA_TIME_SCALE", "nan"),
        ("LEASE_SECONDS", "-1"),
        ("PRESET_OVERRIDES", "{"),
        ("PRESET_OVERRIDES", "[]"),
    ],
)
def test_senseless_environments_are_refused(name: str, value: str, cloud: Cloud) -> None:
    with pytest.raises(ConfigurationError, match=name):
        settings.read({**cloud.environment, name: value})


def test_settings_do_not_show_the_service_key(cloud: Cloud) -> None:
    assert SERVICE_KEY not in repr(settings.read(cloud.environment))


def test_a_task_without_a_metadata_endpoint_has_a_name_of_its_own(cloud: Cloud) -> None:
    assert job.task_arn(cloud.supabase.url) == TASK_ARN
    assert job.task_arn(None) != job.task_arn(None)


def test_looking_for_an_object_tells_missing_from_unreachable(cloud: Cloud) -> None:
    told = settings.read({**cloud.environment, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    with pytest.raises(TemporaryError):
        storage.look(storage.client(told), RAW, "x", Control(), 0.0)


def test_a_stumble_of_s3_does_not_cost_an_attempt(cloud: Cloud, talk: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.put(talk)
    client, looks = storage.client, []

    def stumbling(told: settings.Settings) -> Any:
        s3 = client(told)
        head = s3.head_object

        def head_object(**options: Any) -> Any:
            looks.append(options)
            if len(looks) == 1:
                raise ClientError({"Error": {"Code": "503"}}, "HeadObject")
            return head(**options)

        monkeypatch.setattr(s3, "head_object", head_object)
        return s3

    monkeypatch.setattr(storage, "client", stumbling)
    assert run(cloud) == 0
    assert len(looks) == 2


@pytest.mark.parametrize(("name", "value"), [("SUPABASE_URL", "localhost"), ("SUPABASE_SERVICE_KEY", "a\nb")])
def test_an_address_or_key_that_cannot_be_one_is_refused(name: str, value: str, cloud: Cloud) -> None:
    with pytest.raises(ConfigurationError, match="not valid"):
        run(cloud, **{name: value})
