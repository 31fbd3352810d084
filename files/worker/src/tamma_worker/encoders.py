"""Whether the encoders work: one that ffmpeg lists may still fail to open, or crash on this processor."""

from collections.abc import Sequence

import ffmpeg  # type: ignore[import-untyped]

from tamma_worker import engine
from tamma_worker.control import Control
from tamma_worker.errors import TemporaryError
from tamma_worker.stft import RATE

NAMES = {"m4a": "aac", "mp3": "libmp3lame", "wav": "pcm_s24le", "opus": "libopus"}  # by format, see presets.FORMATS
_SILENCE = bytes(4 * RATE // 10)  # 0.1 s of one channel: more than a frame of each encoder


def check(formats: Sequence[str], control: Control) -> None:
    """Encode a tenth of a second into all formats at once; TemporaryError names those that fail.

    It is temporary because another machine may do better; when none does, the job ends with that sentence.
    """
    if _fails(formats, control) is None:
        return
    faults = {name: fault for name in formats if (fault := _fails([name], control)) is not None}
    error = TemporaryError("encoder_broken", f"This machine cannot write {' or '.join(faults or formats)} files.")
    error.add_note("\n".join(faults.values()))
    raise error


def _fails(formats: Sequence[str], control: Control) -> str | None:
    """Give what ffmpeg says when it cannot encode, None when it can."""
    sound = ffmpeg.input("pipe:0", format="f32le", ar=RATE, ac=1)
    outputs = [ffmpeg.output(sound, "pipe:1", format="null", acodec=NAMES[name]) for name in formats]
    try:
        outcome = engine.ffmpeg(list(ffmpeg.get_args(ffmpeg.merge_outputs(*outputs))), control, feed=iter([_SILENCE]))
    except TemporaryError as error:
        return "\n".join([str(error), *getattr(error, "__notes__", [])])
    return None if outcome.code == 0 else "\n".join(outcome.stderr) or f"code {outcome.code}"
