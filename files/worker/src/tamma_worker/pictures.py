"""What can be seen of a recording before and after: waveform, spectrogram, loudness curve; and peaks for players."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from tamma_worker.listen import PIXEL, Heard
from tamma_worker.meter import short_term
from tamma_worker.spectrogram import HIGH_HZ, LOW_HZ
from tamma_worker.stft import RATE, Samples

WAVEFORM, PEAKS, SPECTROGRAM, LOUDNESS = "waveform.png", "waveform.json", "spectrogram.png", "loudness.json"

_WIDTH, _PANEL, _MARGIN, _LEFT, _HEAD = 1600, 280, 24, 76, 44  # pixels
_BACKGROUND, _INK, _FAINT = "#ffffff", "#1f2430", "#d9dde5"
_COLOURS = {"Before": "#b4532a", "After": "#1c7c74"}
_GRID_DB = (-6, -18)
_STEPS = (0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)  # seconds between marks on the time axis


def write(before: Heard, after: Heard, folder: Path) -> None:
    """Write all four files into ``folder``."""
    _waveform(before, after, folder / WAVEFORM)
    _spectrogram(before, after, folder / SPECTROGRAM)
    (folder / PEAKS).write_text(json.dumps(_peaks(after), separators=(",", ":")), "ascii")
    curves = {"before": _curve(before), "after": _curve(after)}
    (folder / LOUDNESS).write_text(json.dumps({"seconds_per_value": 1, "window_seconds": 3, **curves}), "ascii")


def _peaks(heard: Heard) -> dict[str, object]:
    """Give the peaks in the format of audiowaveform, version 2: pairs of minimum and maximum per pixel."""
    return {
        "version": 2,
        "channels": 1,
        "sample_rate": RATE,
        "samples_per_pixel": PIXEL,
        "bits": 8,
        "length": len(heard.pixels),
        "data": heard.pixels.reshape(-1).tolist(),
    }


def _curve(heard: Heard) -> list[float | None]:
    """Short-term loudness in LUFS, one value per second; None for silence."""
    return [round(float(value), 1) if value > -100 else None for value in short_term(heard.energy)]  # noqa: PLR2004


def _waveform(before: Heard, after: Heard, target: Path) -> None:
    """Draw a PNG of 1600 pixels width: two panels on one scale of amplitude and time."""
    height = 2 * (_HEAD + _PANEL) + 2 * _MARGIN + 30
    image = Image.new("RGB", (_WIDTH, height), _BACKGROUND)
    canvas = ImageDraw.Draw(image)
    seconds = max(before.duration_seconds, after.duration_seconds, 0.001)
    top = _MARGIN
    for title, heard in (("Before", before), ("After", after)):
        _panel(canvas, top, title, heard, seconds)
        top += _HEAD + _PANEL
    _time_axis(canvas, top, seconds)
    image.save(target, format="PNG", optimize=True)


def _panel(canvas: ImageDraw.ImageDraw, top: int, title: str, heard: Heard, seconds: float) -> None:
    canvas.text((_LEFT, top + 6), title, fill=_COLOURS[title], font=_font(26))
    canvas.text((_LEFT + 120, top + 12), _caption(heard), fill=_INK, font=_font(18))
    middle, half = top + _HEAD + _PANEL // 2, _PANEL // 2 - 6
    for decibels in (0, *_GRID_DB):
        offset = half * 10 ** (decibels / 20)
        for y in (middle - offset, middle + offset):
            canvas.line((_LEFT, y, _WIDTH - _MARGIN, y), fill=_FAINT)
        canvas.text((_LEFT - 10, middle - offset), f"{decibels} dB", fill=_INK, font=_font(14), anchor="rm")
    envelope = np.asarray(np.abs(heard.pixels.astype(np.float32)).max(1) / 127, np.float32)
    columns = _columns(envelope, heard.duration_seconds / seconds)
    for x, peak in enumerate(np.minimum(columns, 1.0), start=_LEFT):
        size = max(0.5, half * float(peak))
        canvas.line((x, middle - size, x, middle + size), fill=_COLOURS[title])


def _spectrogram(before: Heard, after: Heard, target: Path) -> None:
    """Draw a PNG of the same width: 50 Hz to 20 kHz on a logarithmic scale, from black over blue to yellow."""
    height = 2 * (_HEAD + _PANEL) + 2 * _MARGIN + 30
    image = Image.new("RGB", (_WIDTH, height), _BACKGROUND)
    canvas = ImageDraw.Draw(image)
    seconds = max(before.duration_seconds, after.duration_seconds, 0.001)
    top = _MARGIN
    for title, heard in (("Before", before), ("After", after)):
        canvas.text((_LEFT, top + 6), title, fill=_COLOURS[title], font=_font(26))
        width = max(1, round((_WIDTH - _MARGIN - _LEFT) * heard.duration_seconds / seconds))
        image.paste(Image.fromarray(_HEAT[heard.spectrogram.pixels(width, _PANEL)]), (_LEFT, top + _HEAD))
        for hertz in (100, 1000, 10_000):
            y = top + _HEAD + _PANEL * (1 - np.log(hertz / LOW_HZ) / np.log(HIGH_HZ / LOW_HZ))
            canvas.text((_LEFT - 10, y), f"{hertz} Hz", fill=_INK, font=_font(14), anchor="rm")
        top += _HEAD + _PANEL
    _time_axis(canvas, top, seconds)
    image.save(target, format="PNG")


def _heat() -> npt.NDArray[np.uint8]:
    """Colours for brightness 0-255, shape (256, 3)."""
    stops = np.array([[8, 8, 24], [40, 40, 120], [150, 40, 120], [235, 120, 50], [255, 245, 160]])
    place = np.linspace(0, len(stops) - 1, 256)
    return np.stack([np.interp(place, range(len(stops)), stops[:, c]) for c in range(3)], axis=1).astype(np.uint8)


_HEAT = _heat()


def _columns(envelope: Samples, share: float) -> Samples:
    """Give the envelope as one peak per pixel of the share of the width that it covers."""
    width = max(1, round((_WIDTH - _MARGIN - _LEFT) * share))
    edges = np.linspace(0, len(envelope), width + 1)
    starts = np.minimum(edges[:-1].astype(int), len(envelope) - 1)
    ends = np.maximum(np.ceil(edges[1:]).astype(int), starts + 1)
    return np.array([envelope[a:b].max() for a, b in zip(starts, ends, strict=True)], np.float32)


def _caption(heard: Heard) -> str:
    loudness = heard.loudness
    parts = [
        "silent or too short to measure"
        if loudness.integrated_lufs is None
        else f"{loudness.integrated_lufs:.1f} LUFS",
        "" if loudness.true_peak_dbtp is None else f"true peak {loudness.true_peak_dbtp:.1f} dBTP",
    ]
    if loudness.integrated_lufs is not None and heard.noise_floor_dbfs is not None:
        # relative to the voice: in dBFS the floor of a quiet recording rises with the voice and looks worse than it is
        parts.append(f"noise {loudness.integrated_lufs - heard.noise_floor_dbfs:.0f} dB below the voice")
    return "   ".join(part for part in parts if part)


def _time_axis(canvas: ImageDraw.ImageDraw, top: int, seconds: float) -> None:
    step = next((s for s in _STEPS if seconds / s <= 12), _STEPS[-1])  # noqa: PLR2004 (labels that fit the width)
    for number in range(int(seconds / step) + 1):
        x = _LEFT + (_WIDTH - _MARGIN - _LEFT) * number * step / seconds
        canvas.line((x, top, x, top + 6), fill=_INK)
        canvas.text((x, top + 9), _clock(number * step, step), fill=_INK, font=_font(15), anchor="mt")


def _clock(seconds: float, step: float) -> str:
    if step < 1:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Pillow's own font: the same picture on every machine."""
    return ImageFont.load_default(size)
