"""Measures this project beside Terraform: `python -m benchmarks.converge.run`; README.md says what and how."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import NoReturn

from tamma_local.aws import python_version
from tamma_local.emulator.contract import PINNED_VERSION
from tamma_local.layout import REPOSITORY, cloud_python

from benchmarks.converge import report
from benchmarks.converge.measure import measure
from benchmarks.converge.recorder import Exchange, Recorder
from benchmarks.converge.sides import PHASES, Phase, Playbook, Replay, Side, Terraform
from benchmarks.converge.stage import BenchmarkError, Inputs, build_inputs, embedded_cloud

_PAGE = REPOSITORY / "docs" / "benchmarks.md"
_LOG_TAIL = 3000  # characters of a failed command's output
_MILLISECONDS = 1000
# Latency in milliseconds, phase, side → the runs that count.
Results = dict[int, dict[str, dict[str, list[report.Sample]]]]


@dataclass
class Trial:
    """A side with a cloud of its own and the proxy between them."""

    side: Side
    recorder: Recorder
    log: Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report; return the exit code."""
    options = _options(arguments)
    # Ends like Ctrl-C does: clouds are stopped, folders are removed.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix="tamma-benchmark-") as folder:
            bench = Bench(options, Path(folder))
            bench.run()
            text = bench.text()
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted: nothing was left running.", file=sys.stderr)
        return 130
    print(text)
    if options.calls:
        print(bench.call_lists())
    if options.write:
        report.write(_PAGE, text)
    return 0


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


class Bench:
    """One whole benchmark."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options, self._folder, self._made = options, folder, 0
        self._phases: list[Phase] = [phase for phase in PHASES if phase in options.only]
        self._results: Results = {latency: {phase: {} for phase in self._phases} for latency in options.latency}
        self._program = options.terraform or shutil.which("terraform")
        inputs = build_inputs(folder / "archives", python_version(cloud_python().parent.parent))
        self._sides: list[Side] = [Playbook(), self._other(inputs)]

    def _other(self, inputs: Inputs) -> Side:
        if self._program:
            return Terraform(self._program, self._options.terraform_plugins, inputs)
        return Replay(self._folder / "recordings")

    def run(self) -> None:
        """Run everything; the first round is the warm-up."""
        with ExitStack() as rest:
            trials: list[Trial] = []
            for latency in self._options.latency:
                warm_up = 0 if trials else 1
                for number in range(self._options.runs + warm_up):
                    fresh = "first" in self._phases or not trials
                    if fresh:
                        rest.close()
                        trials = [self._set_up(side, rest) for side in self._sides]
                    counts = number >= warm_up
                    for phase in PHASES:
                        if phase in self._phases or (phase == "first" and fresh):
                            self._compare(phase, latency if counts else 0, trials, counts=counts)

    def _set_up(self, side: Side, rest: ExitStack) -> Trial:
        """Start an empty cloud and a proxy for a side."""
        self._made += 1
        folder = self._folder / f"{self._made}"
        cloud = rest.enter_context(embedded_cloud(folder / "cloud"))
        recorder = rest.enter_context(Recorder(cloud.aws_endpoint_url))
        side.prepare(folder / "side", cloud, recorder.url)
        return Trial(side, recorder, folder / "log")

    def _compare(self, phase: Phase, latency: int, trials: list[Trial], *, counts: bool) -> None:
        """Run one phase of both sides, one after the other."""
        for trial in trials:
            trial.recorder.latency = latency / _MILLISECONDS
            sample, exchanges = self._measure(phase, trial)
            label = f"{latency} ms" if counts else "warm-up"
            print(
                f"{label:>8}  {report.TITLES[phase]:<16} {trial.side.name:<12} {sample.wall:6.1f} s"
                f"  {sample.cpu:5.1f} CPU s  {sample.reads} reads  {sample.writes} writes",
                file=sys.stderr, flush=True,
            )  # fmt: skip
            if counts and phase in self._phases:
                self._results[latency][phase].setdefault(trial.side.name, []).append(sample)
            other = self._sides[1]
            if not counts and isinstance(other, Replay) and trial.side is self._sides[0]:
                other.learn(phase, exchanges)

    def _measure(self, phase: Phase, trial: Trial) -> tuple[report.Sample, list[Exchange]]:
        command = trial.side.command(phase)
        trial.recorder.take()
        cost = measure(command.argv, cwd=command.cwd, env=command.env, log=trial.log)
        exchanges = trial.recorder.take()
        if cost.exit_code:
            tail = trial.log.read_text(errors="replace")[-_LOG_TAIL:]
            raise BenchmarkError(f"{tail}\n{trial.side.name}: {report.TITLES[phase]} ended with {cost.exit_code}.")
        calls = tuple(exchange.call for exchange in exchanges)
        return report.Sample(cost.wall, cost.cpu, cost.peak_memory, calls), exchanges

    def text(self) -> str:
        """Return the results as Markdown."""
        how = f"Medians of {self._options.runs} after an uncounted warm-up; the functions' archives were built before."
        parts = [f"{report.machine(self._versions())} {how}"]
        if not self._program:
            parts.append(
                "Terraform is not installed here: a script that repeats this project's calls with boto3, one by one, "
                "stands in its place."
            )
        for latency, rows in self._results.items():
            parts += [f"### {latency} ms of added latency per API call" if latency else "### No added latency"]
            parts += [report.table(rows)]
        return "\n\n".join([*parts, *self._complaints()])

    def _complaints(self) -> list[str]:
        """Say which converged stacks were written to: their numbers are not those of a silent run."""
        return [
            f"Not silent: {side} wrote in a {report.TITLES[phase]}, for example in the last run "
            f"{report.operations(samples[-1].calls, reads=False)}."
            for rows in self._results.values()
            for phase, sides in rows.items()
            for side, samples in sides.items()
            if phase != "first" and any(sample.writes for sample in samples)
        ]

    def call_lists(self) -> str:
        """Return which calls the last run of each phase made."""
        rows = next(iter(self._results.values()))
        return "\n".join(
            f"\n{report.TITLES[phase]}, {side}\n  reads: {report.operations(samples[-1].calls, reads=True)}"
            f"\n  writes: {report.operations(samples[-1].calls, reads=False)}"
            for phase, sides in rows.items()
            for side, samples in sides.items()
        )

    def _versions(self) -> dict[str, str]:
        versions = {"Python": sys.version.split()[0], "ansible-core": metadata.version("ansible-core")}
        versions |= {"boto3": metadata.version("boto3"), "ministack": PINNED_VERSION}
        if self._program:
            said = subprocess.run(
                [self._program, "version", "-json"], cwd=self._folder, capture_output=True, check=True
            ).stdout
            stack = (Path(__file__).parent / "terraform" / "main.tf").read_text(encoding="utf-8")
            provider = stack.partition('source  = "hashicorp/aws"')[2].split('"')[1]
            versions |= {"Terraform": json.loads(said)["terraform_version"], "AWS provider": provider}
        return versions


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.converge.run", description=__doc__)
    add = parser.add_argument
    add("--runs", type=_positive, default=5, help="runs that count, of each phase (default: 5)")
    add("--only", type=_phases, default=PHASES, metavar="PHASES", help="first,silent,preview, or some of them")
    add("--latency", type=_latencies, default=(0, 80), metavar="MS", help="added to each call (default: 0,80)")
    add("--terraform", type=_program, metavar="PATH", help="default: the one on PATH, if there is one")
    add("--terraform-plugins", type=Path, metavar="FOLDER", help="a mirror of providers; default: Terraform's own ways")
    add("--calls", action="store_true", help="list the operations that were called as well")
    add("--write", action="store_true", help=f"write the table into {_PAGE.relative_to(REPOSITORY)} as well")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _phases(text: str) -> tuple[str, ...]:
    chosen = tuple(text.split(","))
    if unknown := [phase for phase in chosen if phase not in PHASES]:
        raise argparse.ArgumentTypeError(f"{unknown[0]} is none of {', '.join(PHASES)}")
    return chosen


def _latencies(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(int(part) for part in text.split(",")))


def _program(text: str) -> str:
    if not (found := shutil.which(text)):
        raise argparse.ArgumentTypeError(f"there is no program {text}")
    return found


if __name__ == "__main__":
    sys.exit(main())
