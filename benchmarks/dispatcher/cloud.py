"""The deployed function on the embedded cloud, fed by its queue or through Lambda's API, until all jobs have started.

A job counts when its row names its task. Only the dispatcher is fed: the reconciler's mapping is off, so that tasks
which do nothing do not come back as retries.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psycopg
from tamma_local.bundle import Bundle, digest, make
from tamma_local.cloud import Cloud
from tamma_local.layout import REPOSITORY
from tamma_local.registry import Registry

from benchmarks.converge.stage import BenchmarkError, environment

FUNCTION, QUEUE, IMAGE = "trigger-audio-clean", "tamma-dev-jobs.fifo", "tamma-dev-audio-clean"
_PATIENCE = 600  # seconds until all jobs of a run have a task
_LOOK = 0.05  # seconds between two looks
_AT_ONCE = 4  # invocations at the same time, where Lambda is called directly
# Parts of the cloud, by what their command line holds; the first that fits counts.
_PARTS = {
    "function": f"ministack-lambda-{FUNCTION}",
    "emulator": "tamma_local.emulator",
    "PostgREST": "postgrest",
    "PostgreSQL": "postgres",
    "gateway": "tamma_local run",
}


@dataclass(frozen=True)
class Run:
    """Jobs per second, and the milliseconds of CPU time that each part spent on a job."""

    jobs_per_second: float
    cpu: dict[str, float]


class Deployment:
    """The converged stack of one embedded cloud."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        """Converge the stack, push an image whose tasks end at once, and leave the queue unread."""
        self._cloud = cloud
        self._env = environment(
            TAMMA_LOCAL_DIR=str(folder), AWS_ENDPOINT_URL=cloud.aws_endpoint_url, AWS_REGION=cloud.region,
            AWS_ACCESS_KEY_ID=cloud.access_key_id, AWS_SECRET_ACCESS_KEY=cloud.secret_access_key,
        )  # fmt: skip
        self._clients: dict[str, Any] = {}
        self._number = 0
        self._play("site.yml")
        self._play("playbooks/build_image.yml")
        self._push(_that_ends_at_once(make(REPOSITORY / "files" / "worker")))
        self._mapping = self._set_mappings()

    def client(self, service: str) -> Any:
        """Return a client of the cloud."""
        if service not in self._clients:
            new: Any = boto3.client  # typed by literals only
            self._clients[service] = new(
                service, endpoint_url=self._cloud.aws_endpoint_url, region_name=self._cloud.region,
                aws_access_key_id=self._cloud.access_key_id, aws_secret_access_key=self._cloud.secret_access_key,
            )  # fmt: skip
        return self._clients[service]

    def set_ecs(self, url: str | None) -> None:
        """Let the function call ECS at this URL, or where the other services are; it starts anew."""
        functions = self.client("lambda")
        variables = functions.get_function_configuration(FunctionName=FUNCTION)["Environment"]["Variables"]
        variables.pop("AWS_ENDPOINT_URL_ECS", None)
        variables |= {"AWS_ENDPOINT_URL_ECS": url} if url else {}
        functions.update_function_configuration(FunctionName=FUNCTION, Environment={"Variables": variables})
        functions.get_waiter("function_updated_v2").wait(FunctionName=FUNCTION)
        self.invoke(10 * _AT_ONCE, at_once=_AT_ONCE)  # starts the sandboxes

    def from_queue(self, jobs: int) -> Run:
        """Fill the queue while nobody reads it, then let the mapping read."""
        ids = list(self._ids(jobs))
        for start in range(0, jobs, 10):
            entries = [
                {"Id": str(place), "MessageBody": _body(job), "MessageGroupId": job, "MessageDeduplicationId": job}
                for place, job in enumerate(ids[start : start + 10])
            ]
            self.client("sqs").send_message_batch(QueueUrl=self._queue(), Entries=entries)
        try:
            return self._timed(ids, lambda: self._enable(enabled=True))
        finally:
            self._enable(enabled=False)

    def invoke(self, jobs: int, at_once: int = _AT_ONCE) -> Run:
        """Call the function with batches of ten, as the mapping would, some at the same time."""
        ids = list(self._ids(jobs))
        batches = [ids[start : start + 10] for start in range(0, jobs, 10)]

        def send(batch: list[str]) -> None:
            event = json.dumps({"Records": [_record(job) for job in batch]})
            answer = self.client("lambda").invoke(FunctionName=FUNCTION, Payload=event)
            said = json.loads(answer["Payload"].read())
            if said != {"batchItemFailures": []}:
                raise BenchmarkError(f"The function did not start every job: {said}")

        def send_all() -> None:
            with ThreadPoolExecutor(at_once) as threads:
                list(threads.map(send, batches))

        self.client("lambda")
        return self._timed(ids, send_all)

    def _ids(self, jobs: int) -> Iterator[str]:
        self._number += 1
        return (f"bench-{os.getpid()}-{self._number}-{place}" for place in range(jobs))

    def _timed(self, ids: list[str], begin: Callable[[], None]) -> Run:
        before, began = self._cpu(), time.monotonic()
        begin()
        with psycopg.connect(self._cloud.database_url, autocommit=True) as database:
            query = "select count(*) from public.jobs where job_id = any(%s) and task_arn is not null"
            while (database.execute(query, [ids]).fetchone() or (0,))[0] < len(ids):
                if time.monotonic() - began > _PATIENCE:
                    raise BenchmarkError(f"Not all {len(ids)} jobs had a task after {_PATIENCE} s.")
                time.sleep(_LOOK)
        seconds, after = time.monotonic() - began, self._cpu()
        cpu = {part: (after[part] - before[part]) / len(ids) * 1000 for part in _PARTS}
        return Run(len(ids) / seconds, cpu)

    def _cpu(self) -> dict[str, float]:
        """Return the CPU seconds of each part, with ended children of the emulator, which are the tasks."""
        seconds = dict.fromkeys(_PARTS, 0.0)
        tick = os.sysconf("SC_CLK_TCK")
        for arguments, own, children in _processes(self._cloud.pid):
            part = next((part for part, text in _PARTS.items() if text in arguments), None)
            if part:
                seconds[part] += (own + (children if part == "emulator" else 0)) / tick
        return seconds

    def _play(self, playbook: str) -> None:
        command = [str(REPOSITORY / ".venv" / "bin" / "ansible-playbook"), playbook, "-i", "inventories/local"]
        done = subprocess.run(command, cwd=REPOSITORY, env=self._env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchmarkError(f"{playbook} failed: {done.stdout[-2000:]}")

    def _push(self, image: Bundle) -> None:
        """Push the image beside the worker's own, and let the newest revision of the family run it."""
        current = self.client("ecs").describe_task_definition(taskDefinition=IMAGE)["taskDefinition"]
        image_name = f"{current['containerDefinitions'][0]['image']}-true"
        token = self.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
        registry = Registry(self._cloud.aws_endpoint_url, token)
        registry.push_blob(IMAGE, digest(image.config), image.config)
        registry.push_manifest(IMAGE, image_name.rpartition(":")[2], image.manifest)
        kept = ("family", "networkMode", "requiresCompatibilities", "cpu", "memory", "executionRoleArn", "taskRoleArn")
        self.client("ecs").register_task_definition(
            **{name: current[name] for name in kept},
            containerDefinitions=[{"name": "worker", "image": image_name, "essential": True}],
        )

    def _set_mappings(self) -> str:
        found = self.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        for mapping in found:
            self.client("lambda").update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        return next(str(mapping["UUID"]) for mapping in found if FUNCTION in mapping["FunctionArn"])

    def _enable(self, *, enabled: bool) -> None:
        self.client("lambda").update_event_source_mapping(UUID=self._mapping, Enabled=enabled)

    def _queue(self) -> str:
        return str(self.client("sqs").get_queue_url(QueueName=QUEUE)["QueueUrl"])


def _that_ends_at_once(bundle: Bundle) -> Bundle:
    """Return the worker's image with `true` for its entry point."""
    config = json.loads(bundle.config)
    config["config"]["Entrypoint"] = ["true"]
    data = json.dumps(config).encode()
    manifest = json.loads(bundle.manifest)
    manifest["config"] |= {"digest": digest(data), "size": len(data)}
    return Bundle(bundle.layer, data, json.dumps(manifest).encode())


def _body(job: str) -> str:
    return json.dumps({"job_id": job, "s3_key": f"uploads/{job}.wav"})


def _record(job: str) -> dict[str, Any]:
    return {
        "messageId": job, "receiptHandle": job, "body": _body(job), "eventSource": "aws:sqs", "messageAttributes": {},
        "attributes": {"MessageGroupId": job, "ApproximateReceiveCount": "1"},
    }  # fmt: skip


def _processes(root: int) -> Iterator[tuple[str, int, int]]:
    """Yield command line, ticks of its own and of ended children, of a process and all below it."""
    stats: dict[int, list[str]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stats[int(folder.name)] = (folder / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended meanwhile
    below, grew = {root}, True
    while grew:
        grown = below | {pid for pid, stat in stats.items() if int(stat[1]) in below}
        below, grew = grown, grown != below
    for pid in below & set(stats):
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue  # as above
        times = [int(value) for value in stats[pid][11:15]]
        yield arguments, times[0] + times[1], times[2] + times[3]
