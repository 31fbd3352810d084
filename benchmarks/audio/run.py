"""`make bench-audio`: the chain and its references side by side, against what is required.

Everything is made from ``--seed``; ``--only noise,music,…`` picks parts, ``--clips`` and ``--minutes`` their size.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pyloudnorm
import soundfile
from tamma_worker.clean import clean
from tamma_worker.control import Control
from tamma_worker.presets import Preset, preset

from benchmarks.audio import noises, spending
from benchmarks.audio.metrics import Row, si_sdr, speech_scores, workspace
from benchmarks.audio.seams import seams
from benchmarks.audio.speech import RATE, Floats, clips, decode

_SNRS = (0.0, 10.0)  # dB
_SPEAKERS_DB = 18.0


def cleaned(sound: Floats, chosen: Preset, name: str = "wav") -> Floats:
    """Send a mono signal through the whole chain and decode the output of one format."""
    with workspace() as folder:
        soundfile.write(folder / "in.wav", sound, RATE, subtype="FLOAT")
        (folder / "out").mkdir()
        clean(folder / "in.wav", folder / "out", replace(chosen, formats=("m4a", name)), Control())
        return decode(folder / "out" / f"audio.{name}")


def _denoise_stage(chosen: Preset) -> Preset:
    """Leave only the denoiser, hum and high-pass: what the quality of the denoiser is compared on."""
    return replace(chosen, level_db=0.0, deess_db=0.0)


def noise(options: argparse.Namespace) -> Iterator[Row]:
    """Speech in each noise at 0 and 10 dB: PESQ-WB, STOI and DNSMOS OVRL, before and after."""
    chosen, dice = _denoise_stage(preset("podcast")), np.random.default_rng(options.seed)
    before: list[tuple[float, float, float]] = []
    after: dict[str, list[tuple[float, float, float]]] = {}
    for clip in clips(options.clips, options.seed):
        for name, make in noises.KINDS.items():
            for snr in _SNRS:
                mixture = noises.mixed(clip.sound, make(len(clip.sound), dice), snr)
                mixture /= max(1.0, np.abs(mixture).max())
                before.append(speech_scores(clip.sound, mixture))
                after.setdefault(name, []).append(speech_scores(clip.sound, cleaned(mixture, chosen)))
    broad = np.mean([score for name, scores in after.items() if name != "hum" for score in scores], axis=0)
    everything = np.mean([score for scores in after.values() for score in scores], axis=0)
    for index, (measure, must) in enumerate((("PESQ-WB", 2.15), ("STOI", 0.913), ("DNSMOS OVRL", 3.03))):
        yield Row(f"noisy: {measure}", float(np.mean(before, axis=0)[index]))
        yield Row(f"all noises: {measure}", float(everything[index]), must)
        yield Row(f"all but hum: {measure}", float(broad[index]))
    yield from (Row(f"  {name}: PESQ-WB", float(np.mean(scores, axis=0)[0])) for name, scores in after.items())
    yield Row("hum: PESQ-WB", float(np.mean(after["hum"], axis=0)[0]), 2.4)


def clean_speech(options: argparse.Namespace) -> Iterator[Row]:
    """Clean speech through the denoise stage: PESQ-WB; delay and length against the input."""
    chosen = _denoise_stage(preset("podcast"))
    found = []
    for clip in clips(options.clips, options.seed + 1):
        heard = cleaned(clip.sound, chosen)
        found.append(
            (speech_scores(clip.sound, heard)[0], _delay(clip.sound, heard), abs(len(heard) - len(clip.sound)))
        )
    scores, delays, lengths = zip(*found, strict=True)
    yield Row("clean speech: PESQ-WB", float(np.mean(scores)), 4.45)
    yield Row("delay, ms", max(delays) / RATE * 1000, 1.0, at_least=False)
    yield Row("length error, ms", max(lengths) / RATE * 1000, 25.0, at_least=False)


def _delay(reference: Floats, heard: Floats) -> int:
    size = 1 << (len(reference) + len(heard)).bit_length()
    product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(reference, size))
    shift = int(np.argmax(np.fft.irfft(product, size)))
    return min(shift, size - shift)


def music(options: argparse.Namespace) -> Iterator[Row]:
    """Music alone under the speech preset: SI-SDR against the input."""
    found = []
    for number in range(options.clips):
        sound = noises.music(20 * RATE, np.random.default_rng(options.seed + number))
        found.append(si_sdr(sound, cleaned(sound / np.abs(sound).max() * 0.5, preset("podcast"))))
    yield Row("music: SI-SDR, dB", float(np.mean(found)), 20.0)


def speakers(options: argparse.Namespace) -> Iterator[Row]:
    """Two voices 18 dB apart in turns over a quiet room: what is left of the gap, and of the silence between them."""
    meter = pyloudnorm.Meter(RATE)
    pair = clips(2, options.seed + 2)
    turns, spans, position = [], [], 0
    for number in range(8):
        sound = np.roll(pair[number % 2].sound, number * RATE)[: 4 * RATE]
        sound = sound / sound.std() * 0.08 * 10 ** (-_SPEAKERS_DB / 20 * (number % 2))
        spans.append((position, position + len(sound)))
        turns += [sound, np.zeros(RATE)]
        position += len(sound) + RATE
    total = np.concatenate(turns)
    room = noises.pink(len(total), np.random.default_rng(options.seed))
    total += room / room.std() * 10 ** (-70 / 20)
    heard = cleaned(total, preset("podcast"))

    def gap(sound: Floats) -> float:
        levels = [meter.integrated_loudness(sound[start:end]) for start, end in spans]
        return abs(float(np.mean(levels[::2]) - np.mean(levels[1::2])))

    def floor(sound: Floats) -> float:
        rests = [sound[end + RATE // 4 : end + RATE * 3 // 4] for _, end in spans]
        return float(np.mean([20 * np.log10(rest.std() + 1e-9) for rest in rests]))

    yield Row("two speakers: gap before, LU", gap(total))
    yield Row("two speakers: gap after, LU", gap(heard), 4.0, at_least=False)
    yield Row("two speakers: rise of the noise floor, dB", floor(heard) - floor(total), 6.0, at_least=False)


def loudness(options: argparse.Namespace) -> Iterator[Row]:
    """Integrated loudness and true peak of the decoded AAC and MP3, by pyloudnorm and a 8 times oversampled peak."""
    off, peaks = [], []
    for number, clip in enumerate(clips(options.clips, options.seed + 3)):
        for name in ("podcast", "broadcast", "streaming"):
            for format_name in ("m4a", "mp3"):
                heard = cleaned(clip.sound * 10 ** (-number * 6 / 20), preset(name), format_name)
                off.append(pyloudnorm.Meter(RATE).integrated_loudness(heard) - preset(name).loudness_lufs)
                peaks.append(_true_peak(heard))
    yield Row("loudness: largest error, LU", float(np.abs(off).max()), 0.5, at_least=False)
    yield Row("true peak: highest, dBTP", max(peaks), -1.0, at_least=False)


def _true_peak(sound: Floats) -> float:
    spectrum = np.fft.rfft(sound)
    return float(20 * np.log10(np.abs(np.fft.irfft(spectrum, len(sound) * 8)).max() * 8))


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "noise": noise,
    "clean": clean_speech,
    "music": music,
    "speakers": speakers,
    "loudness": loudness,
    "seams": seams,
    "cost": spending.cost,
    "stages": spending.stages,
    "memory": spending.memory,
    "start": spending.start,
}


def main() -> None:
    """Print one line per measurement as it is made."""
    parser = argparse.ArgumentParser(prog="make bench-audio")
    parser.add_argument(
        "--only", default="clean,noise,music,speakers,loudness,seams,cost", help=f"some of {','.join(PARTS)}"
    )
    parser.add_argument("--clips", type=int, default=8, help="utterances, or pieces of music, per part")
    parser.add_argument("--minutes", type=int, default=60, help="length of the file that cost is measured on")
    parser.add_argument("--hours", type=float, default=10, help="length of the longest file that memory is measured on")
    parser.add_argument("--runs", type=int, default=1, help="of which the cheapest counts")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{'what':<48} {'value':>9} {'must':>9}")
    for name in options.only.split(","):
        for row in PARTS[name](options):
            must = "" if row.must is None else f"{'>=' if row.at_least else '<='} {row.must:g}"
            print(f"{row.what:<48} {row.value:>9.3f} {must:>9} {row.verdict()}", flush=True)


if __name__ == "__main__":
    main()
