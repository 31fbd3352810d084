"""Real speech for the mixtures, from Debian packages whose licences allow it (`make bench-audio` downloads them).

asterisk-core-sounds-{en,es,fr,ru}-g722: CC-BY-SA-3.0, four voices at 16 kHz; pocketsphinx-testdata: a public-domain
reading of LibriVox and short commands. Nothing of it is kept in the repository.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tamma_worker import binaries

Floats = npt.NDArray[np.float64]
RATE = 48_000  # Hz of everything in this benchmark; the metrics resample to 16 kHz

PACKAGES = (
    "asterisk-core-sounds-en-g722",
    "asterisk-core-sounds-es-g722",
    "asterisk-core-sounds-fr-g722",
    "asterisk-core-sounds-ru-g722",
    "pocketsphinx-testdata",
)
_CACHE = Path(".cache/audio-bench")
_LEAST_BYTES = 60_000  # of a G.722 file at 8000 bytes a second: shorter prompts are single words
_LIBRIVOX = "pocketsphinx-testdata"


@dataclass(frozen=True)
class Clip:
    """One utterance: samples at 48 kHz, mono, and who speaks."""

    voice: str
    sound: Floats


def fetch() -> None:
    """Download and unpack the packages once; needs Debian's apt, but not root."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        target = _CACHE / package
        if target.exists():
            continue
        subprocess.run(["/usr/bin/apt-get", "download", "-qq", package], cwd=_CACHE, check=True)
        archive = next(_CACHE.glob(f"{package}_*.deb"))
        subprocess.run(["/usr/bin/dpkg-deb", "-x", str(archive), str(target)], check=True)
        archive.unlink()


def decode(path: Path, channels: int = 1, rate: int = RATE, *options: str) -> Floats:
    """Decode any file: shape (frames, channels), or (frames,) when mono."""
    command = [binaries.ffmpeg(), "-v", "error", *options, "-i", f"file:{path}", "-ac", str(channels), "-ar", str(rate)]
    data = subprocess.run([*command, "-f", "f32le", "-"], check=True, capture_output=True).stdout
    sound = np.frombuffer(data, np.float32).astype(np.float64)
    return sound.reshape(-1, channels) if channels > 1 else sound


def voices() -> dict[str, list[Path]]:
    """Give the files of each voice, longest prompts only, in a fixed order."""
    fetch()
    found = {}
    for package in PACKAGES:
        suffix = "librivox/*.wav" if package == _LIBRIVOX else "*.g722"
        files = [path for path in sorted((_CACHE / package).rglob(suffix)) if path.stat().st_size >= _LEAST_BYTES]
        found[package] = [path for path in files if path.parent.name != "silence"]
    return found


def clips(count: int, seed: int, least: float = 4.0, most: float = 12.0) -> list[Clip]:
    """Pick ``count`` utterances of ``least``-``most`` seconds, voices in turn, at a peak of -6 dBFS."""
    dice = np.random.default_rng(seed)
    pool = {voice: list(dice.permutation(len(files))) for voice, files in voices().items()}
    names = list(pool)
    chosen: list[Clip] = []
    while len(chosen) < count and any(pool.values()):
        voice = names[len(chosen) % len(names)]
        while pool[voice]:
            sound = _load(voices()[voice][pool[voice].pop()], most)
            if len(sound) >= least * RATE:
                chosen.append(Clip(voice, sound))
                break
        else:
            names.remove(voice)
    return chosen


def _load(path: Path, most: float) -> Floats:
    options = ("-f", "g722") if path.suffix == ".g722" else ()
    sound = decode(path, 1, RATE, *options)[: int(most * RATE)]
    return np.asarray(sound / (np.abs(sound).max() + 1e-9) * 0.5)
