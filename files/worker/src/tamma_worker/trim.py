"""Long pauses made shorter: which records of 100 ms are left out, and where a moment of the recording is afterwards."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tamma_worker.content import Content
from tamma_worker.meter import FRAME, lufs
from tamma_worker.stft import RATE

_WORD_DB = 45.0  # under loud speech: what is quieter is breath and room, also where the denoiser hears a voice
_SOUND_DB = 30.0  # under loud speech: what is louder is a sound that somebody may want, voice or not
_WORTH = 2  # records: less is not worth a joint

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Cuts:
    """What is left out: (first, one past the last) record of each stretch, in order."""

    spans: tuple[Span, ...] = ()

    def kept(self, records: int) -> list[Span]:
        """Give what stays of a recording of so many records, in the same form."""
        edges = [0, *(edge for span in self.spans for edge in span), records]
        return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]

    def removed(self, frames: int) -> int:
        """Count the samples that are left out of the first ``frames``, per channel."""
        return sum(max(0, min(end * FRAME, frames) - start * FRAME) for start, end in self.spans)

    def moved(self, seconds: float) -> float:
        """Give the time, in seconds, that a moment of the recording has in the result."""
        return seconds - self.removed(round(seconds * RATE)) / RATE


def pauses(energy: npt.NDArray[np.float32], content: Content, longest_seconds: float) -> Cuts:
    """Find what has to go so that no pause is longer; ``energy`` is K-weighted, per record.

    Music and applause are no pauses, and a recording without speech has none.
    """
    if not longest_seconds or not content.has_speech:
        return Cuts()
    levels = lufs(energy)
    count = min(len(levels), len(content.speech))
    levels, speech = levels[:count], content.speech[:count]
    loud = float(np.percentile(levels[speech], 95))
    sound = (levels > loud - _SOUND_DB) | (speech & (levels > loud - _WORD_DB)) | (content.keep[:count] > 0)
    edges = np.flatnonzero(np.diff(np.concatenate([[1], sound.view(np.int8), [1]])))
    longest = round(longest_seconds * 10)
    spans = []
    for start, end in edges.reshape(-1, 2).tolist():
        first = start + (longest + 1) // 2 if start else 0  # a pause at either end has one neighbour
        last = end - longest // 2 if end < count else count
        if last - first >= _WORTH:
            spans.append((first, last))
    return Cuts(tuple(spans))
