"""What is speech and what is not, from how much the denoiser leaves: it keeps speech and removes everything else.

Measured over 3 s: of speech in any noise at 0 dB it leaves more than -11 dB; of music, applause and steady noise it
leaves -15 to -50 dB.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tamma_worker.process import Processed

_WINDOW = 30  # frames of 100 ms
_NEAR = 10  # frames: speech is looked for in one second
_CERTAIN_DB, _DOUBTFUL_DB = -18.0, -13.0  # below the first nothing is speech; above the second something is
_EVENT_DB = 10.0  # over the noise under speech: music and applause stand out from it, background noise is it
_QUIETEST = 15  # percentile: under loud syllables it takes away a little of the voice as well
_FAINT_DB = 25.0  # under the speech level: what is quieter is no event
_LEAST_SPEECH = 10  # frames in all; with less there is nothing that a denoiser should bring out
_FADE = 5  # frames on either side of a change
_SILENT_DB = -90.0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Content:
    """Per 100 ms: how much of the undenoised sound is kept (0-1), and whether somebody speaks."""

    keep: Floats
    speech: npt.NDArray[np.bool_]

    @property
    def has_speech(self) -> bool:
        """Whether there is speech at all."""
        return bool(self.speech.sum() >= _LEAST_SPEECH)

    @property
    def kept_seconds(self) -> float:
        """Seconds in which the denoiser was bypassed."""
        return float((self.keep > 0.5).sum()) / 10  # noqa: PLR2004 (more than half)


def content_of(processed: Processed) -> Content:
    """Tell speech from music and applause; without a denoiser everything counts as speech."""
    before, after = processed.before.astype(np.float64), processed.after.astype(np.float64)
    levels = 10 * np.log10(before + 1e-12)
    sounding = levels > _SILENT_DB
    left = 10 * np.log10((_mean(after, _WINDOW) + 1e-14) / (_mean(before, _WINDOW) + 1e-14))
    near = 10 * np.log10((_mean(after, _NEAR) + 1e-14) / (_mean(before, _NEAR) + 1e-14))
    speech = sounding & (near > _DOUBTFUL_DB) & (left > _CERTAIN_DB)
    other = np.clip((_DOUBTFUL_DB - left) / (_DOUBTFUL_DB - _CERTAIN_DB), 0, 1) * processed.has_raw
    if speech.sum() >= _LEAST_SPEECH:
        # what the denoiser takes away under speech is the background, pauses or not
        floor = 10 * np.log10(np.percentile(np.maximum(before - after, 0)[speech], _QUIETEST) + 1e-12)
        loud = np.percentile(levels[speech], 90)
        around = _mean(np.maximum(levels, _SILENT_DB), _WINDOW)
        other *= (around > floor + _EVENT_DB) & (around > loud - _FAINT_DB)
    keep = _mean(other, 2 * _FADE + 1) * processed.has_raw
    return Content(keep, speech & (keep < 0.5))  # noqa: PLR2004 (more than half)


def _mean(values: Floats, size: int) -> Floats:
    """Centred mean over ``size`` frames, over those that exist at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    place = np.arange(len(values))
    low = np.maximum(0, place - size // 2)
    high = np.minimum(len(values), place + (size + 1) // 2)
    return np.asarray((sums[high] - sums[low]) / (high - low))
