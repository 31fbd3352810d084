"""Archives are the same bytes for the same inputs, and layers hold what importlib.metadata needs."""

from __future__ import annotations

import importlib
import importlib.metadata
import io
import os
import sys
import zipfile
from pathlib import Path

import pytest

from tests.ansible_modules import run_module
from tests.wheels import lock_file

from ansible.module_utils.tamma.archive import build_layer, layer_hash, store, zip_bytes  # isort: skip
from ansible.module_utils.tamma.errors import RefusalError  # isort: skip


def _names(data: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(data)).namelist()


def test_zip_does_not_depend_on_order() -> None:
    assert zip_bytes({"b": b"2", "a": b"1"}) == zip_bytes({"a": b"1", "b": b"2"})
    info = zipfile.ZipFile(io.BytesIO(zip_bytes({"a": b"1"}))).infolist()[0]
    assert info.date_time == (1980, 1, 1, 0, 0, 0)
    assert info.external_attr >> 16 == 0o100644


def test_layer_built_twice_is_the_same_bytes(tmp_path: Path) -> None:
    lock = lock_file(tmp_path)
    assert build_layer(lock, "3.13", "x86_64") == build_layer(lock, "3.13", "x86_64")


def test_layer_can_be_imported_and_knows_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = build_layer(lock_file(tmp_path, "2.5"), "3.13", "arm64")
    zipfile.ZipFile(io.BytesIO(data)).extractall(tmp_path / "layer")
    monkeypatch.syspath_prepend(str(tmp_path / "layer" / "python"))
    assert importlib.import_module("tamma_sample").VERSION == "2.5"
    assert importlib.metadata.version("tamma-sample") == "2.5"


SAMPLE = [
    "python/tamma_sample-1.0.dist-info/METADATA",
    "python/tamma_sample-1.0.dist-info/WHEEL",
    "python/tamma_sample-1.0.dist-info/entry_points.txt",
    "python/tamma_sample/__init__.py",
]


def test_layer_holds_no_scripts_or_notes_of_the_installer(tmp_path: Path) -> None:
    # No bytecode either: no Python that runs this is so old.
    assert _names(build_layer(lock_file(tmp_path), "3.11", "x86_64")) == SAMPLE


def test_layer_holds_bytecode_for_the_python_that_built_it(tmp_path: Path) -> None:
    data = build_layer(lock_file(tmp_path), f"3.{sys.version_info.minor}", "x86_64")
    [bytecode] = set(_names(data)) - set(SAMPLE)
    assert bytecode == f"python/tamma_sample/__pycache__/__init__.{sys.implementation.cache_tag}.pyc"
    flags = zipfile.ZipFile(io.BytesIO(data)).read(bytecode)[4:8]
    assert flags == b"\1\0\0\0", "an unchecked hash: no time, so the same bytes whenever it is built"


def test_wheel_of_another_architecture_is_refused(tmp_path: Path) -> None:
    lock = lock_file(tmp_path, platform="manylinux_2_28_x86_64")
    assert build_layer(lock, "3.13", "x86_64")
    with pytest.raises(RefusalError, match="for arm64"):
        build_layer(lock, "3.13", "arm64")


def test_lock_file_without_a_hash_is_refused(tmp_path: Path) -> None:
    lock = lock_file(tmp_path)
    lock.write_text(lock.read_text().split(" --hash")[0])
    with pytest.raises(RefusalError, match="hash"):
        build_layer(lock, "3.13", "x86_64")


def test_layer_hash_depends_on_every_input(tmp_path: Path) -> None:
    first, second = lock_file(tmp_path, "1.0", name="a"), lock_file(tmp_path, "1.1", name="b")
    inputs = [
        (first, "3.13", "x86_64"),
        (second, "3.13", "x86_64"),
        (first, "3.12", "x86_64"),
        (first, "3.13", "arm64"),
    ]
    assert len({layer_hash(*each) for each in inputs}) == 4


def test_store_keeps_the_archives_used_last(tmp_path: Path) -> None:
    paths = []
    for number in range(4):
        paths.append(store(zip_bytes({"a": bytes([number])}), tmp_path, keep=10))
        os.utime(paths[-1], ns=(number, number))
    store(zip_bytes({"a": bytes([0])}), tmp_path, keep=2)
    assert sorted(tmp_path.iterdir()) == sorted([paths[0], paths[3]])


@pytest.fixture
def sources(tmp_path: Path) -> list[str]:
    for folder, name in (("one", "app.py"), ("two", "shared.py"), ("two", "notes.txt"), ("two/deep", "inner.py")):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / name).write_text("X = 1\n")
    return [str(tmp_path / "one"), str(tmp_path / "two")]


@pytest.mark.parametrize("check", [False, True])
def test_lambda_archive_packs_flat_and_never_reports_a_change(sources: list[str], tmp_path: Path, check: bool) -> None:
    outcome = run_module("lambda_archive", {"sources": sources, "dest_dir": str(tmp_path / "out")}, check=check)
    path = Path(outcome.result["path"])
    assert not outcome.changed
    assert _names(path.read_bytes()) == ["app.py", "shared.py"]
    assert path.name == f"{outcome.result['sha256']}.zip"
    again = run_module("lambda_archive", {"sources": sources[::-1], "dest_dir": str(tmp_path / "out")})
    assert again.result["path"] == str(path)


def test_lambda_archive_refuses_two_files_of_one_name(sources: list[str], tmp_path: Path) -> None:
    (tmp_path / "two" / "app.py").write_text("")
    outcome = run_module("lambda_archive", {"sources": sources, "dest_dir": str(tmp_path / "out")})
    assert outcome.failed
    assert "rename one" in outcome.message
    assert not (tmp_path / "out").exists()


def test_lambda_archive_refuses_folders_without_code(tmp_path: Path) -> None:
    empty = {"sources": [str(tmp_path)], "dest_dir": str(tmp_path / "out")}
    assert "no *.py file" in run_module("lambda_archive", empty).message
    missing = {**empty, "sources": [str(tmp_path / "missing")]}
    assert "does not exist" in run_module("lambda_archive", missing).message
