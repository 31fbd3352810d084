"""What is looked at before anything is made: it writes nothing, tells the costs, and refuses in one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.e2e.site import Run, Site, site

_PREFLIGHT = "playbooks/preflight.yml"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("preflight")) as running:
        yield running


def _look(empty: Site, *arguments: str) -> Run:
    run = empty.run(*arguments, playbook=_PREFLIGHT)
    assert run.writes == []
    assert "Traceback" not in run.output
    return run


def _sum(output: str) -> float:
    found = re.search(r"^  sum +(\d+\.\d\d)$", output, re.MULTILINE)
    assert found, output
    return float(found[1])


def test_the_page_tells_what_it_costs_and_what_could_not_be_read(empty: Site) -> None:
    run = _look(empty)
    assert run.code == 0, run.output
    assert "tamma-dev: the account and us-east-1 with its zones are as the inventory says." in run.output
    assert "Quotas: could not be read: GetServiceQuota was refused with" in run.output  # this emulator has none
    assert "Alarms: nobody is told of them; set alarms_receivers." in run.output
    assert re.search(r"1,000 jobs of 20 minutes add \d\.\d\d$", run.output, re.MULTILINE)


def test_what_the_inventory_sets_changes_the_costs(empty: Site) -> None:
    single, none, per_zone = (
        _sum(_look(empty, "-e", f"network_nat={kind}").output) for kind in ("single", "none", "per_az")
    )
    assert none < 3 < single < per_zone
    assert per_zone - none == pytest.approx(3 * (single - none), abs=0.02)


@pytest.mark.parametrize(
    ("playbook", "sentence"),
    [
        (_PREFLIGHT, "The costs cannot be estimated: an input of network, compute, dispatch or storage has a value"),
        ("site.yml", "value of network_nat must be one of: none, single, per_az, got: double"),
    ],
)
def test_a_value_that_does_not_exist_is_named(empty: Site, playbook: str, sentence: str) -> None:
    run = empty.run("--check", "-e", "network_nat=double", playbook=playbook)
    assert run.code != 0
    assert sentence in " ".join(run.output.split())
    assert "Traceback" not in run.output


@pytest.mark.parametrize("arguments", [(), ("--check",)], ids=["run", "check"])
@pytest.mark.parametrize("playbook", [_PREFLIGHT, "site.yml"])
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("naming_account_id=111122223333", "AWS account: the credentials belong to account 000000000000"),
        ("naming_region=us-west-2", "naming_region is us-west-2 and requests go to us-east-1; set AWS_REGION in"),
        ("netwrok_nat=none", "The variable netwrok_nat is set and nothing reads it; did you mean network_nat?"),
        ("preflight_jobs_at_once=0", "Preflight: preflight_jobs_at_once is 1 or more"),
        ('{"naming_zones": ["us-east-1a", "us-east-1x"]}', "us-east-1 has no us-east-1x for this account, it has us-"),
    ],
)  # fmt: skip
def test_a_refusal_is_one_sentence_before_the_first_write(
    empty: Site, playbook: str, given: str, sentence: str, arguments: tuple[str, ...]
) -> None:
    run = empty.run("-e", given, *arguments, playbook=playbook)
    assert run.code != 0
    assert sentence in " ".join(run.output.split())
    assert "Traceback" not in run.output
    assert run.writes == []
