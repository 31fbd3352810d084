"""The speech chain over a few stretches of a recording that advance side by side, each from one end to the other.

Denoiser, de-esser and overlap carry their state from piece to piece, so there is no seam inside a stretch. A stretch
begins ``WARM_UP`` ahead of what is kept of it, after which the network has forgotten how it began: what follows differs
by less than -44 dB from what an uninterrupted run gives. After 10 s that was -27 dB, after 40 s -39 dB.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tamma_worker import deess, denoise
from tamma_worker.chain import Plan
from tamma_worker.filters import filtered
from tamma_worker.meter import FRAME, k_response
from tamma_worker.stft import BINS, FFT, HOP, Samples, Spectrum, frames, halves
from tamma_worker.store import Store

WARM_UP = 600  # records of 100 ms
_PIECE = 60  # records that are processed at once: with what the filters need around them, a good size of FFT
_PER_RECORD = FRAME // HOP
_LATER = max(denoise.LATER, deess.LATER)  # frames that have to be known before a frame is decided on
_EARLIER = max(denoise.EARLIER, deess.EARLIER)
_FLUSH = -(-(denoise.AHEAD + _LATER + 1) // _PER_RECORD)  # records behind its end that a stretch has to read
# A frame's real and imaginary parts, squared and weighted by these, add up to its share of K-weighted energy.
_WEIGHTS = np.repeat(np.square(np.abs(k_response(FFT))) * 2 / (FFT * HOP), 2).astype(np.float32)
_SPEECH_BINS = slice(2, 160)  # 100 Hz to 8 kHz: where speech is looked for

Floats = npt.NDArray[np.float32]


class _Levels:
    """What is known per frame of one lane, from ``_EARLIER`` before the frame that is decided on next."""

    def __init__(self) -> None:
        self.power, self.lsnr, self.low, self.high = (np.zeros(_EARLIER, np.float32) for _ in range(4))

    def add(self, noisy: Spectrum, speech: Spectrum, lsnr: Floats) -> None:
        """Take frames of all channels (channels, frames, bins), and the ratio in dB per frame."""
        low, high = deess.powers(speech)
        self.power = np.concatenate([self.power, speech_power(noisy)])
        self.lsnr = np.concatenate([self.lsnr, lsnr])
        self.low, self.high = np.concatenate([self.low, low]), np.concatenate([self.high, high])

    def decide(self, count: int, most_db: float) -> tuple[Floats, Floats]:
        """Give the share that stays and the cut in dB of the next ``count`` frames, and leave them behind."""
        place = slice(_EARLIER, _EARLIER + count)
        share = denoise.spared(self.power, self.lsnr)[place]
        cut = deess.cuts(self.low, self.high, most_db)[place] if most_db else np.zeros(count, np.float32)
        self.power, self.lsnr, self.low, self.high = (
            values[count:] for values in (self.power, self.lsnr, self.low, self.high)
        )
        return share, cut


class Lane:
    """What comes out of one stretch, records ``start`` to ``end``, and what is known of it per record."""

    def __init__(self, start: int, end: int, target: Store, channels: int) -> None:
        self.start, self.end = start, end
        self.begin = max(0, start - WARM_UP)
        self.levels = _Levels()
        self.before: list[Floats] = []
        self.after: list[Floats] = []
        self._energy: list[Floats] = []
        self._target = target
        self._carry = np.zeros((channels, HOP), np.float32)
        self._waiting = np.zeros((0, channels), np.float32)
        self._record = self.begin
        self._lead = HOP  # samples before the first frame's middle, that are no part of the stretch

    def put(self, clean: Spectrum) -> None:
        """Take finished frames of all channels and write the records that they fill."""
        self._energy.append((np.square(clean.view(np.float32)) @ _WEIGHTS).sum(0))
        samples = []
        for channel, spectrum in enumerate(clean):
            parts = halves(spectrum)
            second = np.concatenate([self._carry[channel][None], parts[:-1, HOP:]])
            samples.append((parts[:, :HOP] + second).reshape(-1))
            self._carry[channel] = parts[-1, HOP:]
        self._waiting = np.concatenate([self._waiting, np.stack(samples, axis=1)[self._lead :]])
        self._lead = 0
        count = len(self._waiting) // FRAME
        ready, self._waiting = self._waiting[: count * FRAME], self._waiting[count * FRAME :]
        self._write(ready, count)
        self._record += count

    def _write(self, ready: Samples, count: int) -> None:
        first, last = max(self.start, self._record), min(self.end, self._record + count)
        if first < last:
            self._target.write(first, ready[(first - self._record) * FRAME : (last - self._record) * FRAME])

    def close(self) -> tuple[Floats, Floats, Floats]:
        """Give K-weighted energy, power before and power after the denoiser, per record of the stretch."""
        kept = slice((self.start - self.begin) * _PER_RECORD, (self.end - self.begin) * _PER_RECORD)
        energy, before, after = (
            np.concatenate(values)[kept].reshape(-1, _PER_RECORD).mean(1)
            for values in (self._energy, self.before, self.after)
        )
        return energy, before, after


def speech_power(spectrum: Spectrum) -> Floats:
    """Power in the speech band per frame of a spectrum (channels, frames, bins), over channels."""
    band = spectrum[:, :, _SPEECH_BINS]
    return np.asarray((np.square(band.real) + np.square(band.imag)).sum((0, 2)))


class Lanes:
    """Lanes of one length through one network."""

    def __init__(self, plan: Plan, source: Store, lanes: list[Lane]) -> None:
        self._plan, self._source, self._lanes = plan, source, lanes
        self._rows = 1 if plan.one_mask else plan.channels  # of the network, per lane
        self._network = denoise.Stream(len(lanes) * self._rows) if plan.denoise_db else None
        shape = (len(lanes), plan.channels, 0, BINS)
        self._noisy = np.zeros(shape, np.complex64)  # from the frame that is decided on next
        self._speech = np.zeros((len(lanes), self._rows, 0, BINS), np.complex64)
        self._tail = np.zeros((len(lanes), plan.channels, FFT - HOP), np.float32)
        self._begun = False

    def run(self, tell: Callable[[int], None]) -> None:
        """Process everything; ``tell`` gets the number of records after each piece and may raise to stop."""
        length = max(lane.end - lane.begin for lane in self._lanes) + _FLUSH
        for place in range(0, length, _PIECE):
            count = min(_PIECE, length - place)
            self._advance(place, count)
            tell(count)

    def _advance(self, place: int, count: int) -> None:
        """Take the next records of every lane, and finish the frames that can be decided on by then."""
        read = [filtered(self._source, self._plan, lane.begin + place, count) for lane in self._lanes]
        samples = np.concatenate([self._tail, np.stack([sound.T for sound in read])], axis=2)
        self._tail = samples[:, :, HOP - FFT :].copy()
        noisy = np.stack([[frames(channel) for channel in lane] for lane in samples])
        speech, lsnr = self._estimated(noisy)
        known = self._speech.shape[2]
        self._noisy = np.concatenate([self._noisy, noisy], axis=2)
        self._speech = np.concatenate([self._speech, speech], axis=2)
        new = slice(known, self._speech.shape[2])
        size = max(0, new.stop - _LATER)
        for index, lane in enumerate(self._lanes):
            lane.levels.add(self._noisy[index, :, new], speech[index], lsnr[index])
            if size:
                self._finish(lane, self._noisy[index, :, :size], self._speech[index, :, :size])
        self._noisy, self._speech = self._noisy[:, :, size:].copy(), self._speech[:, :, size:].copy()

    def _estimated(self, noisy: Spectrum) -> tuple[Spectrum, Floats]:
        """Give the speech (lanes, rows, frames, bins), behind by what the network looks ahead, and dB per frame."""
        lanes, _, count, _ = noisy.shape
        heard = noisy.sum(1, keepdims=True) if self._plan.one_mask else noisy
        if self._network is None:
            return heard, np.zeros((lanes, count), np.float32)
        speech, lsnr = self._network(heard.reshape(-1, count, BINS))
        skip = 0 if self._begun else denoise.AHEAD  # frames ahead of the beginning
        self._begun = True
        rows = (lanes, self._rows, count)
        return speech.reshape(*rows, BINS)[:, :, skip:], lsnr.reshape(rows).mean(1)[:, skip:]

    def _finish(self, lane: Lane, noisy: Spectrum, speech: Spectrum) -> None:
        """Hand over frames: the speech, what is left of the noise, and less of what hisses."""
        share, cut = lane.levels.decide(noisy.shape[1], self._plan.deess_db)
        heard = noisy.sum(0, keepdims=True) if self._plan.one_mask else noisy
        found = speech + share[:, None] * (heard - speech)
        if self._plan.one_mask:
            mask = found * heard.conj() / (np.square(np.abs(heard)) + np.float32(1e-12))
            found = np.asarray(noisy * (mask / np.maximum(1, np.abs(mask))), np.complex64)
        lane.before.append(speech_power(noisy))
        lane.after.append(speech_power(found))
        if self._plan.denoise_db:
            found += np.float32(10 ** (-self._plan.denoise_db / 20)) * (noisy - found)
        if cut.any():
            deess.soften(found, cut)
        lane.put(found)
