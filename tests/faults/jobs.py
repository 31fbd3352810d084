"""The jobs of a scenario: each with a recording of its own and every random choice from (seed, scenario, number)."""

from __future__ import annotations

import random
import struct
import wave
from dataclasses import dataclass, field
from pathlib import Path

_RATE, _SECONDS = 8000, 0.2


@dataclass
class Job:
    """One job as the front end sends it. `expected` is the terminal state that is right for it.

    `notes` is the scenario's own: what it has planned for this job.
    """

    number: int
    job_id: str
    seed: str
    expected: str = "succeeded"
    s3_key: str = ""
    notes: dict[str, object] = field(default_factory=dict)

    def random(self, purpose: str) -> random.Random:
        """Return a source of random numbers that gives the same ones in every run with the same seed."""
        return random.Random(f"{self.seed}:{self.number}:{purpose}")  # noqa: S311 - a plan, not a secret

    def recording(self, folder: Path) -> Path:
        """Write a fifth of a second of sound that no other job has."""
        path = folder / f"{self.job_id}.wav"
        noise = self.random("sound")
        samples = [noise.randint(-8000, 8000) for _ in range(int(_RATE * _SECONDS))]
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, _RATE, 0, "NONE", "not compressed"))
            file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
        return path


def make_jobs(scenario: str, seed: int, count: int) -> list[Job]:
    """Return the jobs of one row, in the order in which they are sent."""
    return [
        Job(number, f"{scenario.replace('_', '-')}-{seed}-{number:04}", f"{seed}:{scenario}") for number in range(count)
    ]


def chosen(jobs: list[Job], share: float, purpose: str) -> list[Job]:
    """Return the given share of the jobs, at least one: always the same ones for a seed."""
    ranked = sorted(jobs, key=lambda job: job.random(purpose).random())
    return sorted(ranked[: max(1, round(len(jobs) * share))], key=lambda job: job.number)
