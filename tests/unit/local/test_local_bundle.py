"""The image made without an engine."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest
from tamma_local.bundle import digest, make
from tamma_local.errors import LocalCloudError
from tamma_local.registry import image_parts


def write_worker(folder: Path) -> Path:
    package = folder / "src" / "tamma_worker"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text("print(1)\n")
    (package / "data").mkdir()
    (package / "data" / "é.json").write_text("{}")
    return folder


def test_same_input_gives_the_same_digest_whatever_time_mode_or_cache(tmp_path: Path) -> None:
    first, second = write_worker(tmp_path / "a"), write_worker(tmp_path / "b")
    os.utime(second / "src" / "tamma_worker" / "__main__.py", (1, 1))
    (second / "src" / "tamma_worker" / "__main__.py").chmod(0o600)
    (second / "src" / "tamma_worker" / "__pycache__").mkdir()
    (second / "src" / "tamma_worker" / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert make(first).digest == make(second).digest


def test_any_change_of_the_input_changes_the_digest(tmp_path: Path) -> None:
    worker = write_worker(tmp_path)
    before = make(worker).digest
    (worker / "src" / "tamma_worker" / "data" / "é.json").write_text("[]")
    assert make(worker).digest != before


def test_layer_and_configuration_are_what_the_architecture_says(tmp_path: Path) -> None:
    bundle = make(write_worker(tmp_path))
    manifest, config = json.loads(bundle.manifest), json.loads(bundle.config)
    assert manifest["layers"][0]["digest"] == digest(bundle.layer) == config["rootfs"]["diff_ids"][0]
    assert manifest["config"]["digest"] == digest(bundle.config)
    assert config["config"]["Env"] == ["PYTHONPATH=/app/src"]
    assert config["config"]["Entrypoint"] == ["python", "-m", "tamma_worker"]
    with tarfile.open(fileobj=io.BytesIO(bundle.layer)) as tar:
        assert "app/src/tamma_worker/__main__.py" in tar.getnames()
        assert {(member.mtime, member.uid, member.uname) for member in tar} == {(0, 0, "")}


def test_folder_without_a_worker_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LocalCloudError, match=r"is no worker: it has no src/tamma_worker/__main__"):
        make(tmp_path)


@pytest.mark.parametrize(("image", "parts"), [
    ("repo:tag", ("repo", "tag")),
    ("team/repo:1.0_x", ("team/repo", "1.0_x")),
    ("000000000000.dkr.ecr.us-east-1.amazonaws.com/repo:tag", ("repo", "tag")),
    ("127.0.0.1:4566/team/repo:tag", ("team/repo", "tag")),
])  # fmt: skip
def test_image_names(image: str, parts: tuple[str, str]) -> None:
    assert image_parts(image) == parts


@pytest.mark.parametrize("image", ["repo", "Repo:tag", "repo:", "repo:-tag", ":tag", "repo:a b"])
def test_what_is_no_image_name_is_refused(image: str) -> None:
    with pytest.raises(LocalCloudError, match="it must look like repository:tag"):
        image_parts(image)
