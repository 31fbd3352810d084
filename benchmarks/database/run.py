"""Measures the functions of the jobs table at two sizes: `python -m benchmarks.database.run`; README.md says how."""

from __future__ import annotations

import argparse
import re
import statistics
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack

import psycopg
from tamma_local.layout import REPOSITORY

from benchmarks.converge.report import machine, write
from benchmarks.database import heartbeats
from benchmarks.database.operations import Connection, latencies, operations
from benchmarks.database.plans import CALLS, Explainer
from benchmarks.database.stage import IN_FLIGHT, Stage, stage

_SMALL = 10_000
_BENCHMARKS = REPOSITORY / "docs" / "benchmarks.md"
_PLANS = REPOSITORY / "docs" / "database.md"
_MARKERS = ("<!-- database: written by benchmarks/database/run.py -->", "<!-- end of database -->")
Latencies = dict[str, list[float]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Load, measure, print; with ``--write`` also into the documentation."""
    options = _options(arguments)
    with ExitStack() as stages:
        sizes = [stages.enter_context(stage(rows)) for rows in (_SMALL, options.rows)]
        for loaded in sizes:
            print(_loaded(loaded), flush=True)
        plans = [_explain(loaded) for loaded in sizes]
        # In turns, so that what else the machine does harms both alike. The first round fills the caches.
        rounds = [[_round(loaded, options.calls) for loaded in sizes] for _ in range(options.rounds + 1)][1:]
        beats = _heartbeats(sizes[1])
        version = _version(sizes[1])
    small, large = (_together(measured) for measured in zip(*rounds, strict=True))
    results = "\n\n".join(
        [
            machine({"PostgreSQL": version, "psycopg": psycopg.__version__}),
            _how(options),
            *(_loaded(loaded) for loaded in sizes),
            _table(small, large, options.rows),
            _beats(beats),
        ]
    )
    described = "\n\n".join(_plan(name, plans[1][name], same=plans[0][name]) for name in plans[1])
    print(f"{results}\n\n{described}")
    if options.write:
        write(_BENCHMARKS, results, *_MARKERS)
        write(_PLANS, described, *_MARKERS)


def _how(options: argparse.Namespace) -> str:
    return (
        f"`make bench-database ROWS={options.rows}`: {options.rounds} rounds of {options.calls} calls, "
        "both sizes in turns after an uncounted round."
    )


def _round(loaded: Stage, calls: int) -> Latencies:
    with _connect(loaded) as admin, _connect(loaded) as connection:
        return {operation.name: latencies(connection, operation) for operation in operations(admin, calls)}


def _explain(loaded: Stage) -> dict[str, str]:
    explainer = Explainer(loaded.uri)
    with _connect(loaded) as admin, explainer.connection:
        return {operation.name: explainer.explain(operation) for operation in operations(admin, CALLS)}


def _heartbeats(loaded: Stage) -> dict[str, heartbeats.Heartbeats]:
    with _connect(loaded) as admin, _connect(loaded) as service:
        return heartbeats.compare(admin, service)


def _connect(loaded: Stage) -> Connection:
    return psycopg.connect(loaded.uri, autocommit=True)


def _version(loaded: Stage) -> str:
    with _connect(loaded) as connection:
        return connection.info.parameter_status("server_version") or "of an unknown version"


def _together(rounds: Sequence[Latencies]) -> Latencies:
    together: Latencies = defaultdict(list)
    for measured in rounds:
        for name, values in measured.items():
            together[name] += values
    return together


def _loaded(loaded: Stage) -> str:
    return (
        f"{loaded.rows:,} rows, {IN_FLIGHT:,} of them in flight ({loaded.size} with history and indexes): "
        f"loaded in {loaded.loading:.0f} s; later migrations applied to it in {loaded.upgrading:.1f} s."
    )


def _table(small: Latencies, large: Latencies, rows: int) -> str:
    lines = [
        f"| call | median, {_SMALL:,} rows | p95 | median, {rows:,} rows | p95 | ratio of medians |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in large:
        numbers = [number for side in (small, large) for number in (statistics.median(side[name]), _p95(side[name]))]
        cells = " | ".join(f"{number:.2f} ms" for number in numbers)
        lines.append(f"| {name} | {cells} | **{numbers[2] / numbers[0]:.2f}** |")
    return "\n".join(lines)


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def _beats(found: dict[str, heartbeats.Heartbeats]) -> str:
    lines = ["| heartbeats | touch no index (HOT) | log per heartbeat | median |", "| --- | ---: | ---: | ---: |"]
    lines += [
        f"| {name} | {beats.hot:.1f} % | {beats.log_bytes:.0f} bytes | {beats.latency:.2f} ms |"
        for name, beats in found.items()
    ]
    return "\n".join(lines)


def _plan(name: str, plan: str, *, same: str) -> str:
    text = f"**{name}**\n\n```\n{plan}\n```"
    # Whether the small table gets the same plan: the nodes, not how many pages they found.
    if _nodes(plan) != _nodes(same):
        text += f"\n\nAt {_SMALL:,} rows:\n\n```\n{same}\n```"
    return text


def _nodes(plan: str) -> list[str]:
    return [line.partition(" (rows=")[0] for line in plan.splitlines() if not re.search("Buffers|Cond|Fetches", line)]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.database.run", description=__doc__)
    parser.add_argument("--rows", type=_rows, default=10_000_000, help="jobs in the larger table (default: 10000000)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count (default: 5)")
    parser.add_argument("--calls", type=int, default=60, help="calls of each function and round (default: 60)")
    parser.add_argument("--write", action="store_true", help="write the results into docs/ as well")
    return parser.parse_args(arguments)


def _rows(text: str) -> int:
    if (number := int(text)) < _SMALL:
        raise argparse.ArgumentTypeError(f"at least {_SMALL}")
    return number


if __name__ == "__main__":
    main()
