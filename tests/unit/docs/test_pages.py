"""What the pages point at exists: files, headings, make targets, alarms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "roles").glob("*/README.md")),
    *sorted((ROOT / "benchmarks").glob("*/README.md")),
]
ALARMS = [
    alarm["name"]
    for alarm in yaml.safe_load((ROOT / "roles/alarms/vars/main.yml").read_text(encoding="utf-8"))["__alarms_all"]
]
# `make target` in prose, and a command line of its own in a code block.
_MAKE = re.compile(r"(?:`|^\s*\$ )make ([a-z0-9-]+)", re.MULTILINE)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _prose(page: Path) -> str:
    """The page without its code blocks, in which brackets are no links."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", _prose(page))
    broken = []
    for link in (first or second for first, second in links):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and anchor not in _anchors(path)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(_MAKE.findall(page.read_text(encoding="utf-8")))
    assert sorted(named - targets) == []


@pytest.mark.parametrize("alarm", ALARMS)
def test_every_alarm_has_a_runbook(alarm: str) -> None:
    page = ROOT / f"docs/runbooks/{alarm}.md"
    assert page.is_file()
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {alarm}\n")
    assert text.index("## Why it fired") < text.index("## What to do")


def test_every_decision_is_listed_in_order() -> None:
    folder = ROOT / "docs/decisions"
    records = [path.name for path in sorted(folder.glob("0*.md"))]
    listed = re.findall(r"\]\((\d{4}-[a-z0-9-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert listed == records
    assert [int(name[:4]) for name in records] == list(range(1, len(records) + 1))


def test_every_role_explains_itself() -> None:
    for role in sorted((ROOT / "roles").iterdir()):
        if not (role / "tasks/main.yml").is_file():
            continue
        text = (role / "README.md").read_text(encoding="utf-8")
        assert text.startswith(f"# {role.name}\n"), role.name
        for heading in ("## Example", "## What teardown deletes", "## Variables"):
            assert heading in text, f"{role.name}: {heading}"
