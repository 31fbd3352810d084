"""docs/presets.md says what the presets and the errors in the code say."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from tamma_worker import presets

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/presets.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| `")]
INTERNAL = {
    "configuration",
    "no_ffmpeg",
    "missing_report",
    "own_result",
}  # of the operator and the command line, never in a row


def _db(value: float) -> str:
    return f"{value:g} dB" if value else "off"


@pytest.mark.parametrize("name", presets.all_presets())
def test_a_row_for_each_preset(name: str) -> None:
    chosen = presets.preset(name)
    (row,) = (row for row in ROWS if row[0] == f"`{name}`")
    stages = [_db(getattr(chosen, field)) for field in ("denoise_db", "deess_db", "level_db")]
    expected = [
        f"−{-chosen.loudness_lufs:g} LUFS" if chosen.cleans else "as it is",  # noqa: RUF001 (a minus in prose)
        f"{chosen.highpass_hz:g} Hz" if chosen.cleans else "off",
        *(stages if chosen.cleans else ["off"] * 3),
        f"{chosen.max_pause_seconds:g} s at most" if chosen.max_pause_seconds else "kept",
        ", ".join(chosen.formats),
    ]
    assert row[2:] == expected


def test_a_row_for_each_field_that_may_change() -> None:
    told = {row[0].strip("`"): row[1:3] for row in ROWS if len(row) == 4}
    ranges = {name: [f"{least:g}", f"{most:g}"] for name, (least, most) in presets._RANGES.items()}
    assert told == {**ranges, **{key: ["false", "true"] for key in presets._SWITCHES}, "formats": ["", ""]}


def test_the_limits() -> None:
    chosen = presets.preset("podcast")
    told = {row[0].strip("`"): row[1] for row in ROWS if len(row) == 3}
    assert told == {
        "max_bytes": f"{chosen.max_bytes >> 30} GiB",
        "max_seconds": f"{chosen.max_seconds / 3600:g} hours",
        "max_channels": str(chosen.max_channels),
        "min_sample_rate_hz": f"{chosen.min_sample_rate_hz:,}",
        "max_sample_rate_hz": f"{chosen.max_sample_rate_hz:,}",
    }


def _codes() -> set[str]:
    """The first argument of every error of ours that the worker raises."""
    found = set()
    for path in (ROOT / "files/worker/src/tamma_worker").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and len(node.args) == 2 and isinstance(node.args[0], ast.Constant):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in {"BadInputError", "MissingInputError", "TemporaryError", "ConfigurationError"}:
                    found.add(str(node.args[0].value))
    return found - INTERNAL


def test_every_error_code_is_explained() -> None:
    explained = {code.strip("` ") for row in ROWS if len(row) == 2 for code in row[0].split(",")}
    assert explained == _codes()
