"""The worker's image without an engine: one layer with the sources, the same bytes for the same input."""

import argparse
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tamma_local.errors import LocalCloudError
from tamma_local.oci import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST
from tamma_local.registry import Registry, image_parts

_IGNORED = frozenset({"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"})
_ENTRY_POINT = ["python", "-m", "tamma_worker"]
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Bundle:
    """An image in memory: the manifest names the two blobs by their digests."""

    layer: bytes
    config: bytes
    manifest: bytes

    @property
    def digest(self) -> str:
        """The image's digest as registries say it."""
        return digest(self.manifest)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--context", type=Path, required=True, help="folder of the worker; its src/ goes to /app/src")
    parser.add_argument("--image", required=True, metavar="REPOSITORY:TAG", help="ECR repository and tag")
    parser.add_argument("--endpoint", help="registry's address (default: AWS_ENDPOINT_URL, else what ECR says)")


def run(options: argparse.Namespace) -> str:
    """Make the image, push what the registry does not have, and return `repository@sha256:…`."""
    repository, tag = image_parts(options.image)
    bundle = make(options.context)
    registry = Registry.from_environment(options.endpoint)
    registry.push_blob(repository, digest(bundle.layer), bundle.layer)
    registry.push_blob(repository, digest(bundle.config), bundle.config)
    registry.push_manifest(repository, tag, bundle.manifest)
    return f"{repository}@{bundle.digest}"


def make(context: Path) -> Bundle:
    """Return the image of a worker's folder; LocalCloudError when it holds no `src/tamma_worker`."""
    if not (context / "src" / "tamma_worker" / "__main__.py").is_file():
        raise LocalCloudError(f"{context} is no worker: it has no src/tamma_worker/__main__.py.")
    layer = _layer(context / "src")
    config = _json({
        "architecture": _ARCHITECTURES.get(platform.machine().lower(), platform.machine().lower()),
        "os": "linux",
        "config": {"Env": ["PYTHONPATH=/app/src"], "WorkingDir": "/app", "Entrypoint": _ENTRY_POINT},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
    })  # fmt: skip
    manifest = _json({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _descriptor(OCI_CONFIG, config),
        "layers": [_descriptor(OCI_LAYER, layer)],
    })  # fmt: skip
    return Bundle(layer, config, manifest)


def _layer(source: Path) -> bytes:
    """Return a tar archive of a folder as /app/src: sorted, without times, owners or odd modes, not compressed.

    Compression would make the bytes depend on the library's version.
    """
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(_entry("app", tarfile.DIRTYPE, 0o755))
        tar.addfile(_entry("app/src", tarfile.DIRTYPE, 0o755))
        for path in _files(source):
            name = f"app/src/{path.relative_to(source).as_posix()}"
            if path.is_dir():
                tar.addfile(_entry(name, tarfile.DIRTYPE, 0o755))
            else:
                data = path.read_bytes()
                mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
                tar.addfile(_entry(name, tarfile.REGTYPE, mode, len(data)), io.BytesIO(data))
    return output.getvalue()


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*"), key=lambda each: each.relative_to(folder).as_posix()):
        if _IGNORED.isdisjoint(path.relative_to(folder).parts) and (path.is_file() or path.is_dir()):
            yield path


def _entry(name: str, kind: bytes, mode: int, size: int = 0) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.size = kind, mode, size
    return entry


def digest(data: bytes) -> str:
    """Return the digest of bytes as registries write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(data), "size": len(data)}
