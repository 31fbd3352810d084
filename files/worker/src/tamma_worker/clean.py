"""Cleans one local file into a folder. The task and the command line both come here; nothing below knows a cloud.

The recording is decoded a few times instead of being kept decoded: an hour of samples is larger than most uploads, a
decode is cheap, and so neither memory nor disk ever holds more than the input and the outputs.
"""

import json
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tamma_worker import __version__, chain, waveform
from tamma_worker.control import Control
from tamma_worker.encode import Final, Source, encode_until_right, final_stage, measured_guess
from tamma_worker.listen import Heard, listen
from tamma_worker.presets import Preset
from tamma_worker.probe import Facts, probe, too_long

AUDIO, WAVEFORM, REPORT = "audio.m4a", "waveform.png", "report.json"
_SHORT_BY = 0.05  # share of the claimed duration that may be missing before the report says so


@dataclass
class Stopwatch:
    """Wall seconds of each step, in order."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Time the body under the name ``step``."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[step] = round(time.monotonic() - start, 3)


def clean(path: Path, folder: Path, preset: Preset, control: Control, watch: Stopwatch | None = None) -> dict[str, Any]:
    """Write ``audio.m4a``, ``waveform.png`` and ``report.json`` into ``folder`` and return the report.

    Raises BadInputError for what cannot be cleaned, TemporaryError when the engine failed, and any reason to stop that
    ``control`` is given.
    """
    watch = watch or Stopwatch()
    with watch("probe"):
        control.advance(0.0, "examining")
        facts = probe(path, preset, control)
    with watch("analyse"):
        before = _hear(path, facts, preset, control)
    plan = chain.plan(facts, before, preset)
    source = Source(path, facts, before.duration_seconds, plan, preset)
    with watch("measure"):
        guess = measured_guess(source, before, control, (0.20, 0.50))
    with watch("encode"):
        after, final, encodings = encode_until_right(source, guess, folder / AUDIO, control, (0.50, 0.95))
    with watch("draw"):
        control.advance(0.95, "drawing")
        waveform.draw(before, after, folder / WAVEFORM)
    with watch("describe"):
        output = probe(folder / AUDIO, preset, control)
    report = _report(source, before, after, final) | {
        "output": output.as_report(after.duration_seconds),
        "encodings": encodings,
        "timings_seconds": watch.seconds,
    }
    (folder / REPORT).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")
    control.advance(1.0, "done")
    return report


def _hear(path: Path, facts: Facts, preset: Preset, control: Control) -> Heard:
    claimed = facts.duration_seconds
    report = control.span(0.02, 0.20, "listening")
    heard = listen(
        path,
        facts.stream,
        facts.channels,
        control=control,
        report=lambda seconds: report(seconds / claimed if claimed else 0.0),
        max_seconds=preset.max_seconds,
    )
    if heard.duration_seconds > preset.max_seconds:
        raise too_long(preset)
    return heard


def _report(source: Source, before: Heard, after: Heard, final: Final) -> dict[str, Any]:
    stages = [*source.plan.stages, *final_stage(final, source.plan)]
    return {
        "input": source.facts.as_report(before.duration_seconds),
        "loudness": {"before": before.loudness.as_report(), "after": after.loudness.as_report()},
        "noise_floor_dbfs": {"before": before.noise_floor_dbfs, "after": after.noise_floor_dbfs},
        "steps": [stage.as_report() for stage in stages],
        "notes": _notes(source, before),
        "preset": source.preset.name,
        "tags": source.facts.tags,
        "versions": {"tamma_worker": __version__, "python": platform.python_version()},
    }


def _notes(source: Source, before: Heard) -> list[str]:
    """Say what a creator should know about the recording, in sentences."""
    notes, facts = [], source.facts
    claimed = facts.duration_seconds
    if claimed and before.duration_seconds < claimed * (1 - _SHORT_BY) - 0.1:
        notes.append(
            f"The file says that it is {claimed:.1f} s long, but only {before.duration_seconds:.1f} s could be read: "
            "it is incomplete or damaged."
        )
    if before.loudness.true_peak_dbtp is None:
        notes.append("The recording is silent.")
    elif before.loudness.integrated_lufs is None:
        notes.append("The recording is too quiet or too short to measure its loudness, so its level was left alone.")
    if facts.audio_streams > 1:
        notes.append(f"The file has {facts.audio_streams} sound tracks; only its main one was used.")
    if facts.pictures and facts.cover is None:
        notes.append("The cover picture could not be kept; a JPEG can.")
    if facts.channels > 2:  # noqa: PLR2004
        notes.append(f"{facts.channels} channels were mixed down to stereo.")
    return notes
