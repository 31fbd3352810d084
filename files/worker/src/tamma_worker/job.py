"""One ECS task: takes the job, keeps its lease, does the work, and says itself how it ended before it exits.

What the work needs (S3, samples, pictures) is imported once the job is ours: that takes longer than to take it, and a
second task of the same attempt has to be gone at once.
"""

import json
import logging
import math
import os
import signal
import sys
import tempfile
import threading
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from tamma_worker import errors, settings
from tamma_worker.control import Control
from tamma_worker.heartbeat import Heartbeat
from tamma_worker.jobs_table import JobsTable
from tamma_worker.presets import preset
from tamma_worker.settings import Settings

if TYPE_CHECKING:
    from tamma_worker.publish import Publisher

log = logging.getLogger("tamma_worker")

_LAST_PATIENCE = 2.0  # seconds for the last call after SIGTERM, of the 4.5 there are


def main() -> int:
    """Run the job that the environment describes; gives the exit code."""
    _log_to_stderr(os.environ.get("LOG_LEVEL", "INFO"))
    told = settings.read(os.environ)
    log.info("job %s, attempt %d, preset %s, key %r", told.job_id, told.attempt, told.preset, told.s3_key)
    code = Task(told).run()
    log.info("exit code %d", code)
    return code


def _log_to_stderr(level: str) -> None:
    known = level.upper() if level.upper() in logging.getLevelNamesMapping() else "INFO"
    logging.basicConfig(level="WARNING", stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("tamma_worker").setLevel(known)  # libraries stay quiet: their lines hold URLs and headers


def task_arn(metadata_url: str | None) -> str:
    """Ask the task metadata endpoint who we are; without one, a name that no other task has will do for the lease."""
    if metadata_url and metadata_url.startswith("http://"):  # link-local on AWS, loopback elsewhere: never TLS
        try:
            with urllib.request.urlopen(f"{metadata_url}/task", timeout=2) as answer:  # noqa: S310 (checked above)
                return str(json.load(answer)["TaskARN"])
        except (OSError, ValueError, KeyError) as error:
            log.warning("the task metadata endpoint does not answer: %s", type(error).__name__)
    return f"unknown-task/{uuid.uuid4()}"


class Task:
    """One attempt at one job, from ``start_job`` to the exit code."""

    def __init__(self, told: Settings) -> None:
        self._told = told
        self._control = Control()
        self._committing = False  # the manifest is being written: finishing beats starting over
        self._table = JobsTable(told, task_arn(told.metadata_url))
        self._publisher: Publisher | None = None  # what may have to be taken back

    def run(self) -> int:
        """Do everything; whatever happens, the row has been told before this returns, or could not be."""
        with self._signals():
            try:
                return self._attempt()
            except errors.SupersededError:
                log.info("another task owns this job now: stopping")
                self._take_back()
                return errors.EXIT_OK
            except errors.TerminatedError:
                return self._interrupted()
            except errors.WorkerError as error:
                return self._ended(error)
            except Exception:
                log.exception("unexpected error")
                return self._ended(errors.TemporaryError("internal_error", "Something went wrong on our side."))

    def _attempt(self) -> int:
        if not self._table.start():
            log.info("the job is over or another task has it: nothing to do")
            return errors.EXIT_OK
        with Heartbeat(self._table, self._control, self._told.timing):
            from tamma_worker import publish, storage

            publisher = self._publisher = publish.Publisher(storage.client(self._told), self._told)
            manifest = publisher.existing_manifest()
            if manifest is not None:  # an earlier attempt published and died before it could say so
                log.info("attempt %s has published already", manifest.get("attempt"))
                return self._commit(publisher, manifest)
            with tempfile.TemporaryDirectory(prefix="tamma-") as scratch:
                outputs = self._work(publisher, Path(scratch))
            self._committing = True
            return self._commit(publisher, publisher.publish(outputs))

    def _commit(self, publisher: "Publisher", manifest: dict[str, Any]) -> int:
        """Say ``succeeded``. Losing here is harmless: whoever won committed the same manifest."""
        self._committing = True
        if not self._table.complete(manifest):
            log.info("the row was committed by another task")
        publisher.tidy(manifest)
        return errors.EXIT_OK

    def _work(self, publisher: "Publisher", scratch: Path) -> dict[str, Any]:
        """Fetch, clean and upload; gives the manifest."""
        from tamma_worker import clean, probe, room, storage

        told, control, watch = self._told, self._control, clean.Stopwatch()
        chosen = preset(told.preset, told.overrides)
        with watch("fetch"):
            patience = told.timing.transfer_patience
            stored = storage.look(publisher.s3, told.raw_bucket, told.s3_key, control, patience)
            probe.check_size(stored.size, chosen)
            room.check(scratch, stored.size)
            # the name carries nothing of the user's: only the content decides what the file is
            recording = scratch / "recording"
            fetch = storage.Fetch(publisher.s3, told.raw_bucket, told.s3_key, stored)
            fetch.to(recording, control, control.span(0.0, 0.02, "fetching"), patience)
        results = scratch / "results"
        results.mkdir()
        report = clean.clean(recording, results, chosen, control, watch)
        log.info("cleaned in %s", json.dumps(report["timings_seconds"]))
        return publisher.upload(results, control)

    def _take_back(self) -> None:
        if self._publisher is not None:
            self._publisher.take_back()

    def _ended(self, error: errors.WorkerError) -> int:
        """Tell the row how it ended, tidy up, and give the exit code."""
        log.error("%s", "\n".join([str(error), *getattr(error, "__notes__", [])]))
        code, timing = errors.EXIT_TEMPORARY, self._told.timing
        if self._committing and error.code == "supabase_unreachable":
            log.warning("the result is published: the exit code %d lets the reconciler commit it", code)
            return code  # asking for another attempt could be heard the very moment Supabase is back
        # when Supabase has been waited for already, one more try is enough: the exit code says the same
        patience = 0.0 if error.code == "supabase_unreachable" else None
        try:
            if isinstance(error, errors.BadInputError):
                code = errors.EXIT_BAD_INPUT
                self._table.fail(error.code, error.sentence)
            elif isinstance(error, errors.MissingInputError):
                code = errors.EXIT_NO_INPUT
                self._retry("missing_input", error, timing.missing_delay, patience)
            else:
                delay = min(timing.longest_delay, timing.first_delay * 2 ** min(10, self._told.attempt - 1))
                self._retry("failure", error, delay, patience)
        except errors.TemporaryError:
            log.warning("the row could not be told; the exit code %d tells the reconciler", code)
        self._take_back()
        return code

    def _retry(self, reason: str, error: errors.WorkerError, delay: float, patience: float | None) -> None:
        answer = self._table.retry(reason, error.code, error.sentence, math.ceil(delay), patience)
        log.info("retry_job: %s", answer)

    def _interrupted(self) -> int:
        """Hand the job back at once; ffmpeg is dead already, the process must be within 5 s."""
        log.warning("SIGTERM: handing the job back")
        sentence = "The machine was taken away; the job goes on elsewhere."
        try:
            won = self._table.retry("interruption", "interrupted", sentence, 0, patience=_LAST_PATIENCE)
            log.info("retry_job: %s", won)
        except errors.TemporaryError:
            log.warning("the row could not be told; the exit code tells the reconciler")
        self._take_back()
        return errors.EXIT_TERMINATED

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Raise TerminatedError on the first SIGTERM, except while committing; in any case end in time."""

        def terminate(_signal: int, _frame: FrameType | None) -> None:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            last = threading.Timer(self._told.timing.last_words, os._exit, (errors.EXIT_TERMINATED,))
            last.daemon = True
            last.start()
            if not self._committing:
                self._control.stop(errors.TerminatedError())  # should the exception be lost in a finalizer
                raise errors.TerminatedError

        previous = signal.signal(signal.SIGTERM, terminate)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, previous)
