"""Pushing to a registry: the few calls of the distribution protocol that a single image needs."""

import http.client
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass

from tamma_local.errors import LocalCloudError
from tamma_local.oci import OCI_MANIFEST

# As Docker reads names: the first part is a registry's only when it has a dot or a port.
_IMAGE = re.compile(
    r"^(?:(?=[^/]*[.:])[a-z0-9.-]+(?::\d+)?/)?(?P<repository>[a-z0-9][a-z0-9._/-]*):(?P<tag>[A-Za-z0-9_][\w.-]{0,127})$"
)
# One request carries a few megabytes at most; a registry across the ocean needs seconds.
_TIMEOUT_SECONDS = 60


def image_parts(image: str) -> tuple[str, str]:
    """Return repository and tag of `[registry/]repository:tag`; LocalCloudError for anything else."""
    match = _IMAGE.match(image)
    if not match:
        raise LocalCloudError(f"{image!r} is no image: it must look like repository:tag.")
    return match["repository"], match["tag"]


@dataclass(frozen=True)
class Registry:
    """A registry's address and the credentials for it, already encoded."""

    url: str
    authorization: str

    @classmethod
    def from_environment(cls, endpoint: str | None) -> "Registry":
        """Ask ECR for credentials with the standard AWS variables.

        The embedded cloud's registry is at its own endpoint: ECR's answer names an AWS host there as well.
        """
        import boto3  # three tenths of a second that the other commands need not wait
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            data = boto3.client("ecr", region_name=os.environ.get("AWS_REGION")).get_authorization_token()[
                "authorizationData"
            ][0]
        except (BotoCoreError, ClientError) as error:
            raise LocalCloudError(f"ECR gave no credentials: {error}. Check the AWS variables (`make env`).") from error
        url = endpoint or os.environ.get("AWS_ENDPOINT_URL_ECR") or os.environ.get("AWS_ENDPOINT_URL")
        return cls((url or data["proxyEndpoint"]).rstrip("/"), data["authorizationToken"])

    def push_blob(self, repository: str, digest: str, data: bytes) -> None:
        """Upload bytes unless the registry has them."""
        path = f"/v2/{repository}/blobs/"
        if self._call("HEAD", f"{path}{digest}", missing_ok=True) is not None:
            return
        started = self._call("POST", f"{path}uploads/")
        assert started is not None  # noqa: S101 - only missing_ok gives None
        location = urllib.parse.urljoin(self.url + path, started["Location"])
        separator = "&" if "?" in location else "?"
        target = f"{location}{separator}digest={urllib.parse.quote(digest)}"
        self._call("PUT", target, data, "application/octet-stream")

    def push_manifest(self, repository: str, tag: str, manifest: bytes) -> None:
        """Give the image its tag; pushing the same image again is quiet, another one under a fixed tag is refused."""
        self._call("PUT", f"/v2/{repository}/manifests/{tag}", manifest, OCI_MANIFEST)

    def _call(
        self, method: str, target: str, data: bytes | None = None, content_type: str = "", *, missing_ok: bool = False
    ) -> http.client.HTTPMessage | None:
        """Send one request and return the answer's headers; None for a missing thing that may be missing."""
        url = target if target.startswith("http") else self.url + target
        headers = {"Authorization": f"Basic {self.authorization}"} | ({"Content-Type": content_type} if data else {})
        request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310 - given by the user
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310 - as above
                return response.headers  # type: ignore[no-any-return]
        except urllib.error.HTTPError as error:
            if missing_ok and error.code == http.client.NOT_FOUND:
                return None
            text = error.read()[:300].decode(errors="replace")
            raise LocalCloudError(f"The registry refused {method} {url}: {error.code} {text}") from error
        except (urllib.error.URLError, OSError) as error:
            raise LocalCloudError(f"The registry at {self.url} does not answer: {error}") from error
