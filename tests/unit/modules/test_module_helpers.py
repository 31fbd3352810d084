"""Policies, tags, waiting and the sentences of a failure."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

import tests.ansible_modules  # noqa: F401 - makes ansible.module_utils.tamma importable

from ansible.module_utils.tamma import buckets, tags, wait  # isort: skip
from ansible.module_utils.tamma.errors import RefusalError, sentence  # isort: skip
from ansible.module_utils.tamma.policy import canonical  # isort: skip


def _statement(**more: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **more}]}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (_statement(Action="a:B"), {**_statement(), "Statement": {"Effect": "Allow", "Action": ["a:B"]}}),
        (_statement(Action=["b", "a"]), _statement(Action=["a", "b"])),
        (_statement(Principal={"AWS": "x"}), _statement(Principal={"AWS": ["x"]})),
        (
            _statement(Condition={"Bool": {"aws:SecureTransport": False}}),
            _statement(Condition={"Bool": {"aws:SecureTransport": "false"}}),
        ),
    ],
)
def test_policies_that_mean_the_same_are_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert canonical(one) == canonical(json.dumps(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (_statement(Principal="*"), _statement(Principal={"AWS": "x"})),
        (_statement(Action="a"), _statement(NotAction="a")),
        (_statement(Action="a"), _statement(Action="a", Condition={"Bool": {"k": "true"}})),
    ],
)
def test_policies_that_differ_stay_different(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_policy_stays_none(nothing: str | None) -> None:
    assert canonical(nothing) is None


def test_tags_are_read_in_every_spelling_without_those_of_aws() -> None:
    pairs = [{"Key": "a", "Value": "1"}, {"key": "b", "value": "2"}, {"Key": "aws:cloudformation:stack", "Value": "x"}]
    assert tags.to_dict(pairs) == {"a": "1", "b": "2"}
    assert tags.to_pairs({"b": 2, "a": "1"}) == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    assert tags.to_pairs({"a": "1"}, lower=True) == [{"key": "a", "value": "1"}]


def test_tag_changes_set_what_differs_and_remove_what_is_foreign() -> None:
    assert tags.changes({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "x", "d": "4"}) == ({"b": "x", "d": "4"}, ["c"])


def _error(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "DoThis")


def test_a_failure_says_what_failed_why_and_what_to_do() -> None:
    text = sentence("SQS queue q", _error("ExpiredToken", "The token\n is  expired."))
    assert text == "SQS queue q: DoThis was refused with ExpiredToken: The token is expired; sign in again and re-run."
    assert sentence("SQS queue q", RefusalError("too large; shrink it.")) == "SQS queue q: too large; shrink it."


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace the clock: sleeping only moves it."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda pause: now.__setitem__(0, now[0] + pause))
    return now


def test_poll_returns_at_once_when_the_condition_holds(clock: list[float]) -> None:
    wait.poll(lambda: True, what="it")
    assert clock == [0.0]


def test_poll_gives_up_in_words(clock: list[float]) -> None:
    with pytest.raises(RefusalError, match="deletion of q was not finished after 30 s"):
        wait.poll(lambda: False, what="deletion of q", timeout=30)
    assert clock[0] <= 30


def _failing(*errors: ClientError) -> Any:
    left = list(errors)

    def call() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return call


def test_a_lag_of_iam_is_waited_for(clock: list[float]) -> None:
    assert wait.retry_on(_failing(_error("Lag"), _error("Lag")), "Lag") == "done"
    assert clock[0] > 0


@pytest.mark.parametrize("error", [_error("Other"), _error("Lag", "something else")])
def test_another_refusal_is_not_repeated(clock: list[float], error: ClientError) -> None:
    with pytest.raises(ClientError):
        wait.retry_on(_failing(error), "Lag", containing="permissions")
    assert clock == [0.0]


def test_a_lag_that_does_not_end_is_raised(clock: list[float]) -> None:
    with pytest.raises(ClientError):
        wait.retry_on(_failing(*[_error("Lag")] * 1000), "Lag", timeout=60)
    assert clock[0] <= 60


def test_notifications_are_compared_in_one_form() -> None:
    ours = {"QueueConfigurations": [{"Id": "b", "QueueArn": "q", "Events": ["y", "x"]}, {"Id": "a", "QueueArn": "q"}]}
    rules = [{"Name": "Prefix", "Value": "raw/"}]
    filtered = {"Id": "a", "QueueArn": "q", "Events": [], "Filter": {"Key": {"FilterRules": rules}}}
    normal = buckets.normal("notifications", ours)
    assert [entry["Id"] for entry in normal["QueueConfigurations"]] == ["a", "b"]
    assert normal["QueueConfigurations"][1]["Events"] == ["x", "y"]
    read = buckets.normal("notifications", {"QueueConfigurations": [filtered], "TopicConfigurations": []})
    assert read["QueueConfigurations"][0]["Filter"]["Key"]["FilterRules"] == [{"Name": "prefix", "Value": "raw/"}]
    assert "TopicConfigurations" not in read
    assert buckets.normal("notifications", {"ResponseMetadata": {"HTTPStatusCode": 200}}) == {}
