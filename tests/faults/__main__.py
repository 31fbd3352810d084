"""`python -m tests.faults [--small] [--seed 7] [--jobs 200] [--only spot,lambda_dies] [--scale 0.1] [--keep 1]`."""

from __future__ import annotations

import signal
import sys
import time

from tests.faults import options, report, stack
from tests.faults.run import Result, run
from tests.faults.scenarios import SCENARIOS
from tests.faults.world import World


def main(arguments: list[str]) -> int:
    """Run the scenarios, print the table, and return 1 when a bound was broken and 2 when the run made no sense."""
    try:
        asked = options.read(arguments, list(SCENARIOS))
    except options.OptionsError as error:
        print(error, file=sys.stderr)
        return 2
    # A run that is told to end takes its cloud away, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    print(report.heading(asked), flush=True)
    results: list[Result] = []
    try:
        with stack.running(asked) as cloud, World(cloud, asked) as world:
            for name in asked.only:
                print(f"{time.strftime('%H:%M:%S')} {name}: {SCENARIOS[name].fault} ...", flush=True)
                results.append(run(SCENARIOS[name], world, asked))
                print(f"  {'held' if results[-1].held else 'BROKEN'} after {results[-1].seconds:.0f} s", flush=True)
    except stack.StackError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        # What was measured before an interruption is not lost either.
        print(f"\n{report.heading(asked)}\n\n{report.table(results, asked)}" if results else "Nothing was measured.")
    return 0 if all(result.held for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
