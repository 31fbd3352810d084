"""What the parent prepares and its forked workers inherit."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ansible.module_utils.tamma.warm import running, snapshot
from ansible.module_utils.tamma.warm.clients import Clients


@dataclass
class State:
    """Clients, their snapshot, and where this run notes what it asks."""

    snapshot: snapshot.Snapshot = field(default_factory=snapshot.Snapshot)
    journal: Path | None = None
    asked_ahead: int = 0
    """Requests that looking ahead took."""

    def __post_init__(self) -> None:
        """Give every AWS module of this process and its children the shared clients."""
        self.clients = Clients(self.snapshot)
        self.clients.install()

    def prepare(self, variables: Mapping[str, str]) -> None:
        """Make all clients for this environment."""
        with running.environment(variables):
            self.clients.prepare()

    def look_ahead(self, variables: Mapping[str, str], record: Path) -> None:
        """Ask AWS what the last run asked."""
        with running.environment(variables):
            by_service = dict(self.clients.by_service())
            self.snapshot.begin()
            self.snapshot.fetch(by_service, snapshot.load(record))
        self.clients.close()
        self.asked_ahead = self.snapshot.calls["read"]

    @contextlib.contextmanager
    def module_run(self, *, reading_only: bool) -> Iterator[Counter[str]]:
        """Surround the run of a module, which must not write when `reading_only`; gives the counter of its requests."""
        self.snapshot.begin(reading_only=reading_only)
        try:
            yield self.snapshot.calls
        finally:
            self.snapshot.end(self.journal)


STATE = State()
