"""The difference between what is and what shall be, computed without touching the account."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

State = dict[str, Any]
Action = Literal["create", "update", "delete", "none"]

UNKNOWN = "(known after apply)"
HIDDEN_BEFORE = "(hidden, current)"
HIDDEN_AFTER = "(hidden, new)"


@dataclass(frozen=True)
class Plan:
    """What a run will do to one resource; `changes` maps a property to its value before and after."""

    action: Action
    before: State
    after: State
    changes: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether the account differs from the plan."""
        return self.action != "none"

    def wanted(self) -> State:
        """Return the new value of every property that changes."""
        return {name: after for name, (_, after) in self.changes.items()}


def overlay(current: Any, desired: Any, spec: dict[str, Any]) -> Any:
    """Lay desired values over current ones; a suboption that is not given keeps its current value."""
    options = spec.get("options")
    if not options or not isinstance(desired, dict) or spec.get("type") != "dict":
        return desired
    base = dict(current) if isinstance(current, dict) else {}
    for name, value in desired.items():
        base[name] = overlay(base.get(name), value, options.get(name, {}))
    return base


def given(value: Any) -> Any:
    """Drop the options that were not given: Ansible fills them in as None, at every depth."""
    if isinstance(value, dict):
        return {key: given(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [given(item) for item in value]
    return value


def plan_present(
    current: State | None,
    desired: State,
    spec: dict[str, Any],
    computed: tuple[str, ...],
    renewed: tuple[str, ...] = (),
) -> Plan:
    """Plan a resource that shall exist.

    Properties that AWS alone decides are `(known after apply)`: the computed ones on creation, the renewed ones also
    whenever something changes.
    """
    if current is None:
        after = {**desired, **dict.fromkeys(computed, UNKNOWN)}
        return Plan("create", {}, after, {name: (None, value) for name, value in desired.items()})
    after = dict(current)
    for name, value in desired.items():
        after[name] = overlay(current.get(name), value, spec.get(name, {}))
    changes = {name: (current.get(name), after[name]) for name in desired if after[name] != current.get(name)}
    if not changes:
        return Plan("none", current, current)
    return Plan("update", current, {**after, **dict.fromkeys(renewed, UNKNOWN)}, changes)


def plan_absent(current: State | None) -> Plan:
    """Plan a resource that shall not exist."""
    if current is None:
        return Plan("none", {}, {})
    return Plan("delete", current, {})


def veil(plan: Plan, hidden: frozenset[str]) -> Plan:
    """Return the plan as it may be shown: values of hidden properties are replaced, whether they change is kept."""
    if not hidden:
        return plan
    before = {key: HIDDEN_BEFORE if key in hidden else value for key, value in plan.before.items()}
    after = {
        key: value if key not in hidden else (HIDDEN_AFTER if key in plan.changes else HIDDEN_BEFORE)
        for key, value in plan.after.items()
    }
    changes = {key: (before.get(key), after[key]) for key in plan.changes}
    return Plan(plan.action, before, after, changes)


def difference(kind: str, name: str, plan: Plan) -> dict[str, Any]:
    """Return the plan as the `diff` of a module's result, for Ansible to print and for the summary to take apart."""
    header = f"{kind} {name}"
    headers = {"before_header": header, "after_header": header, "kind": kind, "name": name}
    return {**headers, "before": plan.before, "after": plan.after}
