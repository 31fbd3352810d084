"""What was asked ahead is answered once for each module, until somebody writes, and never instead of a refusal."""

from __future__ import annotations

import json
import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

import tests.ansible_modules  # noqa: F401 - makes ansible.module_utils.tamma importable
from tests.unit.warm.conftest import POLICY, Endpoint

from ansible.module_utils.tamma import calls  # isort: skip
from ansible.module_utils.tamma.warm import snapshot  # isort: skip

WHO = ("sts", "GetCallerIdentity", {})
ROLE = ("iam", "GetRole", {"RoleName": "r"})


class Warm:
    """A snapshot and the clients that it answers for."""

    def __init__(self, endpoint: Endpoint, *questions: snapshot.Read) -> None:
        self.snapshot = snapshot.Snapshot()
        self.clients = {name: endpoint.client(name) for name in ("sts", "iam")}
        for client in self.clients.values():
            self.snapshot.attach(client)
        self.snapshot.fetch(self.clients, questions)
        self.sts, self.iam = self.clients["sts"], self.clients["iam"]
        endpoint.asked.clear()
        self.snapshot.begin()


def test_what_was_asked_ahead_is_not_asked_again(endpoint: Endpoint) -> None:
    warm = Warm(endpoint, WHO, ROLE)
    assert warm.sts.get_caller_identity()["Account"] == "123456789012"
    assert warm.iam.get_role(RoleName="r")["Role"]["RoleName"] == "r"
    assert endpoint.asked == []
    assert warm.snapshot.calls == {}


def test_an_answer_is_what_the_endpoint_would_say(endpoint: Endpoint) -> None:
    """Botocore decodes policies in place after the call: not twice, and not in what is kept for the next module."""
    warm = Warm(endpoint, ROLE)
    live = endpoint.client("iam").get_role(RoleName="r")["Role"]
    assert live["AssumeRolePolicyDocument"] == json.loads(POLICY)
    for _ in range(2):
        warm.snapshot.begin()
        kept = warm.iam.get_role(RoleName="r")["Role"]
        assert kept == live
        kept["AssumeRolePolicyDocument"]["Statement"].append("changed by the module")


def test_a_module_that_waits_asks_again(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    warm = Warm(endpoint, WHO)
    begin = time.monotonic()
    for pause in (0, 0.04, 0.1, 0.2):  # the second one is the same question of the same moment
        monkeypatch.setattr(snapshot.time, "monotonic", lambda pause=pause: begin + pause)
        warm.sts.get_caller_identity()
    assert endpoint.asked == ["GetCallerIdentity"] * 2
    assert warm.snapshot.calls == {"read": 2}


def test_arguments_keep_their_order_in_the_record(endpoint: Endpoint, tmp_path: Path) -> None:
    """JSON services get them in the order given: sorted ones would be another question."""
    warm = Warm(endpoint)
    warm.snapshot._note({"b": 1, "a": 2}, warm.iam.meta.service_model.operation_model("GetRolePolicy"))
    warm.snapshot.end(tmp_path / "journal")
    ((_, _, arguments),) = snapshot.load(tmp_path / "journal")
    assert list(arguments) == ["b", "a"]


def test_other_arguments_are_another_question(endpoint: Endpoint) -> None:
    warm = Warm(endpoint, ROLE)
    warm.iam.get_role(RoleName="other")
    assert endpoint.asked == ["GetRole"]


def test_a_write_ends_the_answers(endpoint: Endpoint) -> None:
    warm = Warm(endpoint, WHO)
    warm.iam.delete_role(RoleName="r")
    warm.sts.get_caller_identity()
    assert endpoint.asked == ["DeleteRole", "GetCallerIdentity"]
    assert warm.snapshot.calls == {"write": 1, "read": 1}


def test_a_refused_write_ends_them_too(endpoint: Endpoint) -> None:
    endpoint.refuse["DeleteRole"] = (409, "DeleteConflict")
    warm = Warm(endpoint, WHO)
    with pytest.raises(ClientError):
        warm.iam.delete_role(RoleName="r")
    warm.sts.get_caller_identity()
    assert endpoint.asked == ["DeleteRole", "GetCallerIdentity"]


def test_a_write_of_one_worker_ends_them_for_all(endpoint: Endpoint) -> None:
    warm = Warm(endpoint, WHO)
    for client in warm.clients.values():
        client.close()
    worker = multiprocessing.get_context("fork").Process(target=lambda: warm.iam.delete_role(RoleName="r"))
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    warm.sts.get_caller_identity()
    assert endpoint.asked == ["DeleteRole", "GetCallerIdentity"]


def test_old_answers_are_not_given(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    warm = Warm(endpoint, WHO)
    later = time.monotonic() + 31
    monkeypatch.setattr(snapshot.time, "monotonic", lambda: later)
    warm.sts.get_caller_identity()
    assert endpoint.asked == ["GetCallerIdentity"]


def test_what_is_not_there_is_an_answer(endpoint: Endpoint) -> None:
    endpoint.refuse["GetRole"] = (404, "NoSuchEntity")
    warm = Warm(endpoint, ROLE)
    with pytest.raises(ClientError, match="NoSuchEntity"):
        warm.iam.get_role(RoleName="r")
    assert endpoint.asked == []


@pytest.mark.parametrize(("status", "code"), [(400, "Throttling"), (403, "ExpiredToken"), (500, "ServiceFailure")])
def test_what_passes_is_not_kept(endpoint: Endpoint, status: int, code: str) -> None:
    endpoint.refuse["GetRole"] = (status, code)
    warm = Warm(endpoint, ROLE)
    endpoint.refuse.clear()
    assert warm.iam.get_role(RoleName="r")["Role"]["RoleName"] == "r"
    assert endpoint.asked == ["GetRole"]


def test_a_preview_cannot_write(endpoint: Endpoint) -> None:
    warm = Warm(endpoint)
    warm.snapshot.begin(reading_only=True)
    with pytest.raises(ClientError, match="a preview does not write"):
        warm.iam.create_role(RoleName="r", AssumeRolePolicyDocument=POLICY)
    assert endpoint.asked == []
    warm.snapshot.begin()
    warm.iam.create_role(RoleName="r", AssumeRolePolicyDocument=POLICY)
    assert endpoint.asked == ["CreateRole"]


def test_writes_are_never_asked_ahead(endpoint: Endpoint) -> None:
    warm = Warm(endpoint)
    warm.snapshot.fetch(warm.clients, [("iam", "DeleteRole", {"RoleName": "r"})])
    assert endpoint.asked == []


def _asked(warm: Warm, journal: Path) -> list[Any]:
    warm.snapshot.end(journal)
    return snapshot.load(journal)


def test_questions_are_noted_for_the_next_run(endpoint: Endpoint, tmp_path: Path) -> None:
    warm = Warm(endpoint, WHO)
    warm.sts.get_caller_identity()
    warm.iam.get_role(RoleName="r")
    assert _asked(warm, tmp_path / "journal") == [WHO, ROLE]
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o600


def test_what_was_asked_for_a_change_is_not_noted(endpoint: Endpoint, tmp_path: Path) -> None:
    warm = Warm(endpoint)
    warm.sts.get_caller_identity()
    warm.iam.create_role(RoleName="r", AssumeRolePolicyDocument=POLICY)
    warm.iam.get_role(RoleName="r")
    assert _asked(warm, tmp_path / "journal") == [ROLE]


@pytest.mark.parametrize("content", ["", "{", '["only two", "parts"]\n', "\x00"])
def test_a_damaged_record_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "record").write_text(content)
    assert snapshot.load(tmp_path / "record") == []
    assert snapshot.load(tmp_path / "missing") == []


@pytest.mark.parametrize("operation", ["ReceiveMessage", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch"])
def test_looking_into_a_queue_is_let_through_and_not_asked_ahead(operation: str) -> None:
    assert calls.looks(operation)
    assert not calls.reads(operation)


@pytest.mark.parametrize("operation", ["SendMessage", "DeleteMessage", "PurgeQueue", "StopTask"])
def test_a_preview_of_a_queue_neither_sends_nor_deletes(operation: str) -> None:
    assert not calls.looks(operation)
    assert not calls.reads(operation)
