"""The front end's key from its creation to its rotation: no downtime, no key that nobody holds, no secret shown."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.config import Config

from tests.e2e.interrupter import Interrupter
from tests.e2e.site import Run, Site, site

_USER = "tamma-presign"
_CREATE, _ROTATE = "playbooks/create_presign_key.yml", "playbooks/rotate_presign_key.yml"
_FINISH = ("-e", "rotate_phase=finish")
_SURE = ("-e", "rotate_idle_minutes=0")  # this emulator does not say when a key was used last


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("presign"), Interrupter) as running:
        running.converge("--tags", "identity,storage")
        yield running


@pytest.fixture
def path(deployed: Site, tmp_path: Path) -> Path:
    """Return the key file of a user without keys."""
    for key in _keys(deployed):
        deployed.aws("iam").delete_access_key(UserName=_USER, AccessKeyId=key)
    return tmp_path / "presign_key.json"


def _keys(deployed: Site) -> list[str]:
    found = deployed.aws("iam").list_access_keys(UserName=_USER)["AccessKeyMetadata"]
    return [key["AccessKeyId"] for key in found]


def _play(deployed: Site, path: Path, playbook: str, *arguments: str, kill_after: int | None = None) -> Run:
    run = deployed.run("-e", f"presign_key_file={path}", *arguments, playbook=playbook, kill_after=kill_after)
    assert "Traceback" not in run.output
    if path.is_file():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert json.loads(path.read_text()).get("secret_access_key", "no secret") not in run.output
    return run


def _good(deployed: Site, path: Path, playbook: str, *arguments: str) -> Run:
    run = _play(deployed, path, playbook, *arguments)
    assert run.code == 0, run.output
    return run


def _held(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def _presigned(deployed: Site, held: dict[str, Any]) -> str:
    s3 = deployed.aws("s3", aws_access_key_id=held["access_key_id"], aws_secret_access_key=held["secret_access_key"])
    assert isinstance(s3.meta.config, Config)
    return str(s3.generate_presigned_url("put_object", Params={"Bucket": held["raw_bucket"], "Key": "uploads/a"}))


def _upload(url: str) -> int:
    return httpx.put(url, content=b"1").status_code


def test_both_keys_work_until_the_rotation_is_finished(deployed: Site, path: Path) -> None:
    _good(deployed, path, _CREATE)
    old = _held(path)
    old_url = _presigned(deployed, old)
    begun = _good(deployed, path, _ROTATE)
    new = _held(path)
    assert new["access_key_id"] != old["access_key_id"] == new["previous_access_key_id"]
    assert f"with the new key {new['access_key_id']} to the front end" in begun.output
    assert (_upload(old_url), _upload(_presigned(deployed, new))) == (200, 200)

    assert _good(deployed, path, _ROTATE).last_line == "No changes."
    refused = _play(deployed, path, _ROTATE, *_FINISH)
    assert refused.code != 0
    assert f"the new key {new['access_key_id']} was never used" in " ".join(refused.output.split())
    assert (refused.writes, _upload(old_url)) == ([], 200)

    _good(deployed, path, _ROTATE, *_FINISH, *_SURE)
    assert (_upload(old_url), _upload(_presigned(deployed, new))) == (403, 200)
    assert _keys(deployed) == [new["access_key_id"]]
    assert "previous_access_key_id" not in _held(path)
    again = _good(deployed, path, _ROTATE, *_FINISH, *_SURE)
    assert (again.last_line, again.writes) == ("No changes.", [])
    assert _good(deployed, path, _CREATE).last_line == "No changes."


def test_a_preview_writes_nothing(deployed: Site, path: Path) -> None:
    assert _good(deployed, path, _CREATE, "--check").writes == []
    assert not path.exists()
    _good(deployed, path, _CREATE)
    before = path.read_text()
    for arguments in ((), (*_FINISH, *_SURE)):
        assert _good(deployed, path, _ROTATE, "--check", *arguments).writes == []
        assert path.read_text() == before


def test_a_creation_that_was_killed_leaves_no_key_behind(deployed: Site, path: Path) -> None:
    assert _play(deployed, path, _CREATE, kill_after=1).killed
    assert len(_keys(deployed)) == 1
    _good(deployed, path, _CREATE)
    assert _keys(deployed) == [_held(path)["access_key_id"]]


@pytest.mark.parametrize("writes", [1, 2, 3])
def test_a_rotation_that_was_killed_is_completed(deployed: Site, path: Path, writes: int) -> None:
    """Its writes are: the new key; the old one's deactivation; the old one's deletion."""
    _good(deployed, path, _CREATE)
    old = _held(path)
    if writes == 1:
        assert _play(deployed, path, _ROTATE, kill_after=1).killed
        assert _upload(_presigned(deployed, old)) == 200  # nobody has lost a key
        cut_off = _play(deployed, path, _ROTATE, *_FINISH, *_SURE)
        assert "the rotation was cut off while it began" in " ".join(cut_off.output.split())
    _good(deployed, path, _ROTATE)
    new = _held(path)
    assert sorted(_keys(deployed)) == sorted([old["access_key_id"], new["access_key_id"]])
    if writes > 1:
        assert _play(deployed, path, _ROTATE, *_FINISH, *_SURE, kill_after=writes - 1).killed
    _good(deployed, path, _ROTATE, *_FINISH, *_SURE)
    assert _keys(deployed) == [new["access_key_id"]]
    assert _upload(_presigned(deployed, new)) == 200
    assert set(_held(path)) == set(old)


def test_a_key_that_the_file_does_not_know_stays(deployed: Site, path: Path) -> None:
    _good(deployed, path, _CREATE)
    stranger = deployed.aws("iam").create_access_key(UserName=_USER)["AccessKey"]["AccessKeyId"]
    refused = _play(deployed, path, _ROTATE)
    assert refused.code != 0
    assert f"it has a second access key, {stranger}, that" in " ".join(refused.output.split())
    path.unlink()
    third = _play(deployed, path, _CREATE)
    assert "it has two access keys already" in " ".join(third.output.split())
    assert len(_keys(deployed)) == 2


@pytest.mark.parametrize(
    ("content", "arguments", "sentence"),
    [
        (None, (), "holds no valid key, so that there is nothing to rotate; run make presign-key"),
        (None, ("-e", "rotate_phase=end"), "rotate_phase is 'end'; choose begin or finish"),
        ("{", (), "cannot be read (JSONDecodeError); move it away and re-run"),
        ("[]", (), "holds no key; move it away and re-run"),
    ],
)
def test_a_refusal_says_what_to_do(
    deployed: Site, path: Path, content: str | None, arguments: tuple[str, ...], sentence: str
) -> None:
    if content:
        path.write_text(content)
        path.chmod(0o600)
    run = deployed.run("-e", f"presign_key_file={path}", *arguments, playbook=_ROTATE)
    assert run.code != 0
    assert sentence in " ".join(run.output.split())
    assert "Traceback" not in run.output
    assert run.writes == []
