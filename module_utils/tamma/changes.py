"""What a run changed or would change, gathered from task results: resources by role, properties by path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.tamma.plan import UNKNOWN

ACTIONS = ("create", "update", "delete", "none")
_LABELS = ("name", "Name", "Sid", "sid", "Id", "id", "key", "Key", "destination")  # what a person calls an element by
_PLAIN_KEY = re.compile(r"[\w:/-]+")


@dataclass(frozen=True)
class Change:
    """One property by its path, for example `redrive_policy.max_receive_count`; None stands for not set."""

    property: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Outcome:
    """What happened, or would happen, to one resource; `applied` is False in check mode."""

    action: str
    kind: str
    name: str
    task: str
    changes: tuple[Change, ...] = ()
    applied: bool = True


@dataclass(frozen=True)
class Failure:
    """One error, with the sentence that the task gave, on a host or on several, separated by commas."""

    role: str
    task: str
    host: str
    message: str


def merged(failures: Iterable[Failure]) -> list[Failure]:
    """Return what several hosts say in the same words once, with all of them."""
    hosts: dict[tuple[str, str, str], list[str]] = {}
    for one in failures:
        hosts.setdefault((one.role, one.task, one.message), []).append(one.host)
    return [
        Failure(role, task, ", ".join(sorted(set(names))), message) for (role, task, message), names in hosts.items()
    ]


@dataclass
class Summary:
    """All outcomes of a run by role, in order of first appearance, and its errors."""

    roles: dict[str, list[Outcome]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    reads: int | None = None
    writes: int | None = None
    checking: bool = False
    """Whether some task ran in check mode; it decides only when no resource was looked at."""

    @property
    def outcomes(self) -> list[Outcome]:
        """Every outcome, those that need no change too."""
        return [outcome for outcomes in self.roles.values() for outcome in outcomes]

    @property
    def preview(self) -> bool:
        """Whether nothing was done: every resource was looked at in check mode."""
        outcomes = self.outcomes
        return not any(outcome.applied for outcome in outcomes) if outcomes else self.checking

    @property
    def worth_telling(self) -> bool:
        """Whether the run looked at a resource or failed; a playbook that only reads has nothing to sum up."""
        return bool(self.outcomes or self.failures)

    def counts(self, role: str | None = None) -> dict[str, int]:
        """Count the outcomes by action; what check mode left undone in a real run is not counted."""
        outcomes = self.outcomes if role is None else self.roles[role]
        told = [outcome.action for outcome in outcomes if self.preview or outcome.applied]
        return {action: told.count(action) for action in ACTIONS}

    def add(self, role: str, outcome: Outcome) -> None:
        """Take note of an outcome."""
        self.roles.setdefault(role, []).append(outcome)

    def count_calls(self, result: Mapping[str, Any]) -> None:
        """Add a result's API calls; without any counted result the numbers stay None."""
        calls = result.get("api_calls")
        if isinstance(calls, Mapping):
            self.reads = (self.reads or 0) + int(calls.get("read", 0))
            self.writes = (self.writes or 0) + int(calls.get("write", 0))

    def as_json(self, seconds: float | None) -> dict[str, Any]:
        """Return the summary as plain data, with every value in full; roles without a change are left out."""
        listed = {role: [one for one in outcomes if one.action != "none"] for role, outcomes in self.roles.items()}
        return {
            "check_mode": self.preview,
            "counts": self.counts(),
            "errors": [vars(failure) for failure in self.failures],
            "seconds": seconds,
            "api_calls": None if self.reads is None else {"read": self.reads, "write": self.writes},
            "roles": [
                {"role": role, "changes": [_outcome_as_json(outcome) for outcome in outcomes]}
                for role, outcomes in listed.items()
                if outcomes
            ],
        }


def _outcome_as_json(outcome: Outcome) -> dict[str, Any]:
    return {**vars(outcome), "changes": [vars(change) for change in outcome.changes]}


def outcome_of(result: Mapping[str, Any], task: str, *, applied: bool) -> Outcome | None:
    """Return what a result says about a resource, or None when it says nothing.

    A result that changed something without naming an action is an update of what its task is about, so that nothing is
    hidden.
    """
    action = result.get("action")
    if action not in ACTIONS:
        if not result.get("changed"):
            return None
        action = "update"
    diffs = _diffs(result)
    kind, name = _kind_and_name(diffs) if result.get("action") in ACTIONS else ("", "")
    if not name:
        kind, name = "", task
    if action == "none":
        return Outcome(action, kind, name, task, applied=applied)
    known = result.get("resource") if applied else None
    changes = (change for diff in diffs for change in _changes(action, diff, known))
    return Outcome(action, kind, name, task, tuple(changes), applied)


def _diffs(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    diffs = result.get("diff")
    return [diff for diff in (diffs if isinstance(diffs, list) else [diffs]) if isinstance(diff, Mapping)]


def _kind_and_name(diffs: list[Mapping[str, Any]]) -> tuple[str, str]:
    """Return what a module of ours calls the resource; other modules' diffs do not say it."""
    named = (diff for diff in diffs if "kind" in diff and "name" in diff)
    return next(((str(diff["kind"]), str(diff["name"])) for diff in named), ("", ""))


def _changes(action: str, diff: Mapping[str, Any], known: Any) -> Iterator[Change]:
    before, after = diff.get("before"), diff.get("after")
    if isinstance(after, Mapping) and isinstance(known, Mapping):
        after = _with_what_is_known(after, known)
    if isinstance(before, str) or isinstance(after, str):
        yield from differences(before or "", after or "", "content")
    elif action == "create":
        yield from (Change(str(key), None, value) for key, value in (after or {}).items())
    elif action == "delete":
        yield from (Change(str(key), value, None) for key, value in (before or {}).items())
    else:
        yield from differences(before or {}, after or {})


def _with_what_is_known(value: Any, known: Any) -> Any:
    """Put what AWS has decided by now in the place of what could not be known, in maps within maps as well."""
    if value == UNKNOWN:
        return known
    if isinstance(value, Mapping) and isinstance(known, Mapping):
        return {key: _with_what_is_known(item, known.get(key, item)) for key, item in value.items()}
    return value


def differences(before: Any, after: Any, path: str = "") -> Iterator[Change]:
    """Yield what differs, as deep as both sides have the same shape; a list of plain values is one property."""
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*after, *(key for key in before if key not in after)]:
            yield from differences(before.get(key), after.get(key), _join(path, str(key)))
        return
    pairs = _pairs(before, after) if isinstance(before, list) and isinstance(after, list) else []
    for label, old, new in pairs:
        yield from differences(old, new, f"{path}[{label}]")
    if not pairs:
        yield Change(path, before, after)


def _join(path: str, key: str) -> str:
    if not path:
        return key
    return f"{path}.{key}" if _PLAIN_KEY.fullmatch(key) else f"{path}[{key}]"


def without(items: list[Any], others: list[Any]) -> list[Any]:
    """Return the items that are not among the others; an item that is there twice counts twice."""
    rest, kept = list(others), []
    for item in items:
        if item in rest:
            rest.remove(item)
        else:
            kept.append(item)
    return kept


def _pairs(before: list[Any], after: list[Any]) -> list[tuple[str, Any, Any]]:
    """Match changed elements of two lists of dicts with what they were; additions and removals have one side alone."""
    gone, new = without(before, after), without(after, before)
    if not all(isinstance(element, dict) for element in [*gone, *new]):
        return []
    pairs: list[tuple[str, Any, Any]] = []
    for element in new:
        old = _closest(element, gone)
        if old is not None:
            gone.remove(old)
        pairs.append((_label(element, after.index(element)), old, element))
    return pairs + [(_label(element, before.index(element)), element, None) for element in gone]


def _closest(element: dict[str, Any], candidates: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the candidate with the most values in common, if that is at least half of them."""
    shared = [len([key for key in element if key in one and one[key] == element[key]]) for one in candidates]
    most = max(shared, default=0)
    if not most or 2 * most < len(element):
        return None
    return candidates[shared.index(most)]


def _label(element: dict[str, Any], place: int) -> str:
    return next((str(element[key]) for key in _LABELS if isinstance(element.get(key), str)), str(place))
