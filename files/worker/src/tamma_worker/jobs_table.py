"""The job's row in Supabase, changed only by SQL functions that decide who may (docs/architecture.md, "The job")."""

import logging
import time
from typing import Any

import httpx
from postgrest.exceptions import APIError
from supabase import ClientOptions, create_client

from tamma_worker.errors import ConfigurationError, TemporaryError
from tamma_worker.patience import attempts
from tamma_worker.settings import Settings

log = logging.getLogger(__name__)

UNREACHABLE = "The job's record could not be reached."


class JobsTable:
    """The transitions of one attempt. Each is tried for ``Timing.patience`` seconds, then TemporaryError is raised."""

    def __init__(self, settings: Settings, task_arn: str) -> None:
        self._timing = settings.timing
        self._task = {"p_task_arn": task_arn}
        self._own = {"p_job_id": settings.job_id, "p_attempt": settings.attempt}
        # its own retries are off: they would multiply with ours and outlive the patience we have
        http = httpx.Client(timeout=settings.timing.call)
        options = ClientOptions(httpx_client=http, postgrest_client_retry=False)
        try:
            self._client = create_client(settings.supabase_url, settings.supabase_key, options)
        except Exception as error:
            raise ConfigurationError("configuration", "SUPABASE_URL or SUPABASE_SERVICE_KEY is not valid.") from error

    def start(self) -> bool:
        """Take the job from ``starting`` to ``running``; False: somebody else has it, or it is over."""
        return bool(self._insist("start_job", {**self._task, "p_lease_seconds": self._lease}))

    def heartbeat(self, progress: float) -> bool:
        """Renew the lease, once and without patience; False: this attempt does not own the job any more.

        Raises httpx.HTTPError or APIError when nobody answers properly.
        """
        beat = {**self._task, "p_progress": progress, "p_lease_seconds": self._lease}
        return bool(self._call("heartbeat_job", beat))

    def complete(self, outputs: dict[str, Any]) -> bool:
        """Commit ``succeeded`` with the manifest; False: it was committed or taken away before."""
        return bool(self._insist("complete_job", {"p_outputs": outputs}))

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
        return self._client.rpc(function, {**self._own, **parameters}).execute().data

    def _insist(self, function: str, parameters: dict[str, Any], patience: float | None = None) -> Any:
        limit = self._timing.patience if patience is None else patience
        for number in attempts(limit, time.sleep):  # a service that is down offers no condition to wait for
            try:
                return self._call(function, parameters)
            except (httpx.HTTPError, APIError) as error:
                log.warning("%s: try %d: %s", function, number, _brief(error))
        raise TemporaryError("supabase_unreachable", UNREACHABLE)


def _brief(error: Exception) -> str:
    """Say it in one line; an APIError's own text is the answer of a proxy as often as not."""
    detail = f"{error.code} {error.message}" if isinstance(error, APIError) else str(error)
    return f"{type(error).__name__} {detail[:200]}".replace("\n", " ")
