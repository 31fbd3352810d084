"""Releases: which versions of the functions and which image belong together, as the functions' versions tell it.

Every version of a function holds, in its environment, the hash of the release that it is part of (RELEASE) and the tag
of the worker's image (WORKER_IMAGE_TAG); its description names the commit. Nothing else has to be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.tamma.errors import is_code
from botocore.exceptions import ClientError

_LATEST = "$LATEST"


@dataclass(frozen=True)
class Release:
    """One release; `versions` maps each function to its version, `since` is when the first of them was published."""

    name: str
    image_tag: str
    since: str
    commit: str
    versions: dict[str, str] = field(default_factory=dict)


def releases(aws: Any, functions: Iterable[str]) -> list[Release]:
    """Return the releases that all functions still have versions of, newest first. `aws` is boto3's lambda client."""
    found: dict[str, Release] = {}
    wanted = list(functions)
    for function in wanted:
        for version in _versions(aws, function):
            variables = version.get("Environment", {}).get("Variables", {})
            name = variables.get("RELEASE")
            if not name:
                continue
            release = found.setdefault(
                name,
                Release(name, variables.get("WORKER_IMAGE_TAG", ""), version["LastModified"], version["Description"]),
            )
            release.versions[function] = version["Version"]
    whole = [release for release in found.values() if len(release.versions) == len(wanted)]
    return sorted(whole, key=lambda release: int(release.versions[wanted[0]]), reverse=True)


def released(aws: Any, function: str, alias: str) -> str | None:
    """Return the version that the alias of a function points at, or None."""
    try:
        return str(aws.get_alias(FunctionName=function, Name=alias)["FunctionVersion"])
    except ClientError as error:
        if is_code(error, "ResourceNotFoundException"):
            return None
        raise


def recorded(clients: Callable[[str], Any], functions: list[str], alias: str, repository: str) -> list[dict[str, Any]]:
    """Return each release as facts, newest first: what it is made of, since when, and whether it is `live`.

    `image_digest` is None when the image is no longer in the registry: nobody can return to such a release.
    """
    aws = clients("lambda")
    found = releases(aws, functions)
    live = {function: released(aws, function, alias) for function in functions}
    digests = _digests(clients("ecr"), repository) if found else {}
    return [
        {
            "release": it.name,
            "live": it.versions == live,
            "image_tag": it.image_tag,
            "image_digest": digests.get(it.image_tag),
            "versions": it.versions,
            "commit": it.commit,
            "since": it.since,
        }
        for it in found
    ]


def image_tag(definition: dict[str, Any]) -> str:
    """Return the tag of the image of a task definition's first container."""
    return str(definition["containerDefinitions"][0]["image"]).rpartition(":")[2]


def revision_with(ecs: Any, family: str, found: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
    """Return DescribeTaskDefinition's answer for the newest active revision that is as wanted."""
    pages = ecs.get_paginator("list_task_definitions").paginate(familyPrefix=family, status="ACTIVE", sort="DESC")
    for page in pages:
        for arn in page["taskDefinitionArns"]:
            if arn.rpartition("/")[2].rpartition(":")[0] != family:
                continue
            answer: dict[str, Any] = ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
            if found(answer["taskDefinition"]):
                return answer
    return None


def _digests(ecr: Any, repository: str) -> dict[str, str]:
    """Return the digest of each image of a repository by its tags; none when there is no repository."""
    pages = ecr.get_paginator("describe_images").paginate(repositoryName=repository, filter={"tagStatus": "TAGGED"})
    try:
        images = [image for page in pages for image in page["imageDetails"]]
    except ClientError as error:
        if is_code(error, "RepositoryNotFoundException"):
            return {}
        raise
    return {tag: str(image["imageDigest"]) for image in images for tag in image.get("imageTags", [])}


def _versions(aws: Any, function: str) -> list[dict[str, Any]]:
    pages = aws.get_paginator("list_versions_by_function").paginate(FunctionName=function)
    try:
        found = [item for page in pages for item in page["Versions"] if item["Version"] != _LATEST]
    except ClientError as error:
        if is_code(error, "ResourceNotFoundException"):
            return []
        raise
    return sorted(found, key=lambda item: int(item["Version"]))
