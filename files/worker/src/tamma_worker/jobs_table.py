"""The job's row in Supabase, changed only by SQL functions that decide who may (docs/architecture.md, "The job").

A transition is one POST to PostgREST. Supabase's own client would add a third of a second to the start of every task.
"""

import logging
import time
from typing import Any
from urllib.parse import urlsplit

import httpx

from tamma_worker.errors import ConfigurationError, TemporaryError
from tamma_worker.patience import attempts
from tamma_worker.settings import Settings

log = logging.getLogger(__name__)

UNREACHABLE = "The job's record could not be reached."
_RETRY_ANSWERS = ("retrying", "failed", "lost")


class NoAnswerError(Exception):
    """Supabase did not answer, or what came is no answer: an error, or the page of a proxy."""


class JobsTable:
    """The transitions of one attempt. Each is tried for ``Timing.patience`` seconds, then TemporaryError is raised."""

    def __init__(self, settings: Settings, task_arn: str) -> None:
        self._timing = settings.timing
        self._task = {"p_task_arn": task_arn}
        self._own = {"p_job_id": settings.job_id, "p_attempt": settings.attempt}
        key = settings.supabase_key
        url = urlsplit(settings.supabase_url)
        if url.scheme not in {"http", "https"} or not url.hostname or not (key.isascii() and key.isprintable()):
            raise ConfigurationError("configuration", "SUPABASE_URL or SUPABASE_SERVICE_KEY is not valid.")
        self._http = httpx.Client(
            base_url=f"{settings.supabase_url.rstrip('/')}/rest/v1/rpc",
            headers={"apikey": key, "Authorization": f"Bearer {key}"},
            timeout=settings.timing.call,
        )

    def start(self) -> bool:
        """Take the job from ``starting`` to ``running``; False: somebody else has it, or it is over."""
        return bool(self._insist("start_job", {**self._task, "p_lease_seconds": self._lease}))

    def heartbeat(self, progress: float) -> bool:
        """Renew the lease, once and without patience; False: this attempt does not own the job any more.

        Raises NoAnswerError when nobody answers properly.
        """
        beat = {**self._task, "p_progress": progress, "p_lease_seconds": self._lease}
        return bool(self._call("heartbeat_job", beat))

    def complete(self, outputs: dict[str, Any]) -> bool:
        """Commit ``succeeded`` with the manifest; False: it was committed or taken away before.

        This is tried for ``Timing.commit_patience``: the result is published, so waiting beats starting over.
        """
        return bool(self._insist("complete_job", {"p_outputs": outputs}, self._timing.commit_patience))

    def fail(self, code: str, sentence: str) -> bool:
        """Commit ``failed`` with a sentence for the creator; False: another task has it, or the job is over."""
        return bool(self._insist("fail_job", {**self._task, "p_error_code": code, "p_error_message": sentence}))

    def retry(self, reason: str, code: str, sentence: str, delay_seconds: int, patience: float | None = None) -> str:
        """Ask for another attempt; gives ``retrying``, ``failed`` (a bound is used up) or ``lost`` (not ours)."""
        words = {**self._task, "p_reason": reason, "p_error_code": code, "p_error_message": sentence}
        return str(self._insist("retry_job", {**words, "p_delay_seconds": delay_seconds}, patience))

    @property
    def _lease(self) -> int:
        return max(1, round(self._timing.lease))

    def _call(self, function: str, parameters: dict[str, Any]) -> Any:
        try:
            answer = self._http.post(f"/{function}", json={**self._own, **parameters}).raise_for_status().json()
        except httpx.HTTPStatusError as error:
            detail = f"status {error.response.status_code}: {error.response.text[:200]}"  # PostgREST's words, or a page
            raise NoAnswerError(detail.replace("\n", " ")) from error
        except (httpx.HTTPError, ValueError) as error:
            raise NoAnswerError(f"{type(error).__name__} {str(error)[:200]}".replace("\n", " ")) from error
        if not isinstance(answer, bool) and answer not in _RETRY_ANSWERS:
            raise NoAnswerError("an answer that is none of a transition")  # must not pass for "lost"
        return answer

    def _insist(self, function: str, parameters: dict[str, Any], patience: float | None = None) -> Any:
        limit = self._timing.patience if patience is None else patience
        # a service that is down offers no condition to wait for
        for number in attempts(limit, time.sleep, self._timing.longest_pause):
            try:
                return self._call(function, parameters)
            except NoAnswerError as error:
                log.warning("%s: try %d: %s", function, number, error)
        raise TemporaryError("supabase_unreachable", UNREACHABLE)
