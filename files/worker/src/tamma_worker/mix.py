"""The light pass: from the store to finished samples — undenoised stretches, levelling, gain, limiter — at any place.

Each stretch is made from the store alone, so stretches can be made in any order and side by side.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tamma_worker import level
from tamma_worker.chain import Plan
from tamma_worker.content import Content, content_of
from tamma_worker.limit import CONTEXT, between, limited
from tamma_worker.meter import FRAME, Meter, integrated
from tamma_worker.presets import Preset
from tamma_worker.process import Processed, processors
from tamma_worker.stft import RATE, Samples
from tamma_worker.trim import Cuts, pauses

HEADROOM_DB = 1.0  # AAC and MP3 overshoot a limiter's ceiling; so most results need no second encoding
_MUSIC_HEADROOM_DB = 0.3  # music is limited as little as possible; if an encoder overshoots, it is encoded once more
_STRETCH = 60  # records of 100 ms that are made at once
_MOST_GUESSES, _SETTLED_DB = 6, 0.05  # of the gain: more gain makes the limiter take more
_AROUND = CONTEXT // FRAME  # records on either side that the limiter needs
_JOINT = RATE // 25  # samples, 40 ms: the cross-fade where a pause was shortened
_TRIALS, _TRIAL = 40, 30  # stretches, and records in each, that what the limiter takes is estimated from

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Final:
    """Gain in dB after the chain, and the limiter's ceiling in dBTP; None changes nothing.

    ``trims_db`` is what an encoder needs on top to come out as loud as the others.
    """

    gain_db: float = 0.0
    ceiling_dbtp: float | None = None
    capped: bool = False
    trims_db: dict[str, float] = field(default_factory=dict)


class Mix:
    """The processed recording as it will sound, but for the final gain and limiter."""

    def __init__(self, processed: Processed, plan: Plan) -> None:
        self.processed, self.plan = processed, plan
        self.content: Content = content_of(processed)
        energy = processed.energy
        levels = plan.level_db and self.content.has_speech
        self.levelling: Floats = (
            level.gains(energy, self.content.speech, plan.level_db) if levels else np.zeros(len(energy))
        )
        self.cuts: Cuts = pauses(self._energy(), self.content, plan.max_pause_seconds)

    @property
    def frames(self) -> int:
        """Length of the result in samples."""
        return self.processed.frames - self.cuts.removed(self.processed.frames)

    @property
    def records(self) -> int:
        """Length in records of 100 ms, the last one perhaps in part."""
        return -(-self.processed.frames // FRAME)

    def stretch(self, start: int, count: int, final: Final) -> Samples:
        """Make ``count`` records from record ``start``; samples (frames, channels)."""
        first, size = start - _AROUND, count + 2 * _AROUND
        samples = self._raw_mixed(first, size)
        gain = 10 ** ((self.levelling + final.gain_db) / 20)
        if (gain != 1).any():
            samples = samples * _per_sample(gain, first, size)
        if final.ceiling_dbtp is not None:
            samples = limited(samples, 10 ** (final.ceiling_dbtp / 20))
        return samples[CONTEXT : CONTEXT + count * FRAME]

    def _raw_mixed(self, first: int, size: int) -> Samples:
        clean = self.processed.clean.read(first, size)
        near = self.content.keep[max(0, first - 1) : first + size + 1]
        if not near.any():
            return clean
        raw = self.processed.raw(first, size)
        return clean + (raw - clean) * _per_sample(self.content.keep, first, size)

    def chosen(self, preset: Preset) -> Final:
        """Choose gain and ceiling for the preset: what the limiter will take is estimated on a few stretches."""
        if not preset.cleans:
            return Final()
        ceiling = preset.true_peak_dbtp - (HEADROOM_DB if self.content.has_speech else _MUSIC_HEADROOM_DB)
        loudness = integrated(self._energy())
        if loudness is None:
            return Final(0.0, ceiling)
        final = self.with_gain(preset.loudness_lufs - loudness, ceiling, preset)
        loose = self._tried(Final())
        for _ in range(_MOST_GUESSES):
            tight = self._tried(final)
            taken = 0.0 if loose is None or tight is None else max(0.0, loose + final.gain_db - tight)
            better = self.with_gain(preset.loudness_lufs - loudness + taken, ceiling, preset)
            if abs(better.gain_db - final.gain_db) < _SETTLED_DB:
                break
            final = better
        return final

    def with_gain(self, gain: float, ceiling: float, preset: Preset) -> Final:
        """Take as much of ``gain`` as the preset lets a recording be amplified."""
        most = preset.max_gain_db - self.plan.pre_gain_db
        return Final(round(min(gain, most), 3), ceiling, capped=gain > most)

    def _energy(self) -> npt.NDArray[np.float32]:
        """Give the K-weighted energy per 100 ms after levelling, where one of the two sounds prevails."""
        keep, processed = self.content.keep[: len(self.processed.energy)], self.processed
        energy = processed.energy * (1 - keep) + processed.raw_energy * keep
        return np.asarray(energy * 10 ** (self.levelling / 10), np.float32)

    def _tried(self, final: Final) -> float | None:
        """Loudness in LUFS of a few stretches under ``final``; without a ceiling it would rise as the gain does."""
        meter = Meter(self.plan.channels)
        for start in range(0, self.records, max(_TRIAL, self.records // _TRIALS)):
            meter.take(self.stretch(start, min(_TRIAL, self.records - start), final))
        meter.close()
        return integrated(meter.energy)

    def samples(self, final: Final) -> Iterator[bytes]:
        """Give everything that stays as interleaved float32, made ahead on all processors."""
        workers = processors()
        running: deque[Future[Samples]] = deque()
        left = self.frames
        with ThreadPoolExecutor(workers) as pool:
            pieces = self._pieces()
            while True:
                for start, count, before in pieces:
                    running.append(pool.submit(self._joined, start, count, before, final))
                    if len(running) > workers:
                        break
                if not running:
                    return
                made = running.popleft().result()[:left]
                left -= len(made)
                yield made.astype(np.float32, copy=False).tobytes()

    def _pieces(self) -> Iterator[tuple[int, int, int]]:
        """Give first record and number of records of each piece that stays, and the record that follows the one before.

        The last of these is the first, but where a pause was shortened.
        """
        before = 0
        for start, end in self.cuts.kept(self.records):
            for first in range(start, end, _STRETCH):
                count = min(_STRETCH, end - first)
                yield first, count, before or first
                before = first + count

    def _joined(self, start: int, count: int, before: int, final: Final) -> Samples:
        """Make a piece; where something was left out ahead of it, what was there fades into it."""
        made = self.stretch(start, count, final)
        if before == start:
            return made
        ended = self.stretch(before, 1, final)[:_JOINT]
        angle = (np.arange(_JOINT, dtype=np.float32)[:, None] + 0.5) / _JOINT * (np.pi / 2)
        # equal power: two pauses of one room are two different noises of the same level
        return np.concatenate([ended * np.cos(angle) + made[:_JOINT] * np.sin(angle), made[_JOINT:]])


def _per_sample(values: Floats, first: int, size: int) -> Samples:
    """Interpolate values per record between the records' middles; shape (frames, 1)."""
    places = np.clip(np.arange(first - 1, first + size + 1), 0, len(values) - 1)
    return between(values[places], FRAME)[:, None]
