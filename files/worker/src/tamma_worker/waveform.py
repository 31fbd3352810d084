"""The picture of a recording before and after, drawn from two envelopes."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tamma_worker.listen import Heard, Samples

_WIDTH, _PANEL, _MARGIN, _LEFT, _HEAD = 1600, 280, 24, 76, 44  # pixels
_BACKGROUND, _INK, _FAINT = "#ffffff", "#1f2430", "#d9dde5"
_COLOURS = {"Before": "#b4532a", "After": "#1c7c74"}
_GRID_DB = (-6, -18)
_STEPS = (0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)  # seconds between marks on the time axis


def draw(before: Heard, after: Heard, target: Path) -> None:
    """Write a PNG of 1600 pixels width to ``target``: two panels on one scale of amplitude and time."""
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
    columns = _columns(heard.envelope, heard.duration_seconds / seconds)
    for x, peak in enumerate(np.minimum(columns, 1.0), start=_LEFT):
        size = max(0.5, half * float(peak))
        canvas.line((x, middle - size, x, middle + size), fill=_COLOURS[title])


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
