"""Where stretches that are processed side by side meet, against an uninterrupted run."""

import argparse
from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from tamma_worker import process
from tamma_worker.chain import Plan
from tamma_worker.control import Control
from tamma_worker.meter import FRAME
from tamma_worker.store import Store

from benchmarks.audio import noises
from benchmarks.audio.metrics import Row, workspace
from benchmarks.audio.speech import RATE, Floats, clips

_SECONDS = 160  # the second half begins well after the first


def seams(options: argparse.Namespace) -> Iterator[Row]:
    """Give the largest difference per 100 ms, and the largest step in level where they meet, clean and in noise."""
    pieces = [np.concatenate([clip.sound, np.zeros(RATE // 2)]) for clip in clips(20, options.seed + 5)]
    speech = np.resize(np.concatenate(pieces), _SECONDS * RATE) * 0.3
    dice = np.random.default_rng(options.seed)
    for name in ("none", "babble", "pink"):
        sound = speech if name == "none" else noises.mixed(speech, noises.KINDS[name](len(speech), dice), 5.0)
        whole, halves = (_processed(sound, stretches) for stretches in (1, 2))
        level, error = (np.sqrt(np.square(part).mean(1)) for part in (whole, whole - halves))
        loud = np.maximum(level, level.mean())  # pauses are judged by what is around them
        steps = 20 * np.log10(np.sqrt(np.square(halves).mean(1) + loud**2 / 100) / np.sqrt(level**2 + loud**2 / 100))
        meeting = slice(len(steps) // 2 - 10, len(steps) // 2 + 10)  # a second on either side
        worst = float(20 * np.log10((error / loud).max() + 1e-9))
        yield Row(f"seams, noise {name}: largest difference, dB", worst, -42.0, at_least=False)
        step = float(np.abs(steps[meeting]).max())
        yield Row(f"seams, noise {name}: largest step, dB", step, 0.1, at_least=False)


def _processed(sound: Floats, stretches: int) -> npt.NDArray[np.float32]:
    """Process as so many stretches; shape (records, samples)."""
    plan = Plan(((1.0,),), 0.0, 70.0, None, 60.0, 6.0)
    short = len(sound) // FRAME // stretches
    with (
        workspace() as folder,
        Store(folder / "in", 1) as source,
        Store(folder / "out", 1) as target,
        patch.object(process, "_MOST_LANES", stretches),
        patch.object(process, "_SHORTEST", short),
    ):
        source.write(0, sound.astype(np.float32)[:, None])
        process.process(process.Processed(target, source, plan, len(sound)), Control(), lambda _: None)
        return target.read(0, target.records).reshape(-1, FRAME)
