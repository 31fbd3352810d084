"""The table, and what it was measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from tests.faults.options import Options
from tests.faults.run import Result

_HEADS = ("fault", "jobs", "lost", "duplicate effects", "tasks per job", "requeued (max)", "bound", "verdict")
_SHOWN = 10  # sentences per scenario: the first ones tell what is wrong, the rest repeats it


def heading(options: Options) -> str:
    """Return what the numbers depend on."""
    lines = [
        f"seed {options.seed}, {options.jobs} jobs per fault",
        f"time factor {options.scale:g} on every timer: a lease of 120 s lasts {options.seconds(120):g} s",
        f"{os.cpu_count()} cores ({_processor()}), {platform.system()}, Python {platform.python_version()}",
    ]
    if options.small:
        lines.append("small version: outages last a fifth of the contract's minutes")
    return "\n".join(lines)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def table(results: list[Result], options: Options) -> str:
    """Return the table in Markdown, and below it every bound that was broken."""
    rows = [_HEADS, *(_cells(result, options) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    rows.insert(1, tuple("-" * width for width in widths))
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    lines = [f"| {' | '.join(cells)} |" for cells in padded]
    for result in results:
        lines += [f"{result.scenario.name}: {remark}" for remark in result.remarks]
    for result in results:
        sentences = [f"{job_id} was lost" for job_id in result.lost] + result.duplicates + result.broken
        lines += [f"BROKEN {result.scenario.name}: {sentence}" for sentence in sentences[:_SHOWN]]
        if len(sentences) > _SHOWN:
            lines.append(f"BROKEN {result.scenario.name}: … and {len(sentences) - _SHOWN} more")
    return "\n".join(lines)


def _cells(result: Result, options: Options) -> tuple[str, ...]:
    kind = result.scenario
    limit, bound = kind.requeue_limit(options), kind.bound
    if limit is not None:
        bound += f" (here {limit:g} s)"
    return (
        f"{kind.name}: {kind.fault}", str(result.jobs), str(len(result.lost)), str(len(result.duplicates)),
        f"{result.tasks_per_job:.2f}", "-" if result.requeue is None else f"{result.requeue:.1f} s", bound,
        "held" if result.held else "BROKEN",
    )  # fmt: skip
