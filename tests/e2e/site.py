"""The playbooks as an operator runs them, against an empty embedded cloud, with every API call seen on its way."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tamma_local.cloud import Cloud
from tamma_local.layout import REPOSITORY

from benchmarks.converge.calls import Call
from benchmarks.converge.recorder import Recorder
from benchmarks.converge.stage import embedded_cloud, seen_through, write_json
from tests.conftest import aws_client
from tests.e2e.interrupter import Interrupter

_SECONDS = 600  # the bound is for what hangs; a run takes seconds, also on a busy machine with modules of their own


@dataclass(frozen=True)
class Run:
    """What one ansible-playbook said and did."""

    code: int
    output: str
    plan: Any
    """The summary as PLAN_JSON has it; None when there was none."""
    calls: tuple[Call, ...]
    """Every request that came by, in order."""

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL

    @property
    def last_line(self) -> str:
        return self.output.rstrip("\n").rpartition("\n")[2]

    @property
    def writes(self) -> list[str]:
        return [str(call) for call in self.calls if not call.reads]

    @property
    def changes(self) -> list[tuple[str, str, str, str, Any, Any]]:
        """Every changed property: role, action, kind, name of the resource, property, and its values in one pair."""
        return [
            (role, one["action"], one["kind"], one["name"], item["property"], (item["before"], item["after"]))
            for role, one in self._listed()
            for item in one["changes"]
        ]

    @property
    def touched(self) -> list[tuple[str, str, str]]:
        """Every resource that changes: action, kind, name."""
        return [(one["action"], one["kind"], one["name"]) for _, one in self._listed()]

    def _listed(self) -> Iterator[tuple[str, Any]]:
        return ((role["role"], change) for role in self.plan["roles"] for change in role["changes"])


class Site:
    """A cloud of its own with a proxy before it that counts; `proxy` may be another relay."""

    def __init__(self, folder: Path, cloud: Cloud, proxy: Recorder) -> None:
        self.cloud, self.proxy, self._folder = cloud, proxy, folder
        self.inventory = "inventories/local"
        write_json(folder / "cloud.json", seen_through(cloud, proxy.url))

    def aws(self, service: str, **credentials: str) -> Any:
        """Return a client that goes past the proxy; root's unless credentials are given."""
        return aws_client(self.cloud, service, **credentials)

    def run(
        self, *arguments: str, playbook: str = "site.yml", kill_after: int | None = None, **environment: str
    ) -> Run:
        """Run a playbook with the site's inventory and return how it went.

        `kill_after` kills it when it has written so many times; an Interrupter must be the proxy.
        """
        plan = self._folder / "plan.json"
        plan.unlink(missing_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ANSIBLE_"))}
        variables = {
            "TAMMA_LOCAL_DIR": str(self._folder),
            "PYTHONPATH": f"{REPOSITORY / 'local/src'}:{REPOSITORY / 'files/worker/src'}",
            "PLAN_JSON": str(plan),
            "ANSIBLE_LOCAL_TEMP": str(self._folder / "ansible"),  # runs that are killed leave their files there
        }
        self.proxy.take()
        command = [str(Path(sys.executable).with_name("ansible-playbook")), playbook, "-i", self.inventory]
        with (self._folder / "output").open("w") as output, contextlib.ExitStack() as stack:
            if kill_after is not None:
                assert isinstance(self.proxy, Interrupter)
                stack.enter_context(self.proxy.interrupting(kill_after, lambda: _kill(process)))
            process = subprocess.Popen(
                [*command, *arguments], cwd=REPOSITORY, env=kept | variables | environment,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            stack.callback(_kill, process)
            code = process.wait(timeout=_SECONDS)
            stack.close()
            said = Path(output.name).read_text()
        told = json.loads(plan.read_text()) if plan.is_file() else None
        return Run(code, said, told, tuple(exchange.call for exchange in self.proxy.take()))

    def preview(self, *arguments: str, **environment: str) -> Run:
        """Run site.yml in check mode; it must not fail."""
        return self._must_end_well(self.run("--check", "--diff", *arguments, **environment))

    def converge(self, *arguments: str, **environment: str) -> Run:
        """Run site.yml; it must not fail."""
        return self._must_end_well(self.run(*arguments, **environment))

    def teardown(self, *arguments: str, kill_after: int | None = None) -> Run:
        """Tear everything down; it must not fail."""
        confirmed = ("-e", "teardown_confirm=tamma-dev", "-e", "storage_delete_objects=true")
        run = self.run(*confirmed, *arguments, playbook="playbooks/teardown.yml", kill_after=kill_after)
        return run if run.killed else self._must_end_well(run)

    def _must_end_well(self, run: Run) -> Run:
        assert run.code == 0, run.output
        return run


@contextlib.contextmanager
def site(folder: Path, proxy: type[Recorder] = Recorder) -> Iterator[Site]:
    """Run an empty cloud with a proxy before it for a while."""
    with embedded_cloud(folder / "cloud") as cloud, proxy(cloud.aws_endpoint_url) as running:
        yield Site(folder, cloud, running)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a run at once, with its workers: Ansible puts each of them in a session of its own."""
    if process.poll() is None:
        os.kill(process.pid, signal.SIGSTOP)  # it shall fork no more of them
        for pid in [*_descendants(process.pid), process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    command = ["ps", "-A", "-o", "pid=,ppid="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found = [pid]
    for ancestor in found:
        found += [child for child, parent in pairs if parent == ancestor]
    return found[1:]
