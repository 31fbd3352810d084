"""What `status` and `logs` print."""

import http.client
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import psycopg

from tamma_local.cloud import Cloud
from tamma_local.layout import Layout
from tamma_local.processes import last_lines
from tamma_local.task_engine import reachable

PARTS = ("supervisor", "aws", "postgres", "postgrest")

_ASK_SECONDS = 3
# How often a followed log is looked at: files on every system can be read, not watched.
_FOLLOW_SECONDS = 0.2


def status(cloud: Cloud) -> str:
    """Return one line for each part: where it is and whether it answers now."""
    parts = [
        ("AWS", cloud.aws_endpoint_url, _answers(f"{cloud.aws_endpoint_url}/_ministack/ready", "")),
        ("Supabase", cloud.supabase_url, _answers(f"{cloud.supabase_url}/rest/v1/", cloud.supabase_service_key)),
        ("Database", cloud.database_url.rpartition("@")[2], _database_answers(cloud.database_url)),
        ("Tasks", f"{cloud.task_engine} at {cloud.docker_host}", reachable(cloud.docker_host)),
    ]
    lines = [f"  {name:<9} {'answers' if up else 'DOES NOT ANSWER':<16} {where}" for name, where, up in parts]
    return "\n".join([f"The embedded cloud is running (process {cloud.pid}).", *lines])


def _answers(url: str, api_key: str) -> bool:
    request = urllib.request.Request(url, headers={"apikey": api_key} if api_key else {})  # noqa: S310 - http, our own
    try:
        with urllib.request.urlopen(request, timeout=_ASK_SECONDS) as response:  # noqa: S310 - as above
            return bool(response.status == http.client.OK)
    except (urllib.error.URLError, TimeoutError, OSError):
        return False


def _database_answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=_ASK_SECONDS).close()
    except psycopg.OperationalError:
        return False
    return True


def show_logs(layout: Layout, parts: Sequence[str], lines: int, *, follow: bool) -> None:
    """Print the last lines of each part's log; with several parts each line names its own."""
    files = {part: layout.log(part) for part in parts}
    positions = {part: _size(file) for part, file in files.items()}
    for part, file in files.items():
        for line in last_lines(file, lines):
            _show(part, line, parts)
    while follow:
        sys.stdout.flush()
        time.sleep(_FOLLOW_SECONDS)
        for part, file in files.items():
            positions[part] = _show_new(part, file, positions[part], parts)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _show_new(part: str, file: Path, position: int, parts: Sequence[str]) -> int:
    """Print the complete lines that were added since a position and return the new one."""
    size = _size(file)
    if size == position:
        return position
    # A log that was set aside starts again.
    start = 0 if size < position else position
    with file.open("rb") as opened:
        opened.seek(start)
        text = opened.read(size - start)
    complete = text[: text.rfind(b"\n") + 1]
    for line in complete.decode(errors="replace").splitlines():
        _show(part, line, parts)
    return start + len(complete)


def _show(part: str, line: str, parts: Sequence[str]) -> None:
    print(line if len(parts) == 1 else f"{part:<10} | {line}")
