"""Input that is broken, missing, late, too large or hostile: each ends as the contract says, beside good jobs."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.pipeline import RAW
from tests.faults.jobs import Job
from tests.faults.ledger import Facts
from tests.faults.malformed import messages
from tests.faults.scenario import Scenario
from tests.faults.shims.between import workers_reach_s3_through
from tests.faults.shims.s3 import BoastfulS3
from tests.faults.workers import Worker

_SIX_GIB = 6 << 30  # more than a preset takes
_SHARE = 0.2  # of the jobs beyond the first few, which have one of each kind
_WAITS = 3  # for a missing object


@dataclass(frozen=True)
class Kind:
    """One kind of input: what the job has to come to, with which code, after how many tasks."""

    error_code: str | None
    tasks: tuple[int, int] = (1, 1)
    content: bytes | None = None  # uploaded instead of a recording
    dead_letters: int = 0


GOOD = Kind(None)
KINDS = {
    "noise": Kind("not_media", content=bytes(range(256)) * 8),
    "missing": Kind("missing_input", tasks=(_WAITS + 1, _WAITS + 1), dead_letters=1),
    "late": Kind(None, tasks=(2, _WAITS + 1)),
    "too large": Kind("too_large"),
    "hostile key": Kind(None),
    "page": Kind("not_media", content=b"<!doctype html><title>403 Forbidden</title>"),
    "empty": Kind("empty_file", content=b""),
    "playlist": Kind("playlist", content=b"#EXTM3U\n#EXTINF:1,\nhttp://169.254.170.2/v2/credentials\n"),
    "cut off": Kind("truncated", content=b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42isom\0\x10\0\0mdat" + bytes(999)),
}
# Legal, however it looks; a job like every other.
_HOSTILE = "'; drop table public.jobs; -- $(id) %2e%2e%2f \u00fc \U0001f600 <b>.wav"


class BadInput(Scenario):
    """A fifth of the jobs has bad input, and between the messages of all come malformed ones."""

    name = "bad_input"
    fault = "corrupt, missing, late, oversize objects and malformed messages"
    bound = "each ends as the contract says; malformed ones set aside after 1 delivery; mates start once"
    window = 16
    may_be_set_aside = True  # what is, is counted below

    def plan(self) -> None:
        names = list(KINDS)
        ranked = sorted(self.jobs, key=lambda job: job.random("rank").random())
        for place, job in enumerate(ranked):
            draw = job.random("kind")
            kind = names[place] if place < min(len(names), len(ranked) * 2 // 3) else None
            if kind is None and place >= len(names) and draw.random() < _SHARE:
                kind = draw.choice(names)
            job.notes["kind"] = kind
            job.expected = "failed" if kind and KINDS[kind].error_code else "succeeded"
        self.group = f"{self.jobs[0].job_id.rpartition('-')[0]}-malformed"
        self.malformed = messages(self.group)
        self.sent: dict[str, tuple[str, str]] = {}  # message id → body, word of the reason
        self.waiting = list(range(len(self.malformed)))

    @contextmanager
    def injected(self) -> Iterator[None]:
        boastful = BoastfulS3(self.world.cloud.aws_endpoint_url, _SIX_GIB)
        with workers_reach_s3_through(self.world, boastful), tempfile.TemporaryDirectory() as folder:
            self.boastful, self.folder = boastful, Path(folder)
            yield

    def submit(self, job: Job) -> None:
        # All of them are spread over the run, so that they meet many different mates.
        share = -(-len(self.malformed) // len(self.jobs))
        for _ in range(min(share, len(self.waiting))):
            self._send_malformed(self.waiting.pop(0))
        self._upload(job)
        self.world.pipeline.front_end.submit(job.job_id, job.s3_key)

    def on_worker(self, worker: Worker) -> None:
        job = self.by_id[worker.job_id]
        if job.notes["kind"] == "late" and worker.attempt == 2:
            self.world.upload(job)

    def judge(self, facts: Facts) -> list[str]:
        self.remarks.append(f"{dict(Counter(str(job.notes['kind'] or 'good') for job in self.jobs))}")
        self.remarks.append(f"{len(self.sent)} malformed messages")
        found = [text for job in self.jobs for text in self._job_problems(facts, job)]
        found += [f"a row that nobody asked for: {job_id}" for job_id in facts.rows.keys() - self.by_id.keys()]
        return found + self._malformed_problems()

    def _upload(self, job: Job) -> None:
        kind, pipeline = job.notes["kind"], self.world.pipeline
        content = KINDS[str(kind)].content if kind else None
        if content is not None:
            path = self.folder / f"{job.job_id}.wav"
            path.write_bytes(content)
            job.s3_key = pipeline.front_end.upload(path, job.job_id, lambda _count: None)
        elif kind == "hostile key":
            job.s3_key = f"{pipeline.settings['upload_prefix']}{job.job_id}/{_HOSTILE}"
            pipeline.s3.put_object(Bucket=RAW, Key=job.s3_key, Body=job.recording(self.folder).read_bytes())
        elif kind in {"missing", "late"}:
            job.s3_key = f"{pipeline.settings['upload_prefix']}{job.job_id}/{job.job_id}.wav"
        else:
            self.world.upload(job)
            if kind == "too large":
                self.boastful.names.add(f"{RAW}/{job.s3_key}")

    def _send_malformed(self, number: int) -> None:
        body, word = self.malformed[number]
        name = f"{self.group}-{number:03}"
        answer = self.world.pipeline.sqs.send_message(
            QueueUrl=self.world.pipeline.settings["jobs_queue_url"], MessageBody=body, MessageGroupId=name,
            MessageDeduplicationId=name,
        )  # fmt: skip
        self.sent[answer["MessageId"]] = (name, word)

    def _job_problems(self, facts: Facts, job: Job) -> list[str]:
        name, row = job.notes["kind"], facts.rows.get(job.job_id)
        if row is None:
            return []  # lost, and counted there
        kind, found = KINDS[str(name)] if name else GOOD, []
        if row["error_code"] != kind.error_code and row["status"] == "failed":
            found.append(f"{job.job_id} ({name}): {row['error_code']}, not {kind.error_code}")
        if row["status"] == "failed" and not str(row["error_message"] or "").endswith("."):
            found.append(f"{job.job_id} ({name}) has no sentence for its user: {row['error_message']!r}")
        tasks, letters = len(facts.tasks.get(job.job_id, [])), sum(job.job_id in it.body for it in facts.dead_letters)
        if not kind.tasks[0] <= tasks <= kind.tasks[1]:
            found.append(f"{job.job_id} ({name or 'good'}) had {tasks} tasks, not {kind.tasks[0]}-{kind.tasks[1]}")
        if letters != kind.dead_letters:
            found.append(f"{job.job_id} ({name or 'good'}): {letters} messages set aside, not {kind.dead_letters}")
        return found

    def _malformed_problems(self) -> list[str]:
        bodies = {f"{self.group}-{number:03}": body for number, (body, _word) in enumerate(self.malformed)}
        letters = [it for it in self.world.dead_letters() if it.group in bodies]
        groups = Counter(it.group for it in letters)
        deliveries = Counter(
            entry.get("message_id")
            for words in ("Set aside in the dead-letter queue", "Returned to the queue")
            for entry in self.world.pipeline.dispatcher_log(words)
        )
        words = dict(self.sent.values())
        found = [f"{name}: set aside {groups[name]} times" for name in words if groups[name] != 1]
        found += [f"{it.group}: {it.reason!r}" for it in letters if words.get(it.group, "?") not in it.reason]
        # A body that is no job's and larger than any needs to be is cut, and the reason says so.
        found += [
            f"{it.group}: its body was changed"
            for it in letters
            if it.body != bodies[it.group]
            and not ("cut to its first" in it.reason and it.body and bodies[it.group].startswith(it.body))
        ]
        return found + [
            f"{name}: {deliveries[message_id]} deliveries"
            for message_id, (name, _word) in self.sent.items()
            if deliveries[message_id] != 1
        ]
