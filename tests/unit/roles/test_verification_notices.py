"""The independent verification of Molecule can fail: what it must notice, it notices."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from tests.unit.roles.roles_tree import ROOT


@pytest.fixture
def scenario(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a program of the scenario the way it runs: with its own folder first on the path."""
    monkeypatch.syspath_prepend(str(ROOT / "molecule" / "default"))
    return import_module


def _statement(**changes: Any) -> dict[str, Any]:
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    } | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"Effect": "Allow"},
        {"Principal": {"AWS": "arn:aws:iam::123456789012:root"}},
        {"Action": "s3:GetObject"},
        {"Resource": ["arn:aws:s3:::b/*"]},
        {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
        {"Condition": {"Bool": {"aws:SecureTransport": "false"}, "StringEquals": {"aws:PrincipalOrgID": "o-1"}}},
        {"Condition": {}},
    ],
    ids=str,
)
def test_a_policy_that_lets_plain_http_through(scenario: Any, changes: dict[str, Any]) -> None:
    denies = scenario("stack_checks.data")._denies_plain_http
    assert denies(_statement(), "b")
    assert not denies(_statement(**changes), "b")


def test_what_was_made_changed_and_deleted(scenario: Any) -> None:
    differences = scenario("account").differences
    assert differences({"a": "1", "b": "1"}, {"a": "1", "b": "1"}) == []
    found = differences({"a": "1", "b": "1"}, {"b": "2", "c": "1"})
    assert found == ["c was not there before", "a is gone", "b changed from 1 to 2"]


def test_a_difference_fails_the_run_and_hides_no_other(scenario: Any, capsys: pytest.CaptureFixture[str]) -> None:
    module = scenario("stack_checks.report")
    report = module.Report(module.Stack())
    with report.row("1"):
        report.same("a", 1, 1)
        report.only("b", [])
    with report.row("2"):
        report.tags("c", [{"Key": "Project", "Value": "other"}])
    assert len(report.differences) == 3
    assert report.checks == 4
    assert "FAIL c: tags" in capsys.readouterr().out
