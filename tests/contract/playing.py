"""Plays a generated playbook with a real ansible-playbook, and does things behind its back between its tasks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.ansible_modules import ROOT
from tests.contract.emulators import Emulator

_CALLBACK = Path(__file__).parent / "callback"
_SECONDS = 1800  # the bound is for what hangs; plain tasks take a second each, and many on a busy machine


@dataclass(frozen=True)
class Step:
    """One task: a module with options, or, without a module, something that Python does meanwhile."""

    label: str
    module: str = ""
    options: Mapping[str, Any] | None = None
    check: bool = False
    act: Callable[[], object] | None = None


def play(aws: Emulator, steps: Sequence[Step], folder: Path, **environment: str) -> dict[str, dict[str, Any]]:
    """Run the steps in one playbook against an emulator; return the result of each module's task by its label."""
    playbook = folder / "playbook.json"
    with _behind_the_back(steps) as url:
        tasks = [_task(step, f"{url}/{number}") for number, step in enumerate(steps)]
        variables = {
            "AWS_ENDPOINT_URL": aws.endpoint,
            "AWS_REGION": aws.region,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_MAX_ATTEMPTS": "1",
        }
        common = {"hosts": "localhost", "connection": "local", "gather_facts": False, "environment": variables}
        interpreter = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        playbook.write_text(json.dumps([{**common, "vars": interpreter, "tasks": tasks}]))
        results, output = _ansible_playbook(playbook, environment)
    failed = [name for step in steps if (name := step.label) not in results or results[name].get("failed")]
    assert not failed, f"failed or not reached: {failed}\n{output[-2000:]}"
    return {step.label: results[step.label] for step in steps if step.module}


def _task(step: Step, url: str) -> dict[str, Any]:
    if step.module:
        return {"name": step.label, step.module: dict(step.options or {}), "check_mode": step.check}
    # A lookup runs in Ansible's own process: it costs no time and is the same in every mode.
    return {"name": step.label, "ansible.builtin.debug": {"msg": f"{{{{ lookup('ansible.builtin.url', '{url}') }}}}"}}


@contextmanager
def _behind_the_back(steps: Sequence[Step]) -> Iterator[str]:
    """Serve the acts of the steps by their number."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name is http.server's
            act = steps[int(self.path.strip("/"))].act
            assert act is not None
            act()
            self.send_response(200)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"done")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _ansible_playbook(playbook: Path, environment: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ANSIBLE_", "TAMMA_"))}
    told = playbook.with_name("results.jsonl")
    settings = {"RESULTS_FILE": str(told), "ANSIBLE_CALLBACK_PLUGINS": f"{ROOT / 'plugins/callback'}:{_CALLBACK}"}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "--diff", "-i", "localhost,", str(playbook)],
        cwd=ROOT,
        env={**kept, **settings, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    output = done.stdout + done.stderr
    assert told.exists(), output
    return dict(json.loads(line) for line in told.read_text().splitlines()), output
