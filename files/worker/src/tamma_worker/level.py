"""The gain over time that brings speakers together, decided from levels of the whole recording.

Speech is cut into phrases at its pauses; a phrase moves towards the level of all speech, taking along its neighbours
of similar level (that is one speaker). Pauses are not raised with the speech around them, so noise stays down.
"""

import numpy as np
import numpy.typing as npt

from tamma_worker.meter import lufs

_UNDER_LOUD_DB = 40.0  # frames further below the loudest tenth are pauses
_OVER_FLOOR_DB = 8.0  # as are those close to the noise floor
_LONGEST = 30  # frames of 100 ms: longer phrases are cut where they are quietest
_SHORTEST = 5  # of a cut piece
_SAME_VOICE_DB = 6.0  # phrases that differ by less are averaged
_MEMORY = 40.0  # frames: how far away a phrase still counts
_GATE_DB = -10.0  # of a phrase's own loudness, as BS.1770 gates: breaths do not count
_PAUSE_DB = 3.0  # the most that a pause longer than ``_PAUSE`` is raised
_PAUSE = 5  # frames
_SMOOTH = 2  # frames on either side: no click, and quicker than the ear's own adaptation

Floats = npt.NDArray[np.float64]
Phrase = tuple[int, int]


def gains(energy: npt.NDArray[np.float32], speech: npt.NDArray[np.bool_], most_db: float) -> Floats:
    """Gain in dB per 100 ms, within ``most_db``, for K-weighted ``energy``; 0 where ``speech`` is False for long."""
    levels = lufs(energy)
    phrases = _phrases(levels, speech)
    gain = np.zeros(len(energy))
    if not phrases:
        return gain
    own = np.array([_loudness(energy[start:end]) for start, end in phrases])
    voices = _voices(own, np.array([(start + end) / 2 for start, end in phrases]), phrases)
    lengths = np.array([end - start for start, end in phrases])
    target = float(np.average(voices, weights=lengths))
    wanted = np.clip(target - voices, -most_db, most_db)
    for (start, end), decibels in zip(phrases, wanted, strict=True):
        gain[start:end] = decibels
    _fill_pauses(gain, phrases)
    kernel = np.ones(2 * _SMOOTH + 1) / (2 * _SMOOTH + 1)
    return np.convolve(np.pad(gain, _SMOOTH, mode="edge"), kernel, "valid")


def _phrases(levels: Floats, speech: npt.NDArray[np.bool_]) -> list[Phrase]:
    """Find runs of frames that are loud enough to be speech, none much longer than three seconds."""
    audible = levels[speech & (levels > -70)]  # noqa: PLR2004 (BS.1770's absolute gate)
    if not len(audible):
        return []
    floor = float(np.percentile(levels[levels > -100], 5))  # noqa: PLR2004 (digital silence apart)
    loud = float(np.percentile(audible, 95))
    threshold = max(loud - _UNDER_LOUD_DB, min(floor + _OVER_FLOOR_DB, loud - 25))
    active = speech & (levels > threshold)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.view(np.int8), [0]])))
    found: list[Phrase] = []
    for start, end in edges.reshape(-1, 2):
        found += _cut(levels, int(start), int(end))
    return found


def _cut(levels: Floats, start: int, end: int) -> list[Phrase]:
    pieces = []
    while end - start > _LONGEST:
        at = start + _SHORTEST + int(np.argmin(levels[start + _SHORTEST : start + _LONGEST]))
        pieces.append((start, at))
        start = at
    return [*pieces, (start, end)]


def _loudness(energy: npt.NDArray[np.float32]) -> float:
    mean = energy.mean()
    return float(lufs(energy[energy >= mean * 10 ** (_GATE_DB / 10)].mean()))


def _voices(own: Floats, middles: Floats, phrases: list[Phrase]) -> Floats:
    """Average each phrase with neighbours of similar level; short phrases say little and weigh little."""
    lengths = np.array([end - start for start, end in phrases], np.float64)
    out = np.empty_like(own)
    first = np.searchsorted(middles, middles - 4 * _MEMORY)
    last = np.searchsorted(middles, middles + 4 * _MEMORY)
    for index in range(len(own)):
        near = slice(first[index], last[index])
        weight = lengths[near] * np.exp(-np.abs(middles[near] - middles[index]) / _MEMORY)
        weight *= np.abs(own[near] - own[index]) < _SAME_VOICE_DB
        out[index] = np.average(own[near], weights=weight)
    return out


def _fill_pauses(gain: Floats, phrases: list[Phrase]) -> None:
    """Go from one phrase's gain to the next's; long pauses are not raised by more than ``_PAUSE_DB``."""
    before = (0, 0)
    for start, end in [*phrases, (len(gain), len(gain))]:
        gap = slice(before[1], start)
        left = gain[before[1] - 1] if before[1] else None
        right = gain[start] if start < len(gain) else None
        known = [value for value in (left, right) if value is not None]
        size = start - before[1]
        if size > 0:
            gain[gap] = np.linspace(known[0], known[-1], size)
            if size > _PAUSE:
                gain[gap] = np.minimum(gain[gap], _PAUSE_DB)
        before = (start, end)
