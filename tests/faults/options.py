"""What a run is asked for, checked in words."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass

# The contract's number of jobs per row, and what `make test` can afford on two busy cores.
FULL_JOBS, SMALL_JOBS = 1000, 10
_LEAST_JOBS = 10  # with fewer, a tenth of them is none
# One tenth: a lease of 120 s becomes 12 s, and Supabase still has a second for an answer.
SCALE = 0.1


class OptionsError(Exception):
    """An option that makes no sense; the message says what does."""


@dataclass(frozen=True)
class Options:
    """One run: `scale` is the factor on every timer, `small` shortens the faults' own durations as well."""

    seed: int
    jobs: int
    only: tuple[str, ...]
    scale: float
    small: bool
    keep: bool

    def minutes(self, real: float) -> float:
        """Return the seconds that a fault of so many minutes lasts here; a small run cuts it to a fifth."""
        return real * 60 * self.scale * (0.2 if self.small else 1)

    def seconds(self, real: float) -> float:
        """Return what a timer of the system, in seconds, is here."""
        return real * self.scale


def read(arguments: Sequence[str], names: Sequence[str], extra: Sequence[str] = ()) -> Options:
    """Read the command line. Raises OptionsError; empty values count as not given, since `make` passes all of them.

    `extra` are the names that a small run leaves out unless they are asked for.
    """
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__, exit_on_error=False)
    for name in ("seed", "jobs", "only", "scale", "keep"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--small", action="store_true", help="the version inside make test")
    try:
        given, unknown = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise OptionsError(f"{error}.") from None
    if unknown:
        raise OptionsError(f"{' '.join(unknown)}: choose from SEED, JOBS, ONLY, SCALE and KEEP.")
    jobs = _whole("JOBS", given.jobs or str(SMALL_JOBS if given.small else FULL_JOBS), least=_LEAST_JOBS)
    return Options(
        seed=_whole("SEED", given.seed or "1", least=0),
        jobs=jobs,
        only=_names(given.only, names, extra if given.small else ()),
        scale=_scale(given.scale or str(SCALE)),
        small=given.small,
        keep=given.keep not in {"", "0"},
    )


def _whole(name: str, text: str, *, least: int) -> int:
    if not (text.isascii() and text.isdigit() and least <= int(text) <= 1_000_000):
        raise OptionsError(f"{name} is {text!r}, and must be a whole number from {least} to 1000000.")
    return int(text)


def _scale(text: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    # Below a twentieth a lease is shorter than the start of a task on a busy machine: nothing would be proven.
    if not 0.05 <= scale <= 1:
        raise OptionsError(f"SCALE is {text!r}, and must be a number from 0.05 to 1.")
    return scale


def _names(text: str, names: Sequence[str], extra: Sequence[str]) -> tuple[str, ...]:
    wanted = [part.strip() for part in text.split(",") if part.strip()]
    if unknown := [name for name in wanted if name not in names]:
        raise OptionsError(f"ONLY names no such fault: {', '.join(unknown)}. Choose from {', '.join(names)}.")
    return tuple(name for name in names if name in (wanted or set(names) - set(extra)))
