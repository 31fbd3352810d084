"""Generated noises and music, every one from a seed: the same seed gives the same sound on every machine."""

from collections.abc import Callable

import numpy as np

from benchmarks.audio.speech import RATE, Floats, clips

Dice = np.random.Generator
_SUBSONIC_HZ = 30  # no fan moves air that slowly


def _shaped(length: int, dice: Dice, magnitude: Callable[[Floats], Floats]) -> Floats:
    """White noise with the magnitude response ``magnitude(hertz)``."""
    spectrum = np.fft.rfft(dice.standard_normal(length))
    return np.fft.irfft(spectrum * magnitude(np.fft.rfftfreq(length, 1 / RATE)), length)


def white(length: int, dice: Dice) -> Floats:
    """Equal power per hertz."""
    return dice.standard_normal(length)


def pink(length: int, dice: Dice) -> Floats:
    """Equal power per octave above 20 Hz."""
    return _shaped(length, dice, lambda hertz: 1 / np.sqrt(np.maximum(hertz, 20)))


def fan(length: int, dice: Dice) -> Floats:
    """Rushing air that falls by 9 dB per octave, with the hum of turning blades and a slow waver."""
    air = _shaped(length, dice, lambda hertz: 1 / np.maximum(hertz / 150, 1) ** 1.5 * (hertz > _SUBSONIC_HZ))
    time = np.arange(length) / RATE
    blades = dice.uniform(70, 140)
    tone = sum(np.sin(2 * np.pi * blades * n * time + dice.uniform(0, 6.28)) / n**1.3 for n in range(1, 7))
    waver = 1 + 0.15 * np.sin(2 * np.pi * dice.uniform(0.3, 1.2) * time)
    return np.asarray((air / air.std() + 0.4 * tone) * waver)


def hum(length: int, dice: Dice, base: float | None = None) -> Floats:
    """Mains hum at 50 or 60 Hz (give or take 0.1) with harmonics to 2 kHz, and a trace of hiss."""
    base = base or float(dice.choice([50.0, 60.0]))
    base += dice.uniform(-0.1, 0.1)
    time = np.arange(length) / RATE
    parts = [
        np.sin(2 * np.pi * base * n * time + dice.uniform(0, 6.28)) * dice.uniform(0.3, 1.0) / n**0.6
        for n in range(1, int(2000 / base))
    ]
    return np.asarray(np.sum(parts, axis=0) + 0.01 * dice.standard_normal(length))


def babble(length: int, dice: Dice) -> Floats:
    """Nine people talking at once."""
    total = np.zeros(length)
    for clip in clips(9, int(dice.integers(1 << 30)), least=3.0):
        start = int(dice.integers(len(clip.sound)))
        looped = np.resize(np.roll(clip.sound, start), length)
        total += looped / (looped.std() + 1e-9)
    return total


def rain(length: int, dice: Dice) -> Floats:
    """Thousands of drops over a bright hiss."""
    hiss = _shaped(length, dice, lambda hertz: np.sqrt(np.minimum(hertz / 2000, 1)))
    drops = np.zeros(length)
    count = int(length / RATE * 400)
    drops[dice.integers(0, length, count)] = dice.exponential(1.0, count) ** 1.5
    ring = np.exp(-np.arange(480) / 60) * np.sin(2 * np.pi * dice.uniform(2500, 5000) * np.arange(480) / RATE)
    spectrum = np.fft.rfft(drops, length + 480) * np.fft.rfft(ring, length + 480)
    splashes = np.fft.irfft(spectrum, length + 480)[:length]
    return hiss / hiss.std() + 1.5 * splashes / splashes.std()


def music(length: int, dice: Dice) -> Floats:
    """Chords, a bass, a melody and a beat."""
    total, beat = np.zeros(length), int(RATE * 60 / dice.uniform(80, 130))
    root = dice.uniform(98, 147)
    for index, start in enumerate(range(0, length, beat)):
        chord = (0, 5, 7, 3)[index // 4 % 4]
        notes = [chord - 12, chord, chord + 4, chord + 7, chord + 12 + int(dice.choice([0, 2, 4, 7, 9, 12]))]
        for number, note in enumerate(notes):
            if number not in {0, 4} and index % 4:
                continue
            lasting = beat if number in {0, 4} else 4 * beat
            total[start : start + lasting] += _note(root * 2 ** (note / 12), min(lasting, length - start), dice)
        _beat(total, start, dice, snare=bool(index % 2))
    return total


def _note(hertz: float, length: int, dice: Dice) -> Floats:
    time = np.arange(length) / RATE
    fall = np.exp(-2.0 * time) * np.minimum(1, time / 0.01)
    vibrato = 0.3 * np.sin(2 * np.pi * 5 * time)
    parts = [np.sin(2 * np.pi * hertz * n * time + n * vibrato) / n ** dice.uniform(1.0, 1.6) for n in range(1, 9)]
    return np.asarray(np.sum(parts, axis=0) * fall)


def _beat(total: Floats, start: int, dice: Dice, *, snare: bool) -> None:
    length = min(RATE // 5, len(total) - start)
    time = np.arange(length) / RATE
    if snare:
        total[start : start + length] += 0.8 * dice.standard_normal(length) * np.exp(-25 * time)
    else:
        total[start : start + length] += (
            1.5 * np.sin(2 * np.pi * (50 + 60 * np.exp(-30 * time)) * time) * np.exp(-15 * time)
        )


def applause(length: int, dice: Dice) -> Floats:
    """Two hundred pairs of hands."""
    total = np.zeros(length)
    for _ in range(200):
        at, pace = dice.uniform(0, 0.3), dice.uniform(0.2, 0.35)
        colour = dice.uniform(800, 2500)
        while at * RATE < length - 1000:
            clap = dice.standard_normal(960) * np.exp(-np.arange(960) / dice.uniform(60, 160))
            clap *= 1 + np.sin(2 * np.pi * colour * np.arange(960) / RATE)
            start = int(at * RATE)
            total[start : start + 960] += clap[: length - start] * dice.uniform(0.2, 1)
            at += pace * dice.uniform(0.9, 1.1)
    return total


KINDS: dict[str, Callable[[int, Dice], Floats]] = {
    "white": white,
    "pink": pink,
    "fan": fan,
    "hum": hum,
    "babble": babble,
    "rain": rain,
    "music": music,
}


def mixed(speech: Floats, noise: Floats, snr_db: float) -> Floats:
    """Add noise so that speech is ``snr_db`` above it, by mean power over the speech's active 20 ms frames."""
    frames = speech[: len(speech) // 960 * 960].reshape(-1, 960)
    power = (frames**2).mean(1)
    active = power[power > power.max() * 1e-4].mean()
    return np.asarray(speech + noise * np.sqrt(active / (noise**2).mean() / 10 ** (snr_db / 10)))
