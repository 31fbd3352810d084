"""What the front end does, with nothing but the presign identity's key and the job table."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import boto3
import httpx
from botocore.config import Config
from supabase import Client, create_client

_CHUNK = 1 << 20  # bytes: a recording is never held in memory
_URL_SECONDS = 3600  # how long a presigned URL is valid
_POLL_SECONDS = 0.25
_PATIENCE_SECONDS = 600  # without any news of the job; longer than the lease of a task that is starting
_OVER = frozenset({"succeeded", "failed"})


class DemoError(Exception):
    """Something a person has to know, with the next step."""


@dataclass(frozen=True)
class Job:
    """A job as its row says."""

    job_id: str
    status: str
    progress: float
    attempt: int
    error_message: str | None

    @property
    def over(self) -> bool:
        """Whether the job has reached a terminal state."""
        return self.status in _OVER


class FrontEnd:
    """Uploads, sends jobs, follows them and downloads results."""

    def __init__(self, settings: dict[str, Any], supabase_url: str, supabase_key: str, endpoint: str | None) -> None:
        """Take the content of the presign key file and where Supabase and AWS are; endpoint None is real AWS."""
        self._settings = settings
        session = boto3.Session(
            settings["access_key_id"], settings["secret_access_key"], region_name=settings["region"]
        )
        # Path style: bucket host names do not resolve on a loopback address. Version 4: AWS takes no other signature.
        config = Config(signature_version="s3v4", s3={"addressing_style": "path" if endpoint else "virtual"})
        self._s3 = session.client("s3", endpoint_url=endpoint, config=config)
        self._sqs = session.client("sqs", endpoint_url=endpoint)
        self._table: Client = create_client(supabase_url, supabase_key)

    def upload(self, recording: Path, job_id: str, on_bytes: Callable[[int], None]) -> str:
        """Upload with a presigned PUT and return the object's key; `on_bytes` is told of each chunk's size."""
        key = f"{self._settings['upload_prefix']}{job_id}/{safe_name(recording.name)}"
        url = self._s3.generate_presigned_url(
            "put_object", Params={"Bucket": self._settings["raw_bucket"], "Key": key}, ExpiresIn=_URL_SECONDS
        )
        with recording.open("rb") as source:
            answer = httpx.put(
                url,
                content=_chunks(source, on_bytes),
                headers={"Content-Length": str(recording.stat().st_size)},
                timeout=_URL_SECONDS,
            )
        if answer.is_error:
            raise DemoError(f"The upload was refused ({answer.status_code}): {answer.text[:300]}")
        return key

    def submit(self, job_id: str, key: str) -> None:
        """Insert the job's row, then send its message; the order that the pipeline promises to handle."""
        self._table.table("jobs").insert({"job_id": job_id, "s3_key": key}).execute()
        self._sqs.send_message(
            QueueUrl=self._settings["jobs_queue_url"],
            MessageBody=json.dumps({"job_id": job_id, "s3_key": key}),
            MessageGroupId=job_id,
            MessageDeduplicationId=job_id,
        )

    def follow(self, job_id: str) -> Iterator[Job]:
        """Yield the job each time its row has changed, last in its terminal state; DemoError when nothing moves."""
        last, since = None, time.monotonic()
        while last is None or not last.over:
            job = self._read(job_id)
            if job != last:
                last, since = job, time.monotonic()
                yield job
            elif time.monotonic() - since > _PATIENCE_SECONDS:
                raise DemoError(f"Job {job_id} is {job.status} and has not moved for ten minutes: see `make logs`.")
            time.sleep(_POLL_SECONDS)

    def download(self, job_id: str, folder: Path) -> dict[str, Path]:
        """Download what the manifest names with presigned GETs; return the files by their name in the manifest."""
        manifest = httpx.get(self._presigned_get(f"derived/{job_id}/manifest.json")).raise_for_status().json()
        folder.mkdir(parents=True, exist_ok=True)
        files = {}
        for name, output in manifest["outputs"].items():
            files[name] = folder / Path(output["key"]).name
            with httpx.stream("GET", self._presigned_get(output["key"]), timeout=_URL_SECONDS) as answer:
                answer.raise_for_status()
                with files[name].open("wb") as target:
                    for chunk in answer.iter_bytes(_CHUNK):
                        target.write(chunk)
        return files

    def _read(self, job_id: str) -> Job:
        rows = self._table.table("jobs").select("*").eq("job_id", job_id).execute().data
        row: dict[str, Any] = dict(rows[0])  # type: ignore[arg-type]  # the client types a row as any JSON
        return Job(job_id, row["status"], float(row["progress"]), int(row["attempt"]), row["error_message"])

    def _presigned_get(self, key: str) -> str:
        return str(
            self._s3.generate_presigned_url(
                "get_object", Params={"Bucket": self._settings["derived_bucket"], "Key": key}, ExpiresIn=_URL_SECONDS
            )
        )


def new_job_id() -> str:
    """Return an id that nobody has used."""
    return f"demo-{uuid.uuid4().hex[:12]}"


def safe_name(name: str) -> str:
    """Return the file name as a key may contain it: letters, digits, dot, dash; at most 100 characters, suffix kept."""
    path = Path(name)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-.") or "recording"
    return stem[:80] + re.sub(r"[^A-Za-z0-9.]", "", path.suffix)[:20]


def _chunks(source: IO[bytes], on_bytes: Callable[[int], None]) -> Iterator[bytes]:
    while chunk := source.read(_CHUNK):
        yield chunk
        on_bytes(len(chunk))
