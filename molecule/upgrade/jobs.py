"""Jobs through the running embedded cloud: `jobs.py send COUNT`, and `jobs.py wait` says how all of them ended."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tamma_demo.front_end import FrontEnd, new_job_id
from tamma_demo.stages import ROOT
from tamma_local.cloud import running_cloud
from tamma_local.layout import Layout

_RECORDING = ROOT / "files/demo/speech-by-a-fire.m4a"


def main() -> int:
    """Do what is asked for, and return the exit status."""
    layout = Layout.from_environment()
    cloud = running_cloud(layout)
    if cloud is None:
        print("No embedded cloud is running: start one with `molecule create`.", file=sys.stderr)
        return 1
    settings = json.loads(layout.presign_key_file.read_text(encoding="utf-8"))
    front_end = FrontEnd(settings, cloud.supabase_url, cloud.supabase_service_key, cloud.aws_endpoint_url)
    sent = layout.state / "sent_jobs.txt"
    match sys.argv[1:]:
        case ["send", count]:
            with sent.open("a", encoding="utf-8") as file:
                print(*(_send(front_end) for _ in range(int(count))), sep="\n", file=file)
            return 0
        case ["wait"]:
            return _wait(front_end, sent.read_text(encoding="utf-8").split())
    print(f"Usage: {Path(sys.argv[0]).name} send COUNT | wait", file=sys.stderr)
    return 2


def _send(front_end: FrontEnd) -> str:
    job_id = new_job_id()
    front_end.submit(job_id, front_end.upload(_RECORDING, job_id, lambda _count: None))
    return job_id


def _wait(front_end: FrontEnd, job_ids: list[str]) -> int:
    """Follow every job to its end; 0 when each succeeded, with results, in its first attempt."""
    wrong, results = 0, Path(os.environ["TAMMA_LOCAL_DIR"], "results")
    for job_id in job_ids:
        *_, job = front_end.follow(job_id)
        published = front_end.download(job_id, results / job_id) if job.status == "succeeded" else {}
        print(f"{job_id}: {job.status} in attempt {job.attempt}, {len(published)} files")
        wrong += job.attempt != 1 or not published
    print(f"{len(job_ids)} jobs, {wrong} not as they should be.")
    return 1 if wrong or not job_ids else 0


if __name__ == "__main__":
    sys.exit(main())
