"""docs/dependencies.md names every direct dependency in the section of its file, and nothing that is gone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SOURCES = sorted(
    [*(ROOT / "requirements").glob("*.in"), *(ROOT / "files").glob("*/requirements.in"), ROOT / "local/package.json"]
)


def _name(source: Path) -> str:
    return str(source.relative_to(ROOT))


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _direct(source: Path) -> set[str]:
    text = source.read_text(encoding="utf-8")
    if source.suffix == ".json":
        package = json.loads(text)
        return {*package.get("dependencies", {}), *package.get("devDependencies", {})}
    names = (re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line) for line in text.splitlines())
    return {_canonical(name.group()) for name in names if name}


def _documented() -> dict[str, set[str]]:
    """Packages by the source file that the section's heading names."""
    found: dict[str, set[str]] = {}
    page = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    for section in page.split("\n## ")[1:]:
        heading, _, body = section.partition("\n")
        packages = {_canonical(name) for name in re.findall(r"^\| `([^`]+)`", body, re.MULTILINE)}
        for source in re.findall(r"`([^`]+)`", heading):
            found[source] = packages
    return found


@pytest.mark.parametrize("source", SOURCES, ids=_name)
def test_every_direct_dependency_has_a_reason(source: Path) -> None:
    documented = _documented()
    # The environments share packages with what is deployed; the reason is given once, at what is deployed.
    known = set().union(*documented.values()) if source.parent.name == "requirements" else documented[_name(source)]
    missing = sorted(_direct(source) - known)
    assert not missing, f"docs/dependencies.md does not say what these are for: {missing}"


def test_nothing_is_described_that_nobody_asks_for() -> None:
    asked = set().union(*(_direct(source) for source in SOURCES))
    described = set().union(*_documented().values())
    assert sorted(described - asked) == []
