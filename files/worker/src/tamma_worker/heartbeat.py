"""Keeps the lease while the work goes on, and tells the row how far it is."""

import logging
import threading
import time
from typing import Self

from tamma_worker.control import Control
from tamma_worker.errors import SupersededError
from tamma_worker.jobs_table import JobsTable, NoAnswerError
from tamma_worker.settings import Timing

log = logging.getLogger(__name__)

_STEP = 0.10  # of progress that is worth a call of its own
_LOOK_SECONDS = 0.2  # how often progress is looked at


class Heartbeat:
    """A thread that renews the lease every quarter of it; progress travels at every tenth or every 15 s."""

    def __init__(self, table: JobsTable, control: Control, timing: Timing) -> None:
        self._table, self._control, self._timing = table, control, timing
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # not joined: a beat may be waiting for an answer, and the thread ends with the process
        self._over.set()

    def _run(self) -> None:
        sent_at, sent = time.monotonic(), 0.0
        while not self._over.wait(min(_LOOK_SECONDS, self._timing.lease / 20)):
            progress, waited = self._control.progress, time.monotonic() - sent_at
            moved = progress - sent
            due = waited >= self._timing.lease / 4 or (moved > 0 and waited >= self._timing.progress)
            if not due and moved < _STEP:
                continue
            sent_at, sent = time.monotonic(), progress
            self._beat(progress)

    def _beat(self, progress: float) -> None:
        try:
            ours = self._table.heartbeat(round(progress, 3))
        except NoAnswerError as error:
            # the next beat tries again; should the lease run out meanwhile, a later beat is told so
            log.warning("heartbeat not delivered: %s", error)
            return
        if not ours and not self._over.is_set():
            self._control.stop(SupersededError("another task owns this job now"))
