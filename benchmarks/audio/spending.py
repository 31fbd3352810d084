"""What the chain costs: CPU, wall, memory and start, beside ffmpeg-normalize on the same file with the same ffmpeg."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tamma_worker import binaries

from benchmarks.audio import noises
from benchmarks.audio.metrics import Row, workspace
from benchmarks.audio.speech import RATE, clips

_CHAIN = [sys.executable, "-m", "tamma_worker", "clean"]
# A process between: Linux counts the memory of the one that starts a command as if it were the command's.
_WATCH = """
import os, subprocess, sys, time
begun, nowhere = time.monotonic(), subprocess.DEVNULL
process = subprocess.Popen(sys.argv[1:], stdout=nowhere, stderr=nowhere)
_, status, own = os.wait4(process.pid, 0)
print(own.ru_utime + own.ru_stime, own.ru_maxrss / 1024, time.monotonic() - begun)
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""
_WITHOUT = ("--set", "denoise_db=0")


def cost(options: argparse.Namespace) -> Iterator[Row]:
    """Measure CPU, wall and memory for a long mono MP3; of ``--runs`` in turns the cheapest of each counts."""
    with workspace() as folder:
        talk = folder / "talk.mp3"
        long_talk(talk, options.minutes, options.seed)
        chain, plain = ([*_CHAIN, str(talk), str(folder / "out"), *changes] for changes in ((), _WITHOUT))
        normalize = [_beside("ffmpeg-normalize"), str(talk), "-o", str(folder / "n.m4a"), "-f"]
        normalize += ["-c:a", "aac", "-t", "-16", "-ar", "48000"]
        runs = [[timed(command) for command in (chain, plain, normalize)] for _ in range(options.runs)]
        ours, without, theirs = (min(run[number] for run in runs) for number in range(3))
        yield Row(f"chain, {options.minutes} min of mono MP3: CPU s", ours[0])
        yield Row("chain without denoiser: CPU s", without[0])
        yield Row("ffmpeg-normalize, loudness only: CPU s", theirs[0])
        yield Row("chain against ffmpeg-normalize, CPU", ours[0] / theirs[0], 0.7, at_least=False)
        yield Row("chain without denoiser against it, CPU", without[0] / theirs[0], 0.35, at_least=False)
        yield Row("chain: peak memory, MB", ours[1], 450.0, at_least=False)
        alone = timed(["/usr/bin/taskset", "-c", "0", *chain])
        yield Row("chain: wall s, all processors", ours[2])
        yield Row("chain: wall on all processors against one", ours[2] / alone[2], 0.6, at_least=False)


def stages(options: argparse.Namespace) -> Iterator[Row]:
    """Say where the wall time of one run goes, in ms per second of sound."""
    with workspace() as folder:
        talk = folder / "talk.mp3"
        long_talk(talk, options.minutes, options.seed)
        timed([*_CHAIN, str(talk), str(folder / "out")])
        report = json.loads((folder / "out/report.json").read_text("utf-8"))
        for name, seconds in report["timings_seconds"].items():
            yield Row(f"{name}: ms of wall per second", seconds * 1000 / (60 * options.minutes))


def memory(options: argparse.Namespace) -> Iterator[Row]:
    """Compare the peak memory for one minute with that for ``--hours``."""
    peaks = []
    for minutes in (1, int(options.hours * 60)):
        with workspace() as folder:
            long_talk(folder / "talk.mp3", minutes, options.seed)
            _, peak, _ = timed([*_CHAIN, str(folder / "talk.mp3"), str(folder / "out")])
            peaks.append(peak)
            yield Row(f"{minutes} min of mono MP3: peak memory, MB", peak, 450.0, at_least=False)
    yield Row("growth of memory, %", 100 * (peaks[1] / peaks[0] - 1), 5.0, at_least=False)


def start(options: argparse.Namespace) -> Iterator[Row]:
    """Measure from the start of the process to the first decoded sample; the quickest of five."""
    script = (
        "import sys, time; from pathlib import Path; from tamma_worker import listen, cli\n"
        "def first(self, data): print(time.time()); sys.exit()\n"
        "listen.Listener.__call__ = first\n"
        "cli.main(['clean', *sys.argv[1:]])\n"
    )
    with workspace() as folder:
        long_talk(folder / "talk.mp3", 1, options.seed)
        taken = []
        for _ in range(5):
            begun = time.time()
            command = [sys.executable, "-c", script, str(folder / "talk.mp3"), str(folder / "out")]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            taken.append(float(done.stdout.split()[-1]) - begun)
    yield Row("start to first decoded sample, s", min(taken), 1.0, at_least=False)


def _beside(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def long_talk(target: Path, minutes: int, seed: int) -> None:
    """Write a mono MP3 of one spoken minute over and over, with a faint hiss."""
    pieces = [np.concatenate([clip.sound, np.zeros(RATE // 2)]) for clip in clips(20, seed + 4)]
    minute = np.resize(np.concatenate(pieces), 60 * RATE) * 0.5
    minute += noises.pink(len(minute), np.random.default_rng(seed)) * 0.001
    command = [binaries.ffmpeg(), "-y", "-v", "error", "-f", "f32le", "-ar", str(RATE), "-ac", "1", "-i", "-"]
    encoder = subprocess.Popen([*command, "-b:a", "128k", str(target)], stdin=subprocess.PIPE)
    assert encoder.stdin is not None  # noqa: S101 (PIPE)
    for _ in range(minutes):
        encoder.stdin.write(minute.astype(np.float32).tobytes())
    encoder.stdin.close()
    encoder.wait()


def timed(command: list[str]) -> tuple[float, float, float]:
    """Run a command; CPU seconds of it and its children, resident size in MB of the largest, wall seconds."""
    environment = {**os.environ, "FFMPEG_PATH": binaries.ffmpeg()}
    done = subprocess.run(
        [sys.executable, "-c", _WATCH, *command], stdout=subprocess.PIPE, env=environment, check=False, text=True
    )
    if done.returncode:
        sys.exit(f"{command[0]} failed")
    used, peak, wall = map(float, done.stdout.split())
    return used, peak, wall
