"""Images: pulled from the emulator's registry and unpacked, one layer each."""

import asyncio
import hashlib
import json
import re
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tamma_local.oci import INDEX_TYPES, LAYER_TYPES, MANIFEST_TYPES

# The registry is on the same machine: what takes longer than this hangs.
_PULL_TIMEOUT = aiohttp.ClientTimeout(total=120, connect=5)
_CHUNK_BYTES = 1024 * 1024
_LOOPBACK_IMAGE = re.compile(r"^(?P<registry>127\.0\.0\.1:\d+)/(?P<repository>[a-z0-9][a-z0-9._/-]*)$")


class ImageError(Exception):
    """Why an image cannot be had, with the HTTP status that Docker answers."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Image:
    """An unpacked image and what its configuration says."""

    image_id: str
    digest: str
    root: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    size: int = 0

    def resolve(self, path: str) -> str:
        """Return a path of the image below its unpacked root when it is /app or below; others are left alone."""
        return f"{self.root}{path}" if path == "/app" or path.startswith("/app/") else path

    @property
    def environment(self) -> dict[str, str]:
        """The image's variables, their paths below /app resolved."""
        pairs = (entry.partition("=") for entry in self.config.get("Env") or [])
        return {name: ":".join(self.resolve(part) for part in value.split(":")) for name, _, value in pairs}


class Images:
    """The images of this engine by the names they were pulled under."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, Image] = {}
        self._pulling = asyncio.Lock()

    def find(self, name: str) -> Image | None:
        """Return an image by name, name@digest or id."""
        if name in self._names:
            return self._names[name]
        return next((image for image in self._names.values() if name in {image.image_id, image.digest}), None)

    def all(self) -> dict[str, Image]:
        """Return every name with its image."""
        return dict(self._names)

    def tag(self, image: Image, name: str) -> None:
        """Give an image one more name."""
        self._names[name] = image

    async def pull(self, repository: str, reference: str) -> Image:
        """Fetch `127.0.0.1:<port>/<name>` at a tag or digest and unpack it unless that was done before.

        Raises ImageError as Docker would answer.
        """
        separator = "@" if reference.startswith("sha256:") else ":"
        name = f"{repository}{separator}{reference}"
        match = _LOOPBACK_IMAGE.match(repository)
        if not match:
            text = f"pull access denied for {repository}: the process engine pulls from the emulator's registry alone"
            raise ImageError(404, text)
        base = f"http://{match['registry']}/v2/{match['repository']}"
        try:
            async with self._pulling, aiohttp.ClientSession(timeout=_PULL_TIMEOUT) as session:
                image = await self._fetch(session, base, reference, name)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ImageError(500, f"the registry of {name} did not answer: {error}") from error
        self._names[name] = image
        return image

    async def _fetch(self, session: aiohttp.ClientSession, base: str, reference: str, name: str) -> Image:
        manifest_bytes = await _get(session, f"{base}/manifests/{reference}", f"manifest for {name} not found")
        digest = _digest(manifest_bytes)
        if reference.startswith("sha256:") and digest != reference:
            raise ImageError(500, f"the registry's manifest of {name} has another digest")
        layer, config_digest = _check_manifest(json.loads(manifest_bytes), name)
        config_bytes = await _get(session, f"{base}/blobs/{config_digest}", f"configuration of {name} not found")
        if _digest(config_bytes) != config_digest:
            raise ImageError(500, f"the configuration of {name} has another digest than its manifest says")
        root = self._folder / digest.replace(":", "-")
        if not root.is_dir():
            await self._unpack(session, base, layer, root, name)
        config = json.loads(config_bytes).get("config") or {}
        return Image(config_digest, digest, root, config, int(layer.get("size", 0)))

    async def _unpack(
        self, session: aiohttp.ClientSession, base: str, layer: Mapping[str, Any], root: Path, name: str
    ) -> None:
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".pull-") as folder:
            archive = Path(folder) / "layer.tar"
            await _download(session, f"{base}/blobs/{layer['digest']}", archive, layer["digest"], name)
            unpacked = Path(folder) / "root"
            await asyncio.to_thread(unpack, archive, unpacked, name)
            shutil.rmtree(root, ignore_errors=True)
            unpacked.rename(root)


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _check_manifest(manifest: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], str]:
    """Return the only layer and the configuration's digest, or raise ImageError for what cannot run as a process."""
    kind = manifest.get("mediaType", "")
    if kind in INDEX_TYPES or "layers" not in manifest:
        raise ImageError(400, f"{name} is an index of images, and the process engine takes a single image")
    layers = manifest["layers"]
    if len(layers) != 1 or layers[0].get("mediaType") not in LAYER_TYPES:
        raise ImageError(
            400,
            f"{name} has {len(layers)} layers of {', '.join(sorted({str(x.get('mediaType')) for x in layers}))}: the "
            "process engine runs images of one tar layer, as `tamma_local bundle` makes them; others need Docker",
        )
    return layers[0], str(manifest["config"]["digest"])


async def _get(session: aiohttp.ClientSession, url: str, missing: str) -> bytes:
    headers = {"Accept": ", ".join((*MANIFEST_TYPES, *INDEX_TYPES))} if "/manifests/" in url else {}
    async with session.get(url, headers=headers) as response:
        body = await response.read()
        if response.status == 404:  # noqa: PLR2004 - "not found" has no better name
            raise ImageError(404, f"{missing}: {_registry_message(body)}")
        if response.status >= 400:  # noqa: PLR2004 - every error status
            raise ImageError(500, f"the registry answered {response.status}: {_registry_message(body)}")
        return body


def _registry_message(body: bytes) -> str:
    try:
        return str(json.loads(body)["errors"][0]["message"])
    except (ValueError, LookupError, TypeError):
        return body[:200].decode(errors="replace")


async def _download(session: aiohttp.ClientSession, url: str, target: Path, digest: str, name: str) -> None:
    seen = hashlib.sha256()
    async with session.get(url) as response:
        if response.status != 200:  # noqa: PLR2004 - anything but the blob
            raise ImageError(500, f"a layer of {name} is missing in the registry")
        with target.open("wb") as file:
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                seen.update(chunk)
                file.write(chunk)
    if f"sha256:{seen.hexdigest()}" != digest:
        raise ImageError(500, f"a layer of {name} has another digest than its manifest says")


def unpack(archive: Path, target: Path, name: str) -> None:
    """Unpack a layer; what would leave the folder, is no file, folder or link, or deletes files is refused."""
    target.mkdir()
    try:
        with tarfile.open(archive, "r:*") as tar:
            for member in tar:
                if Path(member.name).name.startswith(".wh."):
                    raise ImageError(400, f"{name} deletes files of a lower layer ({member.name}): there is none here")
                tar.extract(member, target, filter="data")
    except (tarfile.TarError, OSError) as error:
        raise ImageError(500, f"a layer of {name} cannot be unpacked: {error}") from error
