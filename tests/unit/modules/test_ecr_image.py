"""Images are built only when the registry lacks them, and no password is seen on a command line."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.unit.modules.stubbed_aws import StubbedAws

HOST = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
DIGEST = "sha256:" + "0" * 64
MISSING: dict[str, Any] = {"images": [], "failures": [{"failureCode": "ImageNotFound"}]}
PRESENT: dict[str, Any] = {"images": [{"imageId": {"imageDigest": DIGEST}}], "failures": []}
PASSWORD = "secret-of-the-registry"
OPTIONS = {"name": "tamma-dev-audio-clean", "tag": "0123456789abcdef", "context": "files/worker"}


@pytest.fixture
def aws() -> StubbedAws:
    return StubbedAws()


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `docker` that writes down its arguments and its standard input, and fails when told to."""
    engine = tmp_path / "docker"
    engine.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/argv\n[ "$1" = login ] && cat > {tmp_path}/stdin\n'
        f'[ -e {tmp_path}/broken ] && [ "$1" = build ] && echo "no space left on device" >&2 && exit 17\nexit 0\n'
    )
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path


def _missing_then(aws: StubbedAws) -> None:
    aws.answers("ecr", "batch_get_image", MISSING)
    token = base64.b64encode(f"AWS:{PASSWORD}".encode()).decode()
    data = [{"authorizationToken": token, "proxyEndpoint": f"https://{HOST}"}]
    aws.answers("ecr", "get_authorization_token", {"authorizationData": data})


def test_an_image_that_is_there_is_not_built(aws: StubbedAws, docker: Path) -> None:
    aws.answers("ecr", "batch_get_image", PRESENT)
    outcome = aws.run("ecr_image", OPTIONS)
    assert not outcome.changed
    assert outcome.resource["digest"] == DIGEST
    assert not (docker / "argv").exists()


def test_a_preview_builds_nothing(aws: StubbedAws, docker: Path) -> None:
    aws.answers("ecr", "batch_get_image", MISSING)
    outcome = aws.run("ecr_image", OPTIONS, check=True)
    assert outcome.changed
    assert outcome.after["digest"] == "(known after apply)"
    assert not (docker / "argv").exists()


def test_a_preview_works_before_the_repository_exists(aws: StubbedAws) -> None:
    aws.refuses("ecr", "batch_get_image", "RepositoryNotFoundException")
    assert aws.run("ecr_image", OPTIONS, check=True).changed


def test_a_missing_image_is_built_for_its_platform_and_pushed(aws: StubbedAws, docker: Path) -> None:
    _missing_then(aws)
    aws.answers("ecr", "batch_get_image", PRESENT)
    outcome = aws.run("ecr_image", {**OPTIONS, "platform": "linux/amd64"})
    assert outcome.changed
    assert outcome.resource["digest"] == DIGEST
    reference = f"{HOST}/tamma-dev-audio-clean:0123456789abcdef"
    login, build, push = (docker / "argv").read_text().splitlines()
    assert login == f"login --username AWS --password-stdin {HOST}"
    assert build.startswith(f"build --platform linux/amd64 --tag {reference} ")
    assert push == f"push {reference}"
    assert (docker / "stdin").read_text() == PASSWORD
    assert PASSWORD not in (docker / "argv").read_text()


def test_another_registry_address_is_pushed_to(aws: StubbedAws, docker: Path) -> None:
    _missing_then(aws)
    aws.answers("ecr", "batch_get_image", PRESENT)
    aws.run("ecr_image", {**OPTIONS, "registry_host": "127.0.0.1:4566"})
    assert "push 127.0.0.1:4566/tamma-dev-audio-clean:0123456789abcdef" in (docker / "argv").read_text()


def test_a_failed_build_ends_with_the_engines_words(aws: StubbedAws, docker: Path) -> None:
    (docker / "broken").touch()
    _missing_then(aws)
    outcome = aws.run("ecr_image", OPTIONS)
    assert outcome.failed
    assert "`docker build` failed with exit code 17: no space left on device" in outcome.message
    assert PASSWORD not in outcome.message
    assert "push" not in (docker / "argv").read_text()


@pytest.mark.parametrize(
    "words",
    [
        'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host',
        "ERROR: failed to solve: python:3.13-slim: failed to resolve source metadata for docker.io/library/python",
    ],
)
def test_a_base_image_that_cannot_be_pulled_is_told_in_one_sentence(aws: StubbedAws, docker: Path, words: str) -> None:
    (docker / "docker").write_text(f"#!/bin/sh\n[ \"$1\" = build ] && echo '{words}' >&2 && exit 1\nexit 0\n")
    _missing_then(aws)
    outcome = aws.run("ecr_image", OPTIONS)
    assert outcome.failed
    assert f"docker could not pull the base image python:3.13-slim ({words})" in outcome.message
    assert "TAMMA_TASK_ENGINE=process" in outcome.message
    assert "\n" not in outcome.message


def test_a_missing_engine_is_named(aws: StubbedAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    _missing_then(aws)
    outcome = aws.run("ecr_image", {**OPTIONS, "engine": "podman"})
    assert outcome.failed
    assert "podman is not installed" in outcome.message


def test_absent_deletes_the_tag(aws: StubbedAws) -> None:
    aws.answers("ecr", "batch_get_image", PRESENT)
    aws.answers("ecr", "batch_delete_image", {"imageIds": [{"imageTag": "t"}], "failures": []})
    assert aws.run("ecr_image", {"name": "worker", "tag": "t", "state": "absent"}).changed
