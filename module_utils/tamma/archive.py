"""Zip archives that are the same bytes whenever they hold the same files, and the packages of a Lambda layer."""

from __future__ import annotations

import hashlib
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path

from ansible.module_utils.tamma.errors import RefusalError

BUILDER_VERSION = "2"
"""Grows when the same inputs shall be built differently, so that layers are published anew."""
PLATFORMS = {"x86_64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
"""uv's names of the platforms of Lambda's runtimes on Amazon Linux 2023 (glibc 2.34 runs manylinux_2_28)."""

_FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
_FILE_MODE = 0o100644
_BUILD_TIMEOUT = 600  # seconds; a cold download of some 20 MB takes a few
# Installers write these: they hold paths, times or hashes of scripts, and importlib.metadata does without them.
_INSTALLER_FILES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """Return a zip of these files: sorted, with one time and one mode for all."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _FIXED_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix, wherever it is built
            info.external_attr = _FILE_MODE << 16
            archive.writestr(info, files[name])
    return buffer.getvalue()


def flat_sources(folders: Iterable[str]) -> dict[str, bytes]:
    """Return the *.py files that lie directly in these folders, by name; two of one name are refused."""
    found: dict[str, Path] = {}
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise RefusalError(f"the source folder {folder} does not exist; check the path")
        for path in sorted(folder.glob("*.py")):
            if path.name in found:
                raise RefusalError(f"{found[path.name]} and {path} have the same name in the archive; rename one")
            found[path.name] = path
    if not found:
        raise RefusalError("the source folders hold no *.py file; check the paths")
    return {name: path.read_bytes() for name, path in found.items()}


def store(data: bytes, folder: Path, *, keep: int) -> Path:
    """Write `<sha256>.zip` to the folder unless it is there, and remove all but the newest `keep` archives."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(data).hexdigest()}.zip"
    if path.exists():
        path.touch()  # the newest is the one that was used last
    else:
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as part:
            part.write(data)
        Path(part.name).replace(path)
    by_age = sorted(folder.glob("*.zip"), key=lambda item: item.stat().st_mtime_ns, reverse=True)
    for old in by_age[keep:]:
        old.unlink(missing_ok=True)
    return path


def layer_hash(requirements: Path, python_version: str, architecture: str) -> str:
    """Return the SHA-256 over everything that decides what a layer holds."""
    if not requirements.is_file():
        raise RefusalError(f"the lock file {requirements} does not exist; check requirements")
    digest = hashlib.sha256()
    for part in (requirements.read_bytes(), python_version.encode(), architecture.encode(), BUILDER_VERSION.encode()):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def build_layer(requirements: Path, python_version: str, architecture: str) -> bytes:
    """Return the zip of a layer with the packages of a lock file with hashes, below python/.

    Lambda's disk is read-only, so what is not compiled here is compiled in every cold start, which doubles it. It takes
    the functions' Python to compile; from another one the layer works without.
    """
    with tempfile.TemporaryDirectory(prefix="tamma-layer-") as folder:
        _install(requirements, python_version, architecture, folder)
        root = Path(folder)
        paths = [path for path in root.rglob("*") if path.is_file() and _belongs(path.relative_to(root))]
        if python_version == f"{sys.version_info.major}.{sys.version_info.minor}":
            paths += _compiled(root, paths)
        return zip_bytes({f"python/{path.relative_to(root).as_posix()}": path.read_bytes() for path in paths})


def _install(requirements: Path, python_version: str, architecture: str, target: str) -> None:
    # The lock file is complete, so that nothing is resolved; no package runs code of its own while it is installed.
    options = ["--only-binary", ":all:", "--require-hashes", "--no-deps", "--link-mode", "copy", "--no-progress"]
    platform = ["--python-platform", PLATFORMS[architecture], "--python-version", python_version]
    argv = [
        _uv(),
        "pip",
        "install",
        "--quiet",
        "--system-certs",
        "--target",
        target,
        *platform,
        *options,
        "-r",
        str(requirements),
    ]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_BUILD_TIMEOUT, check=False)
    except subprocess.TimeoutExpired as error:
        raise RefusalError(
            f"the packages were not there after {_BUILD_TIMEOUT} s; check the network and re-run"
        ) from error
    if done.returncode:
        reason = re.sub(r"\s+", " ", done.stderr).strip()[-600:]
        raise RefusalError(
            f"uv could not install {requirements.name} for {architecture}: {reason}; correct the lock file"
        )


def _compiled(root: Path, paths: Iterable[Path]) -> list[Path]:
    """Compile the modules among these files; return where their bytecode is. One that does not compile is left out."""
    written = [
        py_compile.compile(
            str(path),
            dfile=f"/opt/python/{path.relative_to(root).as_posix()}",  # for tracebacks
            # The other modes hold a time, which would differ at each build, or compare the source at each import.
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            quiet=2,
        )
        for path in paths
        if path.suffix == ".py"
    ]
    return [Path(path) for path in written if path]


def _uv() -> str:
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("uv")
    if not found:
        raise RefusalError("uv is neither beside this Python nor on PATH; run make setup")
    return found


def _belongs(path: Path) -> bool:
    """Tell whether an installed file goes into the layer: scripts, caches and the installer's notes stay out."""
    if path.parts[0] in ("bin", ".lock") or "__pycache__" in path.parts or path.suffix == ".pyc":
        return False
    return not (path.parent.name.endswith(".dist-info") and path.name in _INSTALLER_FILES)
