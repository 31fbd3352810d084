"""What differs, by path, and how a person reads it."""

from __future__ import annotations

from typing import Any

import pytest

import tests.ansible_modules  # noqa: F401 - makes ansible.module_utils.tamma importable

from ansible.module_utils.tamma.changes import Failure, Summary, differences, outcome_of  # isort: skip
from ansible.module_utils.tamma.wording import cut, escape, lines, text, verdict  # isort: skip

RULE = {"Sid": "Jobs", "Effect": "Allow", "Action": "sqs:SendMessage"}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"size": 1}, {"size": 1}, []),
        ({"size": 1}, {"size": 2}, [("size", 1, 2)]),
        ({"size": 1, "arn": "a"}, {"size": 1}, [("arn", "a", None)]),
        ({}, {"size": 0}, [("size", None, 0)]),
        ({"scaling": {"least": 1, "most": 5}}, {"scaling": {"least": 1, "most": 6}}, [("scaling.most", 5, 6)]),
        ({"scaling": None}, {"scaling": {"most": 6}}, [("scaling", None, {"most": 6})]),
        ({"tags": {"a.b": "1"}}, {"tags": {"a.b": "2"}}, [("tags[a.b]", "1", "2")]),
        ({"subnets": ["a", "b"]}, {"subnets": ["a", "c"]}, [("subnets", ["a", "b"], ["a", "c"])]),
        ({"rules": [RULE]}, {"rules": [RULE | {"Effect": "Deny"}]}, [("rules[Jobs].Effect", "Allow", "Deny")]),
        (
            {"routes": [{"to": "a", "via": "x"}, {"to": "b", "via": "x"}]},
            {"routes": [{"to": "a", "via": "x"}, {"to": "b", "via": "y"}]},
            [("routes[1].via", "x", "y")],
        ),
        ({"rules": [RULE]}, {"rules": []}, [("rules[Jobs]", RULE, None)]),
        ({"rules": []}, {"rules": [RULE]}, [("rules[Jobs]", None, RULE)]),
        ({"mixed": [1, {"a": 1}]}, {"mixed": [{"a": 2}]}, [("mixed", [1, {"a": 1}], [{"a": 2}])]),
    ],
)
def test_differences_go_as_deep_as_both_sides_have_the_same_shape(
    before: Any, after: Any, expected: list[tuple[str, Any, Any]]
) -> None:
    assert [(change.property, change.before, change.after) for change in differences(before, after)] == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "(not set)"),
        (True, "true"),
        (5, "5"),
        (0.5, "0.5"),
        ("5", '"5"'),
        ("true", '"true"'),
        ("", '""'),
        (" a", '" a"'),
        ("plain words: and more", "plain words: and more"),
        ("{{ lookup('pipe', 'id') }}", "{{ lookup('pipe', 'id') }}"),
        ({"a": None, "b": [1, "x, y"]}, '{a: null, b: [1, "x, y"]}'),
        ("red \x1b[31m, end\u202e \x9b", "red \\x1b[31m, end\\u202e \\x9b"),
        ("ends in ESC\x1b", "ends in ESC\\x1b"),
        ("half of a pair \ud800", "half of a pair \\ud800"),
        ("Grüße 日本 🎧", "Grüße 日本 🎧"),
    ],
)
def test_values_are_written_on_one_line_and_cannot_be_misread(value: Any, expected: str) -> None:
    assert text(value) == expected


@pytest.mark.parametrize(("room", "expected"), [(None, "0123456789"), (10, "0123456789"), (5, "01…89"), (4, "01…9")])
def test_long_values_are_cut_in_the_middle(room: int | None, expected: str) -> None:
    assert cut("0123456789", room) == expected
    assert escape("a\tb\n") == "a\\tb\\n"


def _result(action: str, before: Any, after: Any, **more: Any) -> dict[str, Any]:
    diff = {"kind": "SQS queue", "name": "tamma-dev-jobs.fifo", "before": before, "after": after}
    return {"changed": action != "none", "action": action, "diff": diff} | more


def _told(*results: dict[str, Any], applied: bool = False, width: int | None = None) -> list[str]:
    summary = Summary(checking=not applied)
    for result in results:
        outcome = outcome_of(result, "Ensure the queue exists", applied=applied)
        if outcome:
            summary.add("job_queue", outcome)
        summary.count_calls(result)
    return [line for line, _ in lines(summary, 83.4, width)]


def test_a_creation_lists_its_properties_and_an_update_what_differs() -> None:
    five, thousand = ({"redrive_policy": {"max_receive_count": count}} for count in (5, 1000))
    assert _told(
        _result("create", {}, {"visibility_timeout": 90} | five | {"arn": "(known after apply)"}),
        _result("update", five, thousand),
        _result("update", {"subnets": ["a", "b"]}, {"subnets": ["b", "c"]}),
        _result("delete", {"visibility_timeout": 90}, {}),
        _result("none", {"visibility_timeout": 90}, {"visibility_timeout": 90}),
    ) == [
        "job_queue: 1 to create, 2 to update, 1 to delete",
        "  + create  SQS queue tamma-dev-jobs.fifo",
        "      visibility_timeout: 90",
        "      redrive_policy: {max_receive_count: 5}",
        "      arn: (known after apply)",
        "  ~ update  SQS queue tamma-dev-jobs.fifo",
        "      redrive_policy.max_receive_count: 5 → 1000",
        "  ~ update  SQS queue tamma-dev-jobs.fifo",
        "      subnets:",
        "        + c",
        "        - a",
        "  - delete  SQS queue tamma-dev-jobs.fifo",
        "",
        "Plan: 1 to create, 2 to update, 1 to delete.",
    ]  # fmt: skip


def test_after_a_run_the_values_that_aws_decided_are_known() -> None:
    created = _result(
        "create",
        {},
        {"arn": "(known after apply)", "aliases": {"live": "(known after apply)"}},
        resource={"arn": "arn:aws:sqs:x", "aliases": {"live": "3"}},
    )
    calls = {"api_calls": {"read": 3, "write": 1}}
    assert _told(created | calls, _result("none", {}, {}) | calls, applied=True) == [
        "job_queue: 1 created",
        "  + create  SQS queue tamma-dev-jobs.fifo",
        "      arn: arn:aws:sqs:x",
        '      aliases: {live: "3"}',
        "",
        "Took 1 min 23 s and 8 API calls (6 reads, 2 writes).",
        "Applied: 1 created, 0 updated, 0 deleted.",
    ]
    assert _told(_result("none", {}, {}), applied=True) == ["Took 1 min 23 s.", "No changes."]


def test_texts_of_several_lines_are_compared_line_by_line() -> None:
    told = _told(_result("update", {"user_data": "#!/bin/sh\nold\n"}, {"user_data": "#!/bin/sh\nnew\x1b\n"}))
    assert told[2:5] == ["      user_data:", "        - old", "        + new\\x1b"]


def test_an_order_that_changed_is_told_as_a_whole() -> None:
    assert "      order: [a, b] → [b, a]" in _told(_result("update", {"order": ["a", "b"]}, {"order": ["b", "a"]}))


def test_long_values_fit_the_terminal_unless_the_difference_would_be_cut_out() -> None:
    long = "x" * 300
    created, updated = _result("create", {}, {"value": long}), _result("update", {"value": "y"}, {"value": long})
    assert all(len(line) <= 80 for line in _told(created, updated, width=80))
    assert any(long in line for line in _told(created, width=None))
    middle = _result("update", {"value": f"{long}1{long}"}, {"value": f"{long}2{long}"})
    assert f"      value: {long}1{long} → {long}2{long}" in _told(middle, width=80)


@pytest.mark.parametrize(
    ("result", "kind", "name"),
    [
        (_result("create", {}, {}), "SQS queue", "tamma-dev-jobs.fifo"),
        ({"action": "create", "diff": {"kind": "S3 bucket", "name": "raw"}}, "S3 bucket", "raw"),
        ({"action": "create", "diff": {"after_header": "SSM parameter /tamma/url"}}, "", "Ensure it"),
        ({"action": "update", "changed": True}, "", "Ensure it"),
        ({"action": "update", "diff": [{}, "odd", {"kind": "VPC", "name": "tamma-dev"}]}, "VPC", "tamma-dev"),
        ({"changed": True, "diff": {"after_header": "/etc/motd"}}, "", "Ensure it"),
        ({"changed": True, "censored": "hidden"}, "", "Ensure it"),
    ],
)  # fmt: skip
def test_kind_and_name_come_from_the_module_or_are_the_task(result: dict[str, Any], kind: str, name: str) -> None:
    outcome = outcome_of(result, "Ensure it", applied=True)
    assert outcome is not None
    assert (outcome.kind, outcome.name, outcome.task) == (kind, name, "Ensure it")


def test_what_says_nothing_about_a_resource_is_left_out() -> None:
    assert outcome_of({"changed": False, "msg": "read"}, "Read", applied=True) is None
    assert not Summary().worth_telling


def test_several_diffs_and_texts_are_taken_as_they_are() -> None:
    diffs = [{"before": {"mode": "0644"}, "after": {"mode": "0600"}}, {"before": "a\n", "after": "b\n"}]
    outcome = outcome_of({"changed": True, "diff": diffs}, "Store it", applied=True)
    assert outcome is not None
    assert [change.property for change in outcome.changes] == ["mode", "content"]


def test_errors_have_the_last_word() -> None:
    summary = Summary(checking=True, failures=[Failure("network", "Ensure it", "a", "VPC x: refused.\x1b")])
    assert verdict(summary) == "Plan incomplete: 1 error."
    assert [line for line, mark in lines(summary, 1, None) if mark == "error"] == [
        "! error  network: Ensure it",
        "      VPC x: refused.\\x1b",
        "Plan incomplete: 1 error.",
    ]
    summary.failures.append(Failure("network", "Ensure it", "b", "odd"))
    summary.checking = False
    assert verdict(summary) == "Stopped by 2 errors after: 0 created, 0 updated, 0 deleted."


def test_what_check_mode_left_undone_in_a_run_is_told_and_not_counted() -> None:
    summary = Summary()
    for applied in (True, False):
        outcome = outcome_of(_result("create", {}, {}), "Ensure it", applied=applied)
        assert outcome is not None
        summary.add("job_queue", outcome)
    assert verdict(summary) == "Applied: 1 created, 0 updated, 0 deleted."
    assert "  + create  SQS queue tamma-dev-jobs.fifo (check mode: not applied)" in [
        line for line, _ in lines(summary, 1, None)
    ]
