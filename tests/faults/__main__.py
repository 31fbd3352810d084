"""`python -m tests.faults [--small] [--seed 7] [--jobs 200] [--only spot,lambda_dies] [--scale 0.1] [--keep 1]`."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.faults import options, report, stack
from tests.faults.run import Result, run
from tests.faults.scenario import Scenario
from tests.faults.scenarios import SCENARIOS
from tests.faults.world import World


def main(arguments: list[str]) -> int:
    """Run the scenarios, print the table, and return 1 when a bound was broken and 2 when the run made no sense."""
    try:
        asked = options.read(arguments, list(SCENARIOS), [name for name, kind in SCENARIOS.items() if kind.extra])
    except options.OptionsError as error:
        print(error, file=sys.stderr)
        return 2
    # A run that is told to end takes its cloud away, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    print(report.heading(asked), flush=True)
    results: list[Result] = []
    try:
        with stack.running(asked) as cloud, World(cloud, asked) as world:
            for group in _groups(asked):
                print(f"{time.strftime('%H:%M:%S')} {', '.join(kind.name for kind in group)} ...", flush=True)
                for result in _run(group, world, asked):
                    results.append(result)
                    said = "held" if result.held else "BROKEN"
                    print(f"  {result.scenario.name}: {said} after {result.seconds:.0f} s", flush=True)
    except stack.StackError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        # What was measured before an interruption is not lost either.
        results.sort(key=lambda result: list(SCENARIOS).index(result.scenario.name))
        print(f"\n{report.heading(asked)}\n\n{report.table(results, asked)}" if results else "Nothing was measured.")
    return 0 if all(result.held for result in results) else 1


def _run(group: list[type[Scenario]], world: World, asked: options.Options) -> Iterator[Result]:
    """Yield the results of scenarios that run at the same time; one by itself can be interrupted at once."""
    if len(group) == 1:
        yield run(group[0], world, asked)
        return
    with ThreadPoolExecutor(len(group)) as together:
        yield from together.map(lambda kind: run(kind, world, asked), group)


def _groups(asked: options.Options) -> list[list[type[Scenario]]]:
    """Return what runs at the same time: each by itself, but in a small run those together that allow it."""
    kinds = [SCENARIOS[name] for name in asked.only]
    together = [kind for kind in kinds if asked.small and not kind.solo]
    return [*([together] if together else []), *([kind] for kind in kinds if kind not in together)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
