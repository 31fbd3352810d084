"""`python -m tamma_demo [--file talk.wav]`: the whole system, from nothing to a cleaned recording."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from botocore.exceptions import BotoCoreError, ClientError
from postgrest.exceptions import APIError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn
from rich.table import Table

from tamma_demo.front_end import DemoError, FrontEnd, Job, new_job_id
from tamma_demo.stages import ROOT, STAGES, run

_DEMO_RECORDING = ROOT / "files/demo/speech-by-a-fire.m4a"
_FAILED = 1
_INTERRUPTED = 130  # the shell's convention for SIGINT


class Demo:
    """One run of the demo; `timings` collects the seconds that each step took."""

    def __init__(self, recording: Path, output: Path) -> None:
        """Take the recording to clean and the folder for results."""
        self.recording = recording
        self.output = output
        self.console = Console()
        self.timings: list[tuple[str, float]] = []

    def run(self) -> bool:
        """Bring everything up, clean the recording, show the result; False when the job failed."""
        self._bring_up()
        cloud = json.loads((state_dir() / "cloud.json").read_text(encoding="utf-8"))
        settings = json.loads((state_dir() / "presign_key.json").read_text(encoding="utf-8"))
        front_end = FrontEnd(settings, cloud["supabase_url"], cloud["supabase_service_key"], cloud["aws_endpoint_url"])
        job_id = new_job_id()
        self._send(front_end, job_id)
        job = self._follow(front_end, job_id)
        if job.status == "failed":
            self.console.print(f"\n[bold red]The recording was not cleaned:[/] {escape(str(job.error_message))}")
            self._show_timings()
            return False
        files = self._timed(
            "Download the result (presigned GET)", lambda: front_end.download(job_id, self.output / job_id)
        )
        self._show(files)
        return True

    def _bring_up(self) -> None:
        logs = state_dir() / "demo-logs"
        logs.mkdir(parents=True, exist_ok=True)
        for stage in STAGES:
            with self.console.status(f"{stage.title} ..."):
                self._timed(stage.title, partial(run, stage, logs))

    def _send(self, front_end: FrontEnd, job_id: str) -> None:
        size = self.recording.stat().st_size
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        with Progress(*columns, console=self.console, transient=True) as bar:
            task = bar.add_task(f"Upload {escape(self.recording.name)}", total=size)
            key = self._timed(
                "Upload the recording (presigned PUT)",
                lambda: front_end.upload(self.recording, job_id, lambda count: bar.advance(task, count)),
            )
        self._timed("Insert the row and send the message", lambda: front_end.submit(job_id, key))

    def _follow(self, front_end: FrontEnd, job_id: str) -> Job:
        columns = (SpinnerColumn(), TextColumn("Job {task.description}"), BarColumn(), TaskProgressColumn())
        begin = time.monotonic()
        with Progress(*columns, console=self.console, transient=True) as bar:
            task = bar.add_task("queued", total=1.0)
            for job in front_end.follow(job_id):
                bar.update(task, description=job.status, completed=job.progress)
        self._note("Clean it (queue, function, task)", time.monotonic() - begin)
        return job

    def _timed[Result](self, title: str, step: Callable[[], Result]) -> Result:
        begin = time.monotonic()
        result = step()
        self._note(title, time.monotonic() - begin)
        return result

    def _note(self, title: str, seconds: float) -> None:
        self.timings.append((title, seconds))
        self.console.print(f"[green]✓[/] {title} [dim]{seconds:.1f} s[/]")

    def _show(self, files: dict[str, Path]) -> None:
        report = json.loads(files["report"].read_text(encoding="utf-8"))
        table = Table(title="Loudness", title_justify="left", show_edge=False)
        for column in ("", "before", "after"):
            table.add_column(column, justify="left" if not column else "right")
        before, after = report["loudness"]["before"], report["loudness"]["after"]
        for title, name, unit in (
            ("Integrated", "integrated_lufs", "LUFS"),
            ("Range", "range_lu", "LU"),
            ("True peak", "true_peak_dbtp", "dBTP"),
        ):
            table.add_row(title, _figure(before, name, unit), _figure(after, name, unit))
        self.console.print()
        self.console.print(table)
        self._show_timings()
        self.console.print("\n[bold]Listen and look[/]")
        results = {name.replace("_", " ").capitalize(): path for name, path in files.items()}
        for title, path in {"Original": self.recording, **results}.items():
            self.console.print(f"  {title:<13}{path}", soft_wrap=True, highlight=False, markup=False)
        self.console.print(
            "\nThe embedded cloud is still running: `make status` shows it, `make env` points your AWS and Supabase "
            "tools at it,\n`make demo FILE=talk.wav` cleans your own recording, `make down` stops it."
        )

    def _show_timings(self) -> None:
        table = Table(title="Time", title_justify="left", show_edge=False, show_header=False)
        table.add_column()
        table.add_column(justify="right")
        for title, seconds in self.timings:
            table.add_row(title, f"{seconds:.1f} s")
        self.console.print()
        self.console.print(table)


def _figure(loudness: dict[str, Any], name: str, unit: str) -> str:
    value = loudness.get(name)
    return "-" if value is None else f"{value:.1f} {unit}"


def state_dir() -> Path:
    """Return the folder that holds the embedded cloud's state."""
    return Path(os.environ.get("TAMMA_LOCAL_DIR", ROOT / ".local"))


def main() -> int:
    """Parse the command line and run the demo; every failure is a sentence."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--file", type=Path, default=_DEMO_RECORDING, help="recording to clean")
    parser.add_argument("--output", type=Path, default=ROOT / "demo-output", help="folder for results")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    if not arguments.file.is_file():
        console.print(
            f"{arguments.file} is not a file: name a recording with FILE=path/to/recording.",
            markup=False,
            soft_wrap=True,
        )
        return _FAILED
    try:
        return 0 if Demo(arguments.file, arguments.output).run() else _FAILED
    except DemoError as error:
        console.print(f"\n[red]{escape(str(error))}[/]", highlight=False)
    except (BotoCoreError, ClientError, APIError, httpx.HTTPError) as error:
        sentence = f"The embedded cloud answered with an error: {error}. See `make logs`."
        console.print(f"\n[red]{escape(sentence)}[/]", highlight=False)
    except KeyboardInterrupt:
        console.print("\nInterrupted. What runs goes on; `make down` stops it.")
        return _INTERRUPTED
    return _FAILED


if __name__ == "__main__":
    sys.exit(main())
