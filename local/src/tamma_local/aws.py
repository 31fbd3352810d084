"""The AWS part: ministack through our wrapper."""

import os
import signal
from pathlib import Path

import aiohttp

from tamma_local.cloud import ACCOUNT_ID, REGION
from tamma_local.errors import LocalCloudError
from tamma_local.keys import Keys
from tamma_local.layout import REPOSITORY, Layout, cloud_python
from tamma_local.ports import LOOPBACK, Ports
from tamma_local.processes import Child
from tamma_local.task_engine import TaskEngine
from tamma_local.waiting import until

# The first start compiles ministack's modules on a busy machine; the usual time is half a second.
_READY_SECONDS = 60
# Saving the state takes well under a second; the web server waits up to three for open connections.
_STOP_SECONDS = 15


def environment(layout: Layout, keys: Keys, ports: Ports, engine: TaskEngine) -> dict[str, str]:
    """Return everything that ministack is told; it inherits nothing else."""
    return {
        "PATH": f"{cloud_python().parent}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        "HOME": str(layout.temporary),
        "TMPDIR": str(layout.temporary),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(REPOSITORY / "local" / "src"),
        "PYTHONUNBUFFERED": "1",
        "GATEWAY_PORT": str(ports.aws),
        "BIND_HOST": LOOPBACK,
        "MINISTACK_HOST": LOOPBACK,
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "AUTH": "true",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(layout.aws / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(layout.aws / "s3"),
        "TAMMA_TASK_ENGINE": engine.kind,
        "TAMMA_LOCAL_DIR": str(layout.state),
        "TAMMA_TIME_SCALE": os.environ.get("TAMMA_TIME_SCALE", ""),
        **engine.variables,
    }


class Aws:
    """The emulator's process."""

    def __init__(self, layout: Layout, child: Child) -> None:
        self._layout = layout
        self.child = child

    async def start(self, keys: Keys, ports: Ports, engine: TaskEngine) -> None:
        """Start it and wait until it answers."""
        python = cloud_python()
        if not python.exists():
            raise LocalCloudError(f"The AWS emulator is not installed in {python.parent.parent}: run `make setup`.")
        values = environment(self._layout, keys, ports, engine)
        await self.child.start([python, "-m", "tamma_local.emulator"], values, self._layout.temporary)
        url = f"http://{LOOPBACK}:{ports.aws}/_ministack/ready"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            await until("The AWS emulator", lambda: answers(session, url), self.child.check, _READY_SECONDS)

    async def stop(self) -> None:
        """Let it save its state and end."""
        await self.child.stop(signal.SIGTERM, _STOP_SECONDS)


async def answers(session: aiohttp.ClientSession, url: str) -> bool:
    """Say whether a URL answers with success now."""
    try:
        async with session.get(url) as response:
            return response.ok
    except (aiohttp.ClientError, TimeoutError):
        return False


def python_version(environment_folder: Path) -> str:
    """Return the minor version of Python of a virtual environment, `3.13`: that of the functions that run in it."""
    for line in (environment_folder / "pyvenv.cfg").read_text().splitlines():
        name, _, value = line.partition("=")
        if name.strip() in {"version", "version_info"}:
            return ".".join(value.strip().split(".")[:2])
    raise LocalCloudError(f"{environment_folder} is no virtual environment: remove it and run `make setup`.")
