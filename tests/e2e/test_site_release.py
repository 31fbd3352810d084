"""Two releases and the way back: functions, alias and task definition belong together."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.interrupter import Interrupter
from tests.e2e.site import Run, Site, site

_FUNCTIONS = ("trigger-audio-clean", "tamma-dev-reconciler")
_FAMILY = _REPOSITORY = "tamma-dev-audio-clean"
_NEWER = "newer-worker"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Yield a site with two releases, whose images differ by name alone."""
    with site(tmp_path_factory.mktemp("release"), Interrupter) as running:
        running.converge()
        assert running.run(playbook="playbooks/build_image.yml").code == 0
        registry = running.aws("ecr")
        held = registry.list_images(repositoryName=_REPOSITORY)["imageIds"]
        image = registry.batch_get_image(repositoryName=_REPOSITORY, imageIds=held)["images"][0]
        registry.put_image(repositoryName=_REPOSITORY, imageManifest=image["imageManifest"], imageTag=_NEWER)
        yield running


@pytest.fixture
def newer(running: Site) -> dict[str, Any]:
    """Release the newer worker and return what runs then."""
    running.converge("-e", f"naming_worker_image_tag={_NEWER}")
    return _what_runs(running)


def _what_runs(running: Site) -> dict[str, Any]:
    aws = running.aws("lambda")
    versions = {name: aws.get_alias(FunctionName=name, Name="live")["FunctionVersion"] for name in _FUNCTIONS}
    definition = running.aws("ecs").describe_task_definition(taskDefinition=_FAMILY)["taskDefinition"]
    return {"image": definition["containerDefinitions"][0]["image"].rpartition(":")[2], **versions}


def _roll_back(running: Site, *arguments: str, kill_after: int | None = None) -> Run:
    return running.run(*arguments, playbook="playbooks/rollback.yml", kill_after=kill_after)


def test_queues_call_the_alias_of_versions_that_name_their_commit(running: Site, newer: dict[str, Any]) -> None:
    aws = running.aws("lambda")
    for name in _FUNCTIONS:
        version = aws.get_function_configuration(FunctionName=name, Qualifier=newer[name])
        assert len(version["Description"]) >= len("unknown")
        assert version["Environment"]["Variables"]["WORKER_IMAGE_TAG"] == newer["image"] == _NEWER
    mapped = {
        item["FunctionArn"].partition(":function:")[2]
        for item in aws.list_event_source_mappings()["EventSourceMappings"]
    }
    assert mapped == {f"{name}:live" for name in _FUNCTIONS}


def test_rollback_returns_to_the_release_before_and_no_further(running: Site, newer: dict[str, Any]) -> None:
    preview = _roll_back(running, "--check")
    assert (preview.code, preview.writes) == (0, [])
    assert _what_runs(running) == newer
    back = _roll_back(running)
    assert back.code == 0, back.output
    assert back.changes == preview.changes
    older = _what_runs(running)
    assert older["image"] != _NEWER
    assert all(older[name] < newer[name] for name in _FUNCTIONS)
    again = _roll_back(running)
    assert (again.code, again.writes, again.last_line) == (0, [], "No changes.")
    # site.yml goes on from there: to the very versions that were left.
    running.converge("-e", f"naming_worker_image_tag={_NEWER}")
    assert _what_runs(running) == newer


@pytest.mark.parametrize("writes", [1, 2])
def test_a_rollback_that_is_cut_off_is_completed(running: Site, newer: dict[str, Any], writes: int) -> None:
    assert _roll_back(running, kill_after=writes).killed
    done = _roll_back(running)
    assert done.code == 0, done.output
    rolled_back = _what_runs(running)
    assert rolled_back["image"] != _NEWER
    assert all(rolled_back[name] != newer[name] for name in _FUNCTIONS)


def test_an_unknown_release_is_refused_in_words(running: Site, newer: dict[str, Any]) -> None:
    refused = _roll_back(running, "-e", "rollback_to=ffff")
    assert refused.code != 0
    assert "0 releases begin with 'ffff'; choose one of" in refused.output
    assert "Traceback" not in refused.output
    assert _what_runs(running) == newer


def test_the_status_shows_releases_and_which_one_is_live(running: Site, newer: dict[str, Any], tmp_path: Path) -> None:
    def look() -> tuple[str, list[dict[str, Any]]]:
        file = tmp_path / "status.json"
        run = running.run("-e", f"status_json={file}", playbook="playbooks/show_status.yml")
        assert (run.code, run.writes) == (0, []), run.output
        return run.output, json.loads(file.read_text())["releases"]

    output, found = look()
    assert [it["live"] for it in found].count(True) == 1
    assert found[0]["live"]
    assert {"image": found[0]["image_tag"], **found[0]["versions"]} == newer
    held = running.aws("ecr").describe_images(repositoryName=_REPOSITORY)["imageDetails"]
    digest = next(image["imageDigest"] for image in held if _NEWER in image["imageTags"])
    assert found[0]["image_digest"] == digest
    assert re.search(rf"^  {found[0]['release']} +live  .*{digest[:19]}", output, re.MULTILINE)
    assert _roll_back(running).code == 0
    assert [it["live"] for it in look()[1][:2]] == [False, True]


def test_a_release_whose_image_is_gone_is_refused(running: Site, newer: dict[str, Any]) -> None:
    registry = running.aws("ecr")
    first = running.aws("lambda").get_function_configuration(FunctionName=_FUNCTIONS[0], Qualifier="1")
    older = {"imageTag": first["Environment"]["Variables"]["WORKER_IMAGE_TAG"]}
    image = registry.batch_get_image(repositoryName=_REPOSITORY, imageIds=[older])["images"][0]
    registry.batch_delete_image(repositoryName=_REPOSITORY, imageIds=[older])
    try:
        refused = _roll_back(running)
    finally:
        registry.put_image(repositoryName=_REPOSITORY, imageManifest=image["imageManifest"], **older)
    assert refused.code != 0
    assert "is no longer in the registry" in refused.output
    assert _what_runs(running) == newer
