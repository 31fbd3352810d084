"""Every kind of resource passes the same contract, on every emulator that can show it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.ansible_modules import KilledError, Outcome, resource_class, run_module
from tests.contract.case import Case, Drift, Refusal
from tests.contract.emulators import Emulator
from tests.contract.loading import load_cases

CASES = load_cases(Path(__file__).parent / "cases")
STANDS = [pytest.param((case, name), id=f"{case.id}-{name}") for case in CASES for name in case.emulators]


@dataclass
class Stand:
    """One case on one emulator: `empty` is its check mode run on the empty account, `created` its first run."""

    case: Case
    aws: Emulator
    empty: Outcome
    created: Outcome
    as_declared: bool = False
    """Whether the last thing that happened was a silent run with `present`."""

    def restore(self) -> None:
        """Bring the resource back to `present` after whatever a test left."""
        if not self.as_declared:
            self.run()
        self.as_declared = False

    def run(self, *, check: bool = False, without: str = "", **options: Any) -> Outcome:
        """Run the module with `present`, laid over with options; nothing may fail."""
        outcome = _run(self.case, self.aws, options, check=check, without=without)
        assert not outcome.failed, outcome.message
        if check:
            assert outcome.writes == [], "check mode wrote"
        return outcome

    def remove(self, *, check: bool = False) -> Outcome:
        """Run the module with `state: absent`."""
        identity = {name: self.case.present[name] for name in _identity(self.case)}
        options = {**identity, **self.case.absent, "state": "absent"}
        connect, recorder = self.aws.recorded_client, self.aws.recorder
        outcome = run_module(self.case.module, options, check=check, connect=connect, recorder=recorder)
        assert not outcome.failed, outcome.message
        return outcome

    def renew(self) -> None:
        """Empty the account and make the parents again."""
        self.aws.reset()
        self.as_declared = False
        if self.case.parents:
            self.case.parents(self.aws)

    def become(self, state: str) -> Outcome:
        """Run the module for what a story calls absent, present or changed."""
        if state == "absent":
            return self.remove()
        left_out = {name for name in self.case.changed if f"{name}@{self.aws.emulator}" in self.case.why_not}
        changed = {name: value for name, value in self.case.changed.items() if name not in left_out}
        return self.run(**(changed if state == "changed" else {}))

    def is_killed(self, state: str, after_writes: int) -> bool:
        """Run the module, ended as soon as so many writing calls were answered; tell whether it came to that."""
        try:
            with self.aws.recorder.killing(after_writes):
                self.become(state)
        except KilledError:
            return True
        return False

    def assert_silent(self) -> None:
        """Hold the resource to a run that finds nothing to do and writes nothing."""
        outcome = self.run()
        assert not outcome.changed, _changes(outcome)
        assert outcome.writes == []
        self.as_declared = True

    def assert_repaired(self, name: str) -> None:
        """Hold the module to a report of this property, the repair and silence after it."""
        report = self.run(check=True)
        assert report.changed, f"check mode did not see that {name} is wrong"
        along = {*resource_class(self.case.module).renewed, *self.case.follows} - {name}
        assert report.differs - along == {name}
        assert self.run().changed
        self.assert_silent()


def _run(case: Case, aws: Emulator, options: Mapping[str, Any], *, check: bool = False, without: str = "") -> Outcome:
    shown = {name: value for name, value in case.present.items() if f"{name}@{aws.emulator}" not in case.why_not}
    kept = {name: value for name, value in {**shown, **options}.items() if name != without}
    return run_module(case.module, kept, check=check, connect=aws.recorded_client, recorder=aws.recorder)


def _identity(case: Case) -> list[str]:
    return [name for name in resource_class(case.module).identity if name in case.present]


def _changes(outcome: Outcome) -> str:
    return "; ".join(f"{name}: {outcome.before.get(name)} -> {outcome.after.get(name)}" for name in outcome.differs)


@pytest.fixture(scope="module")
def stands() -> dict[str, Stand]:
    """Hold the stand that is up: one at most."""
    return {}


@pytest.fixture
def stand(request: pytest.FixtureRequest, emulator: Callable[[str], Emulator], stands: dict[str, Stand]) -> Stand:
    """Return the stand of a case; a new one empties the account, asks check mode, makes the parents, creates."""
    case, name = request.param
    key = f"{case.id}-{name}"
    if key not in stands:
        stands.clear()
        aws = emulator(name)
        aws.reset()
        empty = _run(case, aws, {}, check=True)
        if case.parents:
            case.parents(aws)
        stands[key] = Stand(case, aws, empty, _run(case, aws, {}))
    return stands[key]


def _with(pick: Callable[[Case], Any]) -> list[Any]:
    """Return test parameters: every stand with every item that `pick` finds in its case."""
    return [
        pytest.param((case, name), item, id=f"{case.id}-{name}-{label}", marks=_skip(case, name, label, why))
        for case in CASES
        for name in case.emulators
        for label, item, why in pick(case)
    ]


def _skip(case: Case, emulator_name: str, label: str, why: Mapping[str, str]) -> list[pytest.MarkDecorator]:
    name, _, _ = label.partition(":")
    reason = why.get(emulator_name) or case.why_not.get(f"{name}@{emulator_name}")
    return [pytest.mark.skip(reason=f"{emulator_name}: {reason}")] if reason else []


def _changed(case: Case) -> list[tuple[str, str, Mapping[str, str]]]:
    return [(name, name, {}) for name in case.changed]


def _drifts(case: Case) -> list[tuple[str, Drift, Mapping[str, str]]]:
    return [
        (f"{item.property}:{item.label}" if item.label else item.property, item, item.why_not) for item in case.drift
    ]


def _refusals(case: Case) -> list[tuple[str, Refusal, Mapping[str, str]]]:
    return [(item.label or "+".join(item.options), item, item.why_not) for item in case.refused]


@pytest.mark.parametrize("stand", STANDS, indirect=True)
def test_check_mode_on_an_empty_account_reports_a_creation(stand: Stand) -> None:
    assert not stand.empty.failed, stand.empty.message
    assert stand.empty.result["action"] == "create"
    assert stand.empty.changed
    assert stand.empty.writes == []
    assert stand.empty.before == {}
    for name in resource_class(stand.case.module).computed:
        assert stand.empty.after[name] == "(known after apply)"


@pytest.mark.parametrize("stand", STANDS, indirect=True)
def test_creation_then_silence(stand: Stand) -> None:
    assert not stand.created.failed, stand.created.message
    assert stand.created.changed
    assert stand.created.writes != []
    stand.assert_silent()
    assert not stand.run(check=True).changed


@pytest.mark.parametrize(("stand", "name"), _with(_changed), indirect=["stand"])
def test_changed_property(stand: Stand, name: str) -> None:
    other = {name: stand.case.changed[name]}
    stand.restore()
    report = stand.run(check=True, **other)
    assert report.changed
    assert name in report.differs
    assert stand.run(**other).changed
    again = stand.run(**other)
    assert not again.changed, _changes(again)
    if name not in resource_class(stand.case.module).needed:
        omitted = stand.run(without=name, **other)
        assert not omitted.changed, f"an omitted option was touched: {_changes(omitted)}"
    if name in stand.case.present:
        stand.assert_repaired(name)


@pytest.mark.parametrize(("stand", "drift"), _with(_drifts), indirect=["stand"])
def test_drift_is_reported_and_repaired(stand: Stand, drift: Drift) -> None:
    stand.restore()
    drift.act(stand.aws)
    stand.assert_repaired(drift.property)


@pytest.mark.parametrize(("stand", "refusal"), _with(_refusals), indirect=["stand"])
def test_refusal(stand: Stand, refusal: Refusal) -> None:
    stand.restore()
    outcome = _run(stand.case, stand.aws, refusal.options, check=True)
    assert outcome.failed
    assert refusal.words in outcome.message
    assert outcome.message.endswith(".")
    assert outcome.writes == []


@pytest.mark.parametrize("stand", STANDS, indirect=True)
def test_deletion_then_quiet(stand: Stand) -> None:
    stand.restore()
    report = stand.remove(check=True)
    assert report.changed
    assert report.writes == []
    assert report.after == {}
    assert stand.remove().changed
    again = stand.remove()
    assert not again.changed
    assert again.writes == []


@dataclass(frozen=True)
class Story:
    """What there was before, what the killed run was for, and what the next run is for."""

    before: str
    killed: str
    then: str


STORIES = {
    "creation": Story("absent", "present", "present"),
    "creation-taken-back": Story("absent", "present", "absent"),
    "update": Story("present", "changed", "changed"),
    "deletion": Story("present", "absent", "absent"),
}


def _stories(case: Case) -> list[tuple[str, Story, Mapping[str, str]]]:
    return [(label, item, {}) for label, item in STORIES.items() if case.changed or item.killed != "changed"]


@pytest.mark.parametrize(("stand", "story"), _with(_stories), indirect=["stand"])
def test_a_run_killed_after_any_writing_call_is_completed_by_the_next(
    stand: Stand, story: Story, stands: dict[str, Stand]
) -> None:
    stands.clear()  # the account will not be what the other tests expect
    made: list[Counter[str]] = []
    for writes in itertools.count(1):
        stand.renew()
        if story.before == "present":
            stand.become("present")
        start = len(stand.aws.recorder.calls)
        killed = stand.is_killed(story.killed, writes)
        if killed:
            stand.become(story.then)
        made.append(Counter(call for call in stand.aws.recorder.calls[start:] if _makes_anew(call)))
        if not killed:
            break
        again = stand.become(story.then)
        assert not again.changed, f"after {writes} writing calls: {_changes(again)}"
        assert again.writes == []
    assert len(made) > 1, "the run wrote nothing"
    twice = [again - made[-1] for again in made]
    assert not any(twice), f"made a second time, which leaves the first one behind: {twice}"


def _makes_anew(call: str) -> bool:
    operation = call.partition(":")[2]
    return operation.startswith(("Create", "Allocate", "Publish", "Register")) and not operation.endswith("Tags")
