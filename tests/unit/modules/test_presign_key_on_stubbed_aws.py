"""When the old key may go: no emulator says when a key was used last."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.modules.stubbed_aws import StubbedAws

_NEW, _OLD, _SECRET = "AKIANEWNEWNEWNEWNEWN", "AKIAOLDOLDOLDOLDOLDO", "the-secret"
_FILE = {"access_key_id": _NEW, "secret_access_key": _SECRET, "previous_access_key_id": _OLD}


@pytest.fixture
def aws() -> StubbedAws:
    return StubbedAws()


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(_FILE))
    return {"user": "tamma-presign", "path": str(path), "state": "finished"}


def _keys(aws: StubbedAws, *ids: str) -> None:
    found = [{"UserName": "tamma-presign", "AccessKeyId": one, "Status": "Active"} for one in ids]
    aws.answers("iam", "list_access_keys", {"AccessKeyMetadata": found}, UserName="tamma-presign")


def _used(aws: StubbedAws, key: str, minutes_ago: float | None) -> None:
    used: dict[str, Any] = {"ServiceName": "s3", "Region": "us-east-1"}
    if minutes_ago is not None:
        used["LastUsedDate"] = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    answer = {"UserName": "tamma-presign", "AccessKeyLastUsed": used}
    aws.answers("iam", "get_access_key_last_used", answer, AccessKeyId=key)


@pytest.mark.parametrize(("new", "old"), [(5, 61), (5, None), (90, 90)])
def test_an_idle_key_is_deactivated_and_deleted(
    aws: StubbedAws, options: dict[str, Any], new: float, old: float | None
) -> None:
    _keys(aws, _OLD, _NEW)
    _used(aws, _NEW, new)
    _used(aws, _OLD, old)
    named = {"UserName": "tamma-presign", "AccessKeyId": _OLD}
    aws.answers("iam", "update_access_key", {}, **named, Status="Inactive")
    aws.answers("iam", "delete_access_key", {}, **named)
    _keys(aws, _NEW)
    outcome = aws.run("presign_key", options)
    assert outcome.changed
    assert outcome.resource["access_keys"] == {_NEW: "Active"}
    assert json.loads(Path(options["path"]).read_text()) == {
        k: _FILE[k] for k in ("access_key_id", "secret_access_key")
    }
    assert _SECRET not in json.dumps(outcome.result)


@pytest.mark.parametrize(
    ("used", "minutes", "sentence"),
    [
        ((None, None), 60, f"the new key {_NEW} was never used: the front end does not sign with it yet"),
        ((5, 3), 60, f"the old key {_OLD} was used 3 minutes ago, and shall have been idle for 60; see that"),
        ((5, 61), 90, f"the old key {_OLD} was used 61 minutes ago"),
        ((5, 5), -1, "idle_minutes is negative"),
    ],
)
def test_a_key_in_use_stays(
    aws: StubbedAws, options: dict[str, Any], used: tuple[float | None, float | None], minutes: int, sentence: str
) -> None:
    new, old = used
    if minutes >= 0:
        _keys(aws, _OLD, _NEW)
        _used(aws, _NEW, new)
    if new is not None and minutes >= 0:
        _used(aws, _OLD, old)
    outcome = aws.run("presign_key", {**options, "idle_minutes": minutes})
    assert outcome.failed
    assert sentence in outcome.message
    assert json.loads(Path(options["path"]).read_text()) == _FILE


def test_a_key_that_somebody_made_and_uses_is_no_remainder_of_ours(aws: StubbedAws, options: dict[str, Any]) -> None:
    Path(options["path"]).write_text(
        json.dumps({"access_key_id": _OLD, "secret_access_key": _SECRET, "keys_before": [_OLD]})
    )
    _keys(aws, _OLD, _NEW)
    _used(aws, _NEW, 5)
    outcome = aws.run("presign_key", {**options, "state": "rotating"})
    assert outcome.failed
    assert f"it has a second access key, {_NEW}, that" in outcome.message


def test_a_user_that_does_not_exist_is_said_so(aws: StubbedAws, options: dict[str, Any]) -> None:
    aws.refuses("iam", "list_access_keys", "NoSuchEntity")
    outcome = aws.run("presign_key", options)
    assert "access key of tamma-presign: there is no such user; deploy first" in outcome.message
