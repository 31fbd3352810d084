"""Small wheels and lock files that name them, so that a test installs packages without a network."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ansible.module_utils.tamma.archive import zip_bytes

import tests.ansible_modules  # noqa: F401 - makes ansible.module_utils.tamma importable


def lock_file(folder: Path, version: str = "1.0", *, platform: str = "any", name: str = "lock.txt") -> Path:
    """Write a wheel of the package `tamma_sample` and a lock file with its hash, and return the lock file."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"tamma_sample-{version}-py3-none-{platform}.whl"
    about = f"tamma_sample-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: tamma-sample\nVersion: {version}\n"
    files = {
        "tamma_sample/__init__.py": f"VERSION = '{version}'\n".encode(),
        "tamma_sample/__pycache__/__init__.cpython-313.pyc": b"not for a layer",
        f"{about}/METADATA": metadata.encode(),
        f"{about}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-{platform}\n".encode(),
        f"{about}/entry_points.txt": b"[console_scripts]\ntamma-sample = tamma_sample:main\n",
    }
    files[f"{about}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{about}/RECORD"]).encode()
    wheel.write_bytes(zip_bytes(files))
    lock = folder / name
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock.write_text(f"tamma-sample @ {wheel.resolve().as_uri()} --hash=sha256:{digest}\n")
    return lock
