"""The two AWS emulators that the contract is shown on, each on a free loopback port."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.ansible_modules import ROOT, Recorder

_REGION = "us-east-1"
_START_TIMEOUT = 30  # seconds; ready in 1 s on an idle machine
_CLOUD_PYTHON = ROOT / ".venv-cloud" / "bin" / "python"


class Emulator:
    """A running emulator with its clients, whose calls are recorded."""

    def __init__(self, emulator: str, endpoint: str, account_id: str, reset_path: str) -> None:
        """Take where it listens and how it is told to forget everything."""
        self.emulator, self.endpoint, self.account_id, self.region = emulator, endpoint, account_id, _REGION
        self._reset_path = reset_path
        self._session = boto3.Session("test", "test", region_name=_REGION)
        self._own: dict[str, Any] = {}
        self._recorded: dict[str, Any] = {}
        self.recorder = Recorder()

    def client(self, service: str) -> Any:
        """Return a client for the test's own use: what it calls is not recorded."""
        if service not in self._own:
            self._own[service] = self._connect(service)
        return self._own[service]

    def recorded_client(self, service: str) -> Any:
        """Return the client that modules get."""
        if service not in self._recorded:
            self._recorded[service] = self._connect(service)
            self.recorder.attach(self._recorded[service])
        return self._recorded[service]

    def reset(self) -> None:
        """Empty the account."""
        request = urllib.request.Request(f"{self.endpoint}{self._reset_path}", method="POST")  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
            answer.read()

    def _connect(self, service: str) -> Any:
        # An emulator's error is the answer: repeating the call only takes time.
        config = Config(retries={"total_max_attempts": 1}, signature_version="s3v4" if service == "s3" else None)
        connect: Any = self._session.client  # typed by service name literals; here the name is a variable
        return connect(service, endpoint_url=self.endpoint, config=config)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310 - loopback
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"ministack did not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.05)  # nothing announces that the port is open
        else:
            return


@contextmanager
def ministack(folder: Path) -> Iterator[Emulator]:
    """Run ministack as a process of its own until the block ends."""
    port, log = _free_port(), folder / "ministack.log"
    environment = {
        **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }
    endpoint = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(_CLOUD_PYTHON), "-m", "ministack"], env=environment, stdout=output, stderr=output, cwd=folder
        )
        try:
            _wait_until_ready(process, f"{endpoint}/_ministack/health", log)
            yield Emulator("ministack", endpoint, "000000000000", "/_ministack/reset")
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def moto() -> Iterator[Emulator]:
    """Run moto's server in a thread until the block ends."""
    # Loading AWS's managed policies costs half a second after every reset, and no case attaches one.
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "false"
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    from moto.core.responses import ActionResult
    from moto.iam.responses import IamResponse
    from moto.server import ThreadedMotoServer

    # moto 5.2.5 answers this list with a page of HTML, and nothing can be put into it.
    IamResponse.list_service_specific_credentials = lambda _self: ActionResult({"ServiceSpecificCredentials": []})
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Emulator("moto", f"http://{host}:{port}", "123456789012", "/moto-api/reset")
    finally:
        server.stop()
