"""Medians, the table, and the machine that they were measured on."""

from __future__ import annotations

import platform
import re
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.converge.calls import Call, tally

BEGIN = "<!-- results: written by benchmarks/converge/run.py -->"
END = "<!-- end of results -->"
TITLES = {"first": "first converge", "silent": "silent converge", "preview": "silent preview"}


@dataclass(frozen=True)
class Sample:
    """One run: seconds, MiB, and the calls that came by."""

    wall: float
    cpu: float
    peak_memory: float | None
    calls: tuple[Call, ...]

    @property
    def reads(self) -> int:
        return sum(call.reads for call in self.calls)

    @property
    def writes(self) -> int:
        return len(self.calls) - self.reads


# What is measured, in the order of the columns, with how it is written.
_COLUMNS: dict[str, tuple[Callable[[Sample], float | None], str]] = {
    "wall s": (lambda sample: sample.wall, "{:.1f}"),
    "CPU s": (lambda sample: sample.cpu, "{:.1f}"),
    "peak MiB": (lambda sample: sample.peak_memory, "{:.0f}"),
    "reads": (lambda sample: sample.reads, "{:.0f}"),
    "writes": (lambda sample: sample.writes, "{:.0f}"),
}


def medians(samples: Sequence[Sample]) -> dict[str, float | None]:
    """Return the median of each column; None where one of the runs could not be measured."""
    found: dict[str, float | None] = {}
    for title, (value, _) in _COLUMNS.items():
        values = [value(sample) for sample in samples]
        known = [number for number in values if number is not None]
        found[title] = statistics.median(known) if known and len(known) == len(values) else None
    return found


def table(rows: Mapping[str, Mapping[str, Sequence[Sample]]]) -> str:
    """Return a Markdown table: phase, then side, to samples. After the two sides of a phase stands first ÷ second."""
    lines = ["|".join(["", " phase ", " ", *(f" {title} " for title in _COLUMNS), ""])]
    lines.append("|" + " --- |" * 2 + " ---: |" * len(_COLUMNS))
    for phase, sides in rows.items():
        found = {side: medians(samples) for side, samples in sides.items()}
        for number, (side, values) in enumerate(found.items()):
            cells = [_text(values[title], pattern) for title, (_, pattern) in _COLUMNS.items()]
            lines.append(_row([TITLES[phase] if number == 0 else "", side, *cells]))
        ours, theirs = found.values()
        ratios = [_ratio(ours[title], theirs[title]) for title in _COLUMNS]
        lines.append(_row(["", "**ratio**", *ratios]))
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(value: float | None, pattern: str) -> str:
    return "?" if value is None else pattern.format(value)


def _ratio(ours: float | None, theirs: float | None) -> str:
    return f"**{ours / theirs:.2f}**" if ours is not None and theirs else ""


def operations(calls: Sequence[Call], *, reads: bool) -> str:
    """Return the operations that were called, the most frequent first."""
    found: Counter[str] = tally(call for call in calls if call.reads is reads)
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {name}" for name, count in ordered) or "none"


def machine(versions: Mapping[str, str]) -> str:
    """Return one sentence: when, on what and with which versions it was measured."""
    cores, today = len(_processors()) or "?", f"{datetime.now(UTC):%Y-%m-%d}"
    model = next(iter(_processors()), platform.machine())
    tools = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"Measured on {today} with {cores} cores of {model}, {_system()}; {tools}."


def _processors() -> list[str]:
    """Return the name of each core's processor, as far as the system tells."""
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    count = len(re.findall(r"^processor\s*:", text, re.MULTILINE))
    names = re.findall(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return names or [platform.machine()] * count


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.platform(terse=True)


def write(page: Path, text: str, begin: str = BEGIN, end: str = END) -> None:
    """Put a text between the page's markers."""
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, ends, after = rest.partition(end)
    if not (found and ends):
        raise ValueError(f"{page} has no place for the results: put back {begin} and {end}")
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")
