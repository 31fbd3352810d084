"""The plan engine: what is reported, what is written, what is left alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

import tests.ansible_modules  # noqa: F401 - makes ansible.module_utils.tamma importable

from ansible.module_utils.tamma.plan import (  # isort: skip
    HIDDEN_AFTER,
    HIDDEN_BEFORE,
    UNKNOWN,
    Plan,
    given,
    overlay,
    plan_absent,
    plan_present,
    veil,
)

SPEC: dict[str, Any] = {
    "size": {"type": "int"},
    "scaling": {"type": "dict", "options": {"least": {"type": "int"}, "most": {"type": "int"}}},
    "labels": {"type": "dict"},
}


def test_a_missing_resource_is_created_with_what_is_given() -> None:
    plan = plan_present(None, {"size": 1}, SPEC, ("arn",))
    assert plan == Plan("create", {}, {"size": 1, "arn": UNKNOWN}, {"size": (None, 1)})
    assert plan.wanted() == {"size": 1}
    assert plan.changed


def test_an_omitted_option_is_neither_compared_nor_written() -> None:
    plan = plan_present({"size": 1, "labels": {"a": "1"}, "arn": "x"}, {"size": 1}, SPEC, ("arn",))
    assert plan.action == "none"
    assert not plan.changed
    assert plan.after == plan.before


def test_only_what_differs_is_written() -> None:
    plan = plan_present({"size": 1, "labels": {"a": "1"}}, {"size": 2, "labels": {"a": "1"}}, SPEC, ())
    assert plan.action == "update"
    assert plan.changes == {"size": (1, 2)}
    assert plan.wanted() == {"size": 2}


def test_a_dict_without_suboptions_is_replaced_as_a_whole() -> None:
    plan = plan_present({"labels": {"a": "1", "foreign": "1"}}, {"labels": {"a": "1"}}, SPEC, ())
    assert plan.wanted() == {"labels": {"a": "1"}}


def test_a_suboption_that_is_not_given_keeps_its_value() -> None:
    current = {"scaling": {"least": 1, "most": 5}}
    assert plan_present(current, {"scaling": {"most": 5}}, SPEC, ()).action == "none"
    assert plan_present(current, {"scaling": {"most": 6}}, SPEC, ()).wanted() == {"scaling": {"least": 1, "most": 6}}


def test_overlay_reaches_every_depth_and_keeps_its_inputs() -> None:
    spec = {"type": "dict", "options": {"inner": {"type": "dict", "options": {"a": {}, "b": {}}}}}
    current = {"inner": {"a": 1, "b": 2}}
    assert overlay(current, {"inner": {"b": 3}}, spec) == {"inner": {"a": 1, "b": 3}}
    assert current == {"inner": {"a": 1, "b": 2}}
    assert overlay(None, {"inner": {"b": 3}}, spec) == {"inner": {"b": 3}}


def test_renewed_properties_are_unknown_only_when_something_changes() -> None:
    current = {"size": 1, "version": 4}
    assert plan_present(current, {"size": 1}, SPEC, (), ("version",)).after["version"] == 4
    assert plan_present(current, {"size": 2}, SPEC, (), ("version",)).after["version"] == UNKNOWN


def test_given_drops_what_ansible_fills_in_and_keeps_what_was_said() -> None:
    options = {"a": None, "b": {"c": None, "d": False}, "e": [{"f": None, "g": 0}], "h": "", "i": []}
    assert given(options) == {"b": {"d": False}, "e": [{"g": 0}], "h": "", "i": []}


def test_absence() -> None:
    assert plan_absent(None) == Plan("none", {}, {})
    assert plan_absent({"size": 1}) == Plan("delete", {"size": 1}, {})


def test_hidden_values_show_whether_they_change_and_nothing_else() -> None:
    plan = plan_present({"key": "old", "size": 1}, {"key": "new", "size": 1}, {}, ())
    shown = veil(plan, frozenset({"key"}))
    assert shown.before == {"key": HIDDEN_BEFORE, "size": 1}
    assert shown.after == {"key": HIDDEN_AFTER, "size": 1}
    assert shown.changes == {"key": (HIDDEN_BEFORE, HIDDEN_AFTER)}
    same = veil(plan_present({"key": "old", "size": 1}, {"size": 2}, {}, ()), frozenset({"key"}))
    assert same.after == {"key": HIDDEN_BEFORE, "size": 2}
    assert "old" not in repr(veil(plan_absent({"key": "old"}), frozenset({"key"})))


_VALUES = st.none() | st.integers(-2, 2) | st.text("ab", max_size=2) | st.lists(st.integers(0, 2), max_size=2)
_SCALING = st.fixed_dictionaries({}, optional={"least": st.integers(0, 2), "most": st.integers(0, 2)})
_STATES = st.fixed_dictionaries(
    {}, optional={"size": _VALUES, "scaling": _SCALING, "labels": st.dictionaries(st.text("ab", max_size=1), st.text())}
)


@for_all(current=st.none() | _STATES, desired=_STATES)
def test_what_was_applied_needs_no_second_run(current: dict[str, Any] | None, desired: dict[str, Any]) -> None:
    plan = plan_present(current, desired, SPEC, ())
    reached = {**(current or {}), **plan.wanted()}
    assert plan_present(reached, desired, SPEC, ()).action == "none"


@for_all(current=_STATES, desired=_STATES)
def test_nothing_is_written_that_was_not_asked_for(current: dict[str, Any], desired: dict[str, Any]) -> None:
    plan = plan_present(current, desired, SPEC, ())
    assert set(plan.wanted()) <= set(desired)
    assert {name: value for name, value in plan.after.items() if name not in desired} == {
        name: value for name, value in current.items() if name not in desired
    }


@pytest.mark.parametrize("action", ["create", "update", "delete"])
def test_every_action_but_none_is_a_change(action: Any) -> None:
    assert Plan(action, {}, {}).changed
