"""Modules say the same inside Ansible's workers as in processes of their own."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.ansible_modules import resource_class
from tests.contract import emulators
from tests.contract.case import Case
from tests.contract.emulators import Emulator
from tests.contract.loading import load_cases
from tests.contract.playing import Step, play
from tests.contract.test_upstream_modules import KINDS

CASES = [case for case in load_cases(Path(__file__).parent / "cases") if "ministack" in case.emulators]
_COMPARED = (
    "changed",
    "failed",
    "skipped",
    "action",
    "diff",
    "resource",
    "msg",
    "warnings",
    "policy",
    "iam_instance_profile",
)
# What every run decides anew: ids, ports, public addresses (of ministack: 52.x) and moments.
_ANEW = re.compile(
    r"\b(?:[a-z]+-[0-9a-f]{8,17}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|127\.0\.0\.1:\d+|52(?:\.\d{1,3}){3}|A[A-Z0-9]{15,20}"
    r"|\d{4}-\d\d-\d\dT[\d:.+Z-]+)\b"
)


def _steps(aws: Emulator) -> list[Step]:
    """Return, for each case, the way from an empty account to an empty account."""
    steps = []
    for case in CASES:
        shown = {name: value for name, value in case.present.items() if f"{name}@ministack" not in case.why_not}
        identity = {name: case.present[name] for name in resource_class(case.module).identity if name in case.present}
        steps += [
            Step(f"{case.id}: prepare", act=lambda case=case: _prepare(aws, case)),
            Step(f"{case.id}: check", case.module, shown, check=True),
            Step(f"{case.id}: create", case.module, shown),
            Step(f"{case.id}: again", case.module, shown),
            Step(f"{case.id}: delete", case.module, {**identity, **case.absent, "state": "absent"}),
        ]
    for kind in KINDS:
        steps += [
            Step(f"{kind.module}: prepare", act=lambda kind=kind: kind.prepare(aws)),
            Step(f"{kind.module}: check", kind.module, kind.present, check=True),
            Step(f"{kind.module}: create", kind.module, kind.present),
            Step(f"{kind.module}: again", kind.module, kind.present),
            Step(f"{kind.module}: delete", kind.module, kind.absent),
        ]
    return steps


def _prepare(aws: Emulator, case: Case) -> None:
    aws.reset()
    if case.parents:
        case.parents(aws)


def _play(folder: Path, mode: str) -> dict[str, dict[str, Any]]:
    folder.mkdir()
    with emulators.ministack(folder) as aws:
        return play(aws, _steps(aws), folder, TAMMA_WARM=mode)


def _comparable(result: dict[str, Any]) -> Any:
    kept = {name: result[name] for name in _COMPARED if name in result}
    return json.loads(_ANEW.sub("(anew)", json.dumps(kept, sort_keys=True)))


def test_warm_and_plain_runs_give_the_same_results(tmp_path: Path) -> None:
    modes = ("1", "0")
    with ThreadPoolExecutor() as pool:
        warm, plain = pool.map(lambda mode: _play(tmp_path / mode, mode), modes)
    assert all("api_calls" in result for result in warm.values()), "this was no warm run"
    assert warm.keys() == plain.keys()
    for label, result in warm.items():
        assert result["changed"] is not label.endswith(": again"), label
        assert _comparable(result) == _comparable(plain[label]), label
