"""The front end against an S3 of a few lines: what it sends, what it makes of the answers, when it gives up."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tamma_demo import front_end as module
from tamma_demo.front_end import DemoError, FrontEnd, Job, new_job_id, safe_name


@dataclass
class Store:
    """Objects by path, the requests that came, and the status that every upload gets."""

    objects: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    answer: int = 200
    url: str = ""


@pytest.fixture
def store() -> Iterator[Store]:
    kept = Store()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            path = self.path.partition("?")[0]
            kept.objects[path] = self.rfile.read(int(self.headers["Content-Length"]))
            kept.headers[path] = dict(self.headers)
            self._answer(kept.answer, b"<Code>AccessDenied</Code>" if kept.answer >= 400 else b"")

        def do_GET(self) -> None:
            found = kept.objects.get(self.path.partition("?")[0])
            self._answer(200 if found is not None else 404, found or b"")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    kept.url = f"http://127.0.0.1:{server.server_port}"
    yield kept
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def front_end(store: Store) -> FrontEnd:
    settings = {
        "access_key_id": "AKIAEXAMPLE", "secret_access_key": "secret", "region": "us-east-1", "raw_bucket": "raw",
        "derived_bucket": "derived", "upload_prefix": "uploads/", "jobs_queue_url": f"{store.url}/0/jobs.fifo",
    }  # fmt: skip
    return FrontEnd(settings, store.url, jwt.encode({"role": "service_role"}, "k" * 32), store.url)


def test_upload_streams_the_file_and_tells_every_byte(
    front_end: FrontEnd, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHUNK", 1000)
    recording = tmp_path / "My talk (1) ä.WAV"
    recording.write_bytes(bytes(range(256)) * 10)
    told: list[int] = []
    key = front_end.upload(recording, "job-1", told.append)
    assert key == "uploads/job-1/My-talk-1.WAV"
    assert store.objects == {f"/raw/{key}": recording.read_bytes()}
    assert told == [1000, 1000, 560]
    # S3 takes no upload of unknown length.
    assert "Transfer-Encoding" not in store.headers[f"/raw/{key}"]


def test_upload_that_is_refused_says_so(front_end: FrontEnd, store: Store, tmp_path: Path) -> None:
    store.answer = 403
    (tmp_path / "talk.wav").write_bytes(b"x")
    with pytest.raises(DemoError, match=r"The upload was refused \(403\): .*AccessDenied"):
        front_end.upload(tmp_path / "talk.wav", "job-1", lambda _count: None)


def test_download_takes_what_the_manifest_names(front_end: FrontEnd, store: Store, tmp_path: Path) -> None:
    outputs = {"audio": {"key": "derived/job-1/2/audio.m4a"}, "report": {"key": "derived/job-1/2/report.json"}}
    store.objects = {
        "/derived/derived/job-1/manifest.json": json.dumps({"outputs": outputs}).encode(),
        "/derived/derived/job-1/2/audio.m4a": b"sound",
        "/derived/derived/job-1/2/report.json": b"{}",
        "/derived/derived/job-1/1/audio.m4a": b"of an attempt that was interrupted",
    }
    files = front_end.download("job-1", tmp_path / "new" / "job-1")
    assert {name: path.read_bytes() for name, path in files.items()} == {"audio": b"sound", "report": b"{}"}
    assert sorted(path.name for path in (tmp_path / "new" / "job-1").iterdir()) == ["audio.m4a", "report.json"]


def test_download_without_a_manifest_fails(front_end: FrontEnd, tmp_path: Path) -> None:
    with pytest.raises(httpx.HTTPStatusError):
        front_end.download("job-1", tmp_path)


def _rows(front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch, *jobs: Job) -> None:
    """Let the job's row be these, one after the other; the last one stays."""
    following = list(jobs)
    monkeypatch.setattr(module, "_POLL_SECONDS", 0)
    monkeypatch.setattr(front_end, "_read", lambda _id: following.pop(0) if len(following) > 1 else following[0])


def _job(status: str, progress: float = 0.0, **values: Any) -> Job:
    return Job("job-1", status, progress, values.get("attempt", 1), values.get("error_message"))


def test_follow_yields_changes_until_the_end(front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    running, done = _job("running", 0.5), _job("succeeded", 1)
    _rows(front_end, monkeypatch, _job("queued"), _job("queued"), running, running, done, _job("running"))
    assert list(front_end.follow("job-1")) == [_job("queued"), running, done]


@pytest.mark.parametrize(("status", "over"), [
    ("queued", False), ("starting", False), ("running", False), ("retrying", False), ("succeeded", True),
    ("failed", True),
])  # fmt: skip
def test_only_two_states_are_the_end(status: str, over: bool) -> None:
    assert _job(status).over is over


def test_follow_gives_up_when_nothing_moves(front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    _rows(front_end, monkeypatch, _job("starting"))
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", -1)
    with pytest.raises(DemoError, match=r"Job job-1 is starting and has not moved .* `make logs`\."):
        list(front_end.follow("job-1"))


def test_job_ids_are_new_and_valid() -> None:
    ids = {new_job_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", job_id) for job_id in ids)


@given(st.text(min_size=1).filter(lambda name: "/" not in name and "\0" not in name))
def test_any_file_name_gives_a_key_that_the_pipeline_takes(name: str) -> None:
    safe = safe_name(name)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,101}", safe)
    assert safe not in {".", ".."}


@pytest.mark.parametrize(("name", "safe"), [
    ("talk.wav", "talk.wav"), ("Mein Vortrag.MP3", "Mein-Vortrag.MP3"), ("日本語.m4a", "recording.m4a"),
    ("..wav", "recording.wav"),
    ("a" * 300 + ".flac", "a" * 80 + ".flac"), ("no suffix", "no-suffix"), ("x.a b", "x.ab"),
])  # fmt: skip
def test_file_name_stays_recognisable(name: str, safe: str) -> None:
    assert safe_name(name) == safe
