"""`make bench-dispatcher`: how fast the dispatcher starts jobs, and what a start and a message cost it."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tamma_local.layout import REPOSITORY

from benchmarks.converge import report
from benchmarks.converge.stage import embedded_cloud
from benchmarks.dispatcher.cloud import Deployment, Run
from benchmarks.dispatcher.function import live, stub, unpack

_PAGE = REPOSITORY / "docs" / "benchmarks.md"
_BEGIN, _END = "<!-- dispatcher: written by benchmarks/dispatcher/run.py -->", "<!-- end of dispatcher -->"
_PARTS = ("start", "cloud")
_BATCHES = 100
_RUN_TASK = 300  # milliseconds; on AWS a call takes 200 to 500


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the page when asked to."""
    options = _options(arguments)
    text = [report.machine({"Python": sys.version.split()[0]}) + f" Medians of {options.runs}."]
    with tempfile.TemporaryDirectory(prefix="tamma-bench-") as folder:
        if "start" in options.only:
            text += _function(Path(folder), options.runs)
        if "cloud" in options.only:
            text += _cloud(Path(folder) / "cloud", options.runs, options.jobs)
    print("\n\n".join(text))
    if options.write:
        report.write(_PAGE, "\n\n".join(text), _BEGIN, _END)
    return 0


def _function(folder: Path, runs: int) -> list[str]:
    unpack(folder)
    with stub(0) as url:
        plain = _medians([live(folder, "plain", url, 1) for _ in range(runs)])
        deployed = _medians([live(folder, "layer", url, _BATCHES) for _ in range(runs)])
    with stub(_RUN_TASK) as url:
        slow = _medians([live(folder, "layer", url, 10) for _ in range(runs)])
    rows = [
        ("import, CPU ms", "import_cpu", "{:.0f}"),
        ("import, wall ms", "import_wall", "{:.0f}"),
        ("clients and look-ups, CPU ms", "lookups_cpu", "{:.0f}"),
        ("clients and look-ups, wall ms", "lookups_wall", "{:.0f}"),
        ("**both, CPU ms**", "start_cpu", "**{:.0f}**"),
        ("**both, wall ms**", "start_wall", "**{:.0f}**"),
        ("resident after it, MiB", "resident", "{:.0f}"),
    ]
    table = ["| cold start on one core | as deployed | without bytecode in the layer |", "| --- | ---: | ---: |"]
    table += [f"| {title} | {style.format(deployed[key])} | {style.format(plain[key])} |" for title, key, style in rows]
    warm = [
        "| warm, batches of ten message groups | |",
        "| --- | ---: |",
        f"| CPU per message, ms | {deployed['message_cpu']:.2f} |",
        f"| of which its API calls through bare clients, ms | {deployed['calls_cpu']:.2f} |",
        f"| **own CPU per message, ms** | **{deployed['own_cpu']:.2f}** |",
        f"| resident after {_BATCHES} batches, MiB | {deployed['resident_later']:.0f} |",
        f"| one sandbox, RunTask answers at once: jobs/s | {deployed['jobs_per_second']:.0f} |",
        f"| one sandbox, RunTask takes {_RUN_TASK} ms: ms per batch of ten | {slow['batch_wall']:.0f} |",
    ]
    return ["### The function by itself", "\n".join(table), "\n".join(warm)]


def _cloud(folder: Path, runs: int, jobs: int) -> list[str]:
    results: dict[str, list[Run]] = {}
    with embedded_cloud(folder) as cloud, stub(0) as url:
        deployment = Deployment(cloud, folder)
        deployment.set_ecs(url)
        results["queue → mapping → function, ECS is a stub"] = [deployment.from_queue(jobs) for _ in range(runs)]
        results["Lambda's API, four batches at once, ECS is a stub"] = [deployment.invoke(jobs) for _ in range(runs)]
        deployment.set_ecs(None)
        results["queue → mapping → function, the emulator's ECS runs `true`"] = [
            deployment.from_queue(jobs) for _ in range(runs)
        ]
    parts = list(next(iter(results.values()))[0].cpu)
    table = ["| way | jobs/s | " + " | ".join(f"{part}, CPU ms/job" for part in parts) + " |"]
    table += ["| --- |" + " ---: |" * (len(parts) + 1)]
    for way, measured in results.items():
        rate = statistics.median(run.jobs_per_second for run in measured)
        cpu = [f"{statistics.median(run.cpu[part] for run in measured):.1f}" for part in parts]
        table.append(f"| {way} | **{rate:.0f}** | " + " | ".join(cpu) + " |")
    return [f"### On the embedded cloud, {jobs} jobs of as many message groups", "\n".join(table)]


def _medians(samples: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(sample[name] for sample in samples) for name in samples[0]}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dispatcher.run", description=__doc__)
    add = parser.add_argument
    add("--runs", type=int, default=5, help="runs that count, of each measurement (default: 5)")
    add("--jobs", type=int, default=500, help="jobs of one run on the embedded cloud (default: 500)")
    add("--only", type=_parts, default=_PARTS, metavar="PARTS", help="start,cloud, or one of them")
    add("--write", action="store_true", help=f"write the tables into {_PAGE.relative_to(REPOSITORY)} as well")
    return parser.parse_args(arguments)


def _parts(text: str) -> tuple[str, ...]:
    chosen = tuple(text.split(","))
    if unknown := [part for part in chosen if part not in _PARTS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]} is none of {', '.join(_PARTS)}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
