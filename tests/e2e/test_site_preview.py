"""The preview of an empty account, the converge, and the silence after it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import yaml
from tamma_local.layout import REPOSITORY

from tests.e2e.site import Run, Site, site

_UNKNOWN = "(known after apply)"
# What a silent run of Terraform reads for the same stack ("reads" of docs/benchmarks.md).
_MOST_READS = 171


def _layers() -> list[str]:
    plays = yaml.safe_load((REPOSITORY / "site.yml").read_text())
    lanes = [lane for play in plays for lane in play.get("vars", {}).get("layers", {}).values()]
    return [role for lane in lanes for role in lane]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("preview")) as running:
        yield running


@pytest.fixture(scope="module")
def runs(empty: Site) -> tuple[Run, Run]:
    """Return the preview of the empty account and the converge after it."""
    return empty.preview(), empty.converge()


def assert_silent(run: Run) -> None:
    assert run.last_line == "No changes."
    assert run.writes == []
    assert run.plan["roles"] == []


def test_the_preview_of_an_empty_account_is_complete_and_true(runs: tuple[Run, Run]) -> None:
    preview, applied = runs
    assert preview.writes == []
    assert sorted(applied.touched) == sorted(preview.touched)
    assert {role["role"] for role in preview.plan["roles"]} == set(_layers())
    # AWS makes the default security group with the VPC: it is the one thing that is not created.
    others = [(action, name) for action, _, name in preview.touched if action != "create"]
    assert others == [("update", "default in tamma-dev-vpc")]


def test_every_value_of_the_preview_is_that_of_the_run_or_known_after_it(runs: tuple[Run, Run]) -> None:
    preview, applied = runs
    foretold = {change[:4]: change[5][1] for change in preview.changes}
    done = {change[:4]: change[5][1] for change in applied.changes}
    assert _UNKNOWN not in str(list(done.values()))
    assert _UNKNOWN in foretold.values()
    assert {kind for _, _, kind, _ in foretold} == {kind for _, _, kind, _ in done}
    # AWS lets the default group's own members in, this emulator does not.
    missing = {change for change in foretold.keys() - done.keys() if foretold[change] != _UNKNOWN}
    assert {(name, kind) for _, _, kind, name in missing} <= {("default in tamma-dev-vpc", "Security group")}
    wrong = {change: (value, done[change]) for change, value in foretold.items() if change in done
             and _UNKNOWN not in str(value) and value != done[change]}  # fmt: skip
    assert wrong == {}


def test_silence_after_a_converge(empty: Site, runs: tuple[Run, Run]) -> None:
    del runs
    assert_silent(empty.converge())
    for silent in (empty.converge(), empty.preview()):
        assert_silent(silent)
        assert len(silent.calls) < _MOST_READS


@pytest.mark.parametrize("role", _layers())
def test_silence_of_a_role_alone(empty: Site, runs: tuple[Run, Run], role: str) -> None:
    del runs
    run = empty.converge("--tags", role)
    assert_silent(run)
    assert set(re.findall(r"changed=\d+", run.output)) == {"changed=0"}
