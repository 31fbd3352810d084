"""What a runbook tells people to type exists: playbooks, variables of make and of Ansible, runbooks by name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.plugins.test_misspelt_inputs import PLUGIN
from tests.unit.roles.roles_tree import ROLES

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "docs/runbooks"
RUNBOOKS = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
# What stands at the beginning of code and begins like a variable of a role: `network_nat: none`, `network_nat`.
_VARIABLE = re.compile(rf"`((?:{'|'.join(ROLES)})_[a-z_]+)\b")
_MAKE_LINE = re.compile(r"make [a-z-]+((?: [A-Z_]+=(?:\"[^\"]*\"|\S+))+)")


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_variables_of_ansible_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = {*re.findall(r"-e ([a-z_]+)=", text), *_VARIABLE.findall(text)}
    assert list(PLUGIN.sentences(sorted(named), strict=True)) == []


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_variables_of_make_exist(page: Path) -> None:
    named = set(re.findall(r"([A-Z_]+)=", " ".join(_MAKE_LINE.findall(page.read_text(encoding="utf-8")))))
    known = set(re.findall(r"\$\(([A-Z_]+)\)|call quoted,([A-Z_]+)", MAKEFILE))
    assert named <= {first or second for first, second in known}


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_playbooks_exist(page: Path) -> None:
    for name in re.findall(r"playbooks/([a-z_]+\.yml)", page.read_text(encoding="utf-8")):
        assert (ROOT / "playbooks" / name).is_file(), name


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_a_runbook_says_what_to_do_and_when_all_is_well(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem}\n") or page.stem in {"teardown", "interrupted-run"}
    assert "## What to do" in text
    assert "All is well" in text
    assert re.search(r"^ *\$ |`make ", text, re.MULTILINE), "It names a command."


def test_every_runbook_is_listed() -> None:
    listed = re.findall(r"\]\(([a-z-]+\.md)\) \|", (FOLDER / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == [page.name for page in RUNBOOKS]
