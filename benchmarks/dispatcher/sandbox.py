"""The life of one sandbox, in a process like Lambda's: `sandbox.py BATCHES`, with code and layer on PYTHONPATH.

It imports the handler, gives it one batch (a cold start) and then more, makes the same API calls through bare clients
for comparison, and prints what each cost as JSON on its last line. Times are in milliseconds, memory in MiB.
"""

import importlib
import os
import time
from typing import Any

_BEGAN = time.perf_counter()
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one vCPU; the servers have the others

app: Any = importlib.import_module("app")  # unknown to mypy here; its import is what is measured

_IMPORTED = (time.perf_counter() - _BEGAN, time.process_time())

import json  # noqa: E402 after the clock
import resource  # noqa: E402 as above
import sys  # noqa: E402 as above
from concurrent.futures import ThreadPoolExecutor  # noqa: E402 as above
from types import SimpleNamespace  # noqa: E402 as above

BATCH = 10


def batch(number: int) -> dict[str, Any]:
    """Return a batch of ten first attempts, each in a message group of its own."""
    return {"Records": [_record(f"bench-{number}-{place}") for place in range(BATCH)]}


def _record(job_id: str) -> dict[str, Any]:
    return {
        "messageId": job_id,
        "receiptHandle": job_id,
        "body": json.dumps({"job_id": job_id, "s3_key": f"uploads/{job_id}.wav"}),
        "eventSource": "aws:sqs",
        "messageAttributes": {},
        "attributes": {"MessageGroupId": job_id, "ApproximateReceiveCount": "1"},
    }


def _context() -> Any:
    return SimpleNamespace(
        function_name="bench",
        memory_limit_in_mb=512,
        invoked_function_arn="arn:aws:lambda:us-east-1:000000000000:function:bench",
        aws_request_id="bench",
        get_remaining_time_in_millis=lambda: 60_000,
    )


def _resident() -> float:
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 pathlib is not imported by the function
        return int(statm.read().split()[1]) * resource.getpagesize() / 2**20


def _dispatch(batches: int, first: int) -> tuple[float, float]:
    """Return wall and CPU seconds of warm batches."""
    wall, cpu = time.perf_counter(), time.process_time()
    for number in range(first, first + batches):
        if app.handler(batch(number), _context())["batchItemFailures"]:
            raise SystemExit("The stub let no message fail, but one did.")
    return time.perf_counter() - wall, time.process_time() - cpu


def _calls_alone(batches: int) -> float:
    """Return the CPU seconds of the API calls of as many batches, made by bare clients and as many threads."""
    import httpx

    ecs, rest = importlib.import_module("edge").client("ecs"), httpx.Client(base_url=os.environ["AWS_ENDPOINT_URL"])
    network = {"subnets": ["subnet-a", "subnet-b"], "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED"}
    variables = [{"name": name, "value": "x" * 16} for name in ("JOB_ID", "S3_KEY", "ATTEMPT", "PIPELINE", "LEASE")]

    def call(job_id: str) -> None:
        rest.post("/rest/v1/rpc/claim_job", json={"p_job_id": job_id, "p_attempt": 1, "p_s3_key": job_id}).json()
        ecs.run_task(
            cluster="bench", taskDefinition="bench", count=1, clientToken=job_id, startedBy=job_id,
            capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 3}],
            networkConfiguration={"awsvpcConfiguration": network}, propagateTags="TASK_DEFINITION",
            overrides={"containerOverrides": [{"name": "worker", "environment": variables}]},
            tags=[{"key": "job_id", "value": job_id}, {"key": "attempt", "value": "1"}],
        )  # fmt: skip
        rest.post("/rest/v1/rpc/attach_task", json={"p_job_id": job_id, "p_attempt": 1, "p_task_arn": job_id}).json()

    with ThreadPoolExecutor(BATCH) as threads:
        list(threads.map(call, [f"warm-{place}" for place in range(BATCH)]))
        began = time.process_time()
        for number in range(batches):
            list(threads.map(call, [f"bare-{number}-{place}" for place in range(BATCH)]))
        return time.process_time() - began


def main() -> None:
    """Print the measurements."""
    batches = int(sys.argv[1])
    before_wall, before_cpu = time.perf_counter(), time.process_time()
    app.services()
    ready = (time.perf_counter() - before_wall, time.process_time() - before_cpu)
    resident = _resident()
    _dispatch(1, 0)
    wall, cpu = _dispatch(batches, 1)
    resident_later = _resident()
    bare = _calls_alone(batches)
    messages = batches * BATCH
    values = {
        "import_wall": _IMPORTED[0] * 1000,
        "import_cpu": _IMPORTED[1] * 1000,
        "lookups_wall": ready[0] * 1000,
        "lookups_cpu": ready[1] * 1000,
        "start_wall": (_IMPORTED[0] + ready[0]) * 1000,
        "start_cpu": (_IMPORTED[1] + ready[1]) * 1000,
        "resident": resident,
        "resident_later": resident_later,
        "batch_wall": wall / batches * 1000,
        "message_cpu": cpu / messages * 1000,
        "calls_cpu": bare / messages * 1000,
        "own_cpu": (cpu - bare) / messages * 1000,
        "jobs_per_second": messages / wall,
    }
    print(json.dumps(values))


main()
