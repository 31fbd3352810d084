"""One HTML page that shows what was done to a recording, from the files in its results folder."""

import html
import json
from pathlib import Path
from typing import Any

from tamma_worker.errors import MissingInputError

PAGE = "report.html"
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;color:#1f2430}"
    "img{width:100%}audio{width:100%}td,th{padding:.2em 1.5em .2em 0;text-align:left;vertical-align:top}"
)
_NUMBERS = {
    "integrated_lufs": ("Loudness", "LUFS"),
    "range_lu": ("Loudness range", "LU"),
    "true_peak_dbtp": ("True peak", "dBTP"),
}


def write(folder: Path) -> Path:
    """Write ``report.html`` beside the results of ``clean`` and give its path; it loads nothing from elsewhere."""
    source = folder / "report.json"
    if not source.is_file():
        raise MissingInputError("missing_report", f"There is no {source}: clean a recording into that folder first.")
    report: dict[str, Any] = json.loads(source.read_text("utf-8"))
    title = html.escape(report["tags"].get("title", "Recording"))
    parts = [f"<!doctype html><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>"]
    parts += [f'<p><audio controls src="{name}"></audio>' for name in sorted(report["output"]["files"])[:1]]
    parts += [_numbers(report), _steps(report)]
    parts += [f"<p>{html.escape(note)}" for note in report["notes"]]
    parts += [f'<h2>{name.capitalize()}</h2><img src="{name}.png" alt="">' for name in ("waveform", "spectrogram")]
    target = folder / PAGE
    target.write_text("\n".join(parts) + "\n", "utf-8")
    return target


def _numbers(report: dict[str, Any]) -> str:
    before, after = report["loudness"]["before"], report["loudness"]["after"]
    rows = [(label, unit, before[key], after[key]) for key, (label, unit) in _NUMBERS.items()]
    floor = report["noise_floor_dbfs"]
    rows.append(("Noise floor", "dBFS", floor["before"], floor["after"]))
    cells = "".join(
        f"<tr><td>{label}<td>{_shown(first, unit)}<td>{_shown(second, unit)}" for label, unit, first, second in rows
    )
    return f"<table><tr><th><th>Before<th>After{cells}</table>"


def _shown(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.1f} {unit}"


def _steps(report: dict[str, Any]) -> str:
    rows = "".join(f"<tr><td>{html.escape(s['what'])}<td>{html.escape(s['why'])}" for s in report["steps"])
    return f"<h2>What was done, and why</h2><table>{rows}</table>"
