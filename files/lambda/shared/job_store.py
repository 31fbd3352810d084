"""The jobs table, through PostgREST: the transition functions of files/supabase/migrations and one read.

Spoken over plain HTTP: two kinds of request are needed, and the packages that the Supabase client brings for them cost
110 ms and 11 MiB of each cold start.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import httpx
from settings import UNSCALED

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from job_message import JobMessage
    from settings import TimeScale

# Seconds. A transition takes milliseconds; what takes longer is an outage, and the queue waits better than we do.
CONNECT_TIMEOUT = 3.0
ANSWER_TIMEOUT = 5.0
# SQLSTATE classes that say "this value can never be stored": data exception, integrity constraint violation.
REFUSED_CLASSES = ("22", "23")
# Seconds until the sweep offers again what it has handed out, and what the dispatcher has given back.
OFFER_AGAIN = 60
RELEASED_AGAIN = 300


class StoreUnavailableError(Exception):
    """Supabase did not answer, or answered something that is no answer; trying later can help."""


class StoreRefusedError(Exception):
    """The database refused the values themselves; trying later cannot help."""


@dataclass(frozen=True)
class JobRow:
    """What the functions need of a row of ``public.jobs``; times are timezone-aware."""

    job_id: str
    user_id: str | None
    s3_key: str
    pipeline: str | None
    preset: str | None
    status: str
    attempt: int
    failed_attempts: int
    interruptions: int
    start_failures: int
    memory_failures: int
    lease_until: datetime | None
    retry_at: datetime | None
    dead_letter_at: datetime | None
    task_arn: str | None
    error_code: str | None
    error_message: str | None
    overrides: dict[str, Any] | None = None

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> JobRow:
        """Read a row as PostgREST writes it; other columns are ignored, and those with a default may not exist yet."""
        values = {field.name: row[field.name] for field in fields(cls) if field.name in row or field.default is MISSING}
        for name in ("lease_until", "retry_at", "dead_letter_at"):
            values[name] = datetime.fromisoformat(values[name]) if values[name] else None
        return cls(**values)


class _ServiceKey(httpx.Auth):
    """Signs requests with the service key, and reads it again when Supabase no longer takes it: it was rotated.

    A sandbox lives for hours; without this it would go on with the key that it read at its start.
    """

    def __init__(self, key: str, renew: Callable[[], str] | None) -> None:
        self._key, self._renew = key, renew

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        answer = yield self._signed(request)
        if answer.status_code == HTTPStatus.UNAUTHORIZED and self._renew:
            used, self._key = self._key, self._renew()
            if self._key != used:
                yield self._signed(request)

    def _signed(self, request: httpx.Request) -> httpx.Request:
        request.headers["apikey"], request.headers["Authorization"] = self._key, f"Bearer {self._key}"
        return request


class JobStore:
    """The transitions, as the service role. Each method that returns bool says whether it won."""

    def __init__(
        self,
        url: str,
        service_key: str,
        scale: TimeScale = UNSCALED,
        transport: httpx.BaseTransport | None = None,
        renew_key: Callable[[], str] | None = None,
    ) -> None:
        """``url`` is the project's, without ``/rest/v1``; ``transport`` replaces the network in tests.

        ``renew_key`` reads the service key anew; what it raises comes out of the call that needed it.
        """
        self._scale = scale
        self._session = httpx.Client(
            base_url=f"{url.rstrip('/')}/rest/v1",
            auth=_ServiceKey(service_key, renew_key),
            timeout=httpx.Timeout(ANSWER_TIMEOUT, connect=CONNECT_TIMEOUT),
            transport=transport,
        )

    def claim(self, message: JobMessage, lease_seconds: int) -> bool:
        """Take the attempt that the message names; the row is made when it is missing."""
        # Left out when there are none: so a database without the newest migration does its work.
        overrides = {} if message.overrides is None else {"p_overrides": json.loads(message.overrides)}
        return self._won(
            "claim_job",
            **overrides,
            p_job_id=message.job_id,
            p_attempt=message.attempt,
            p_s3_key=message.s3_key,
            p_pipeline=message.pipeline,
            p_preset=message.preset,
            p_lease_seconds=lease_seconds,
        )

    def release(self, job_id: str, attempt: int) -> bool:
        """Give the attempt back, uncounted."""
        hold = self._scale.seconds(RELEASED_AGAIN)
        return self._won("release_job", p_job_id=job_id, p_attempt=attempt, p_hold_seconds=hold)

    def attach_task(self, job_id: str, attempt: int, task_arn: str) -> bool:
        """Note the ECS task of the attempt."""
        return self._won("attach_task", p_job_id=job_id, p_attempt=attempt, p_task_arn=task_arn)

    def complete(self, job_id: str, attempt: int, manifest: dict[str, Any]) -> bool:
        """End the job well, with the manifest of what was published."""
        return self._won("complete_job", p_job_id=job_id, p_attempt=attempt, p_outputs=manifest)

    def fail(self, job_id: str, attempt: int, *, code: str, sentence: str, task_arn: str | None) -> bool:
        """End the job, unless another task has the attempt."""
        return self._won(
            "fail_job",
            p_job_id=job_id,
            p_attempt=attempt,
            p_error_code=code,
            p_error_message=sentence,
            p_task_arn=task_arn,
        )

    def retry(
        self,
        job_id: str,
        attempt: int,
        reason: str,
        *,
        code: str,
        sentence: str,
        delay_seconds: int,
        task_arn: str | None,
    ) -> str:
        """End the attempt and let the job be tried again; returns ``retrying``, ``failed`` or ``lost``."""
        answer = self._call(
            "retry_job",
            p_job_id=job_id,
            p_attempt=attempt,
            p_reason=reason,
            p_error_code=code,
            p_error_message=sentence,
            p_delay_seconds=delay_seconds,
            p_task_arn=task_arn,
        )
        if answer not in {"retrying", "failed", "lost"}:
            raise StoreUnavailableError("Supabase answered retry_job with something that is no answer.")
        return str(answer)

    def dead_letter_sent(self, job_id: str, attempt: int) -> bool:
        """Confirm that the job's message is in the dead-letter queue."""
        return self._won("dead_letter_sent", p_job_id=job_id, p_attempt=attempt)

    def replay(self, job_id: str, attempt: int) -> bool:
        """Reopen a job for whose dead letter this attempt was meant; False for every other job."""
        return self._won("replay_job", p_job_id=job_id, p_attempt=attempt)

    def expired(self, limit: int, skip: int = 0) -> list[JobRow]:
        """Return jobs whose lease ran out, longest ago first."""
        return _rows(self._call("expired_jobs", p_limit=limit, p_skip=skip))

    def due_retries(self, limit: int) -> list[JobRow]:
        """Return jobs to be offered again; each is put off, so that the next call goes on with others."""
        return self._handed_out("due_retries", limit)

    def due_dead_letters(self, limit: int) -> list[JobRow]:
        """Return failed jobs whose message to the dead-letter queue is not confirmed; put off like retries."""
        return self._handed_out("due_dead_letters", limit)

    def _handed_out(self, function: str, limit: int) -> list[JobRow]:
        hold = self._scale.seconds(OFFER_AGAIN)
        return _rows(self._call(function, p_limit=limit, p_hold_seconds=hold))

    def get(self, job_id: str) -> JobRow | None:
        """Return the row of a job, None when there is none."""
        rows = _rows(self._ask("GET", "/jobs", params={"job_id": f"eq.{job_id}", "limit": "1"}))
        return rows[0] if rows else None

    def _won(self, function: str, **parameters: object) -> bool:
        answer = self._call(function, **parameters)
        # A page of a proxy with status 200 must not pass for "lost": the message would be acknowledged.
        if not isinstance(answer, bool):
            raise StoreUnavailableError(f"Supabase answered {function} with something that is no answer.")
        return answer

    def _call(self, function: str, **parameters: object) -> object:
        return self._ask("POST", f"/rpc/{function}", json=parameters)

    def _ask(self, method: str, path: str, **content: Any) -> object:
        """Return the answer. Raises StoreUnavailableError or StoreRefusedError, in words that hold no secret."""
        try:
            answer = self._ask_twice(method, path, **content)
            body = answer.json()
        except httpx.HTTPError as error:
            raise StoreUnavailableError(f"Supabase cannot be reached ({type(error).__name__}).") from error
        except ValueError:  # also of an answer that is not even text
            raise StoreUnavailableError(
                f"Supabase answered with status {answer.status_code} and no JSON: that is no answer."
            ) from None
        if not answer.is_success:
            raise _error(answer.status_code, body if isinstance(body, dict) else {})
        return body

    def _ask_twice(self, method: str, path: str, **content: Any) -> httpx.Response:
        """Ask a second time when the connection broke: after a pause of the sandbox the kept one is dead.

        A transition that the first request made answers "lost" to the second; every caller looks at the row then.
        """
        try:
            return self._session.request(method, path, **content)
        except httpx.TimeoutException:
            raise  # the second would take as long as the first
        except httpx.TransportError:
            return self._session.request(method, path, **content)


def _rows(answer: object) -> list[JobRow]:
    try:
        return [JobRow.from_json(row) for row in cast("list[dict[str, Any]]", answer)]
    except (KeyError, TypeError, ValueError):
        raise StoreUnavailableError("Supabase answered with rows that are not those of public.jobs.") from None


def _error(status: int, body: dict[str, Any]) -> StoreUnavailableError | StoreRefusedError:
    code = str(body.get("code") or "")
    if len(code) == len("23514") and code.startswith(REFUSED_CLASSES):
        return StoreRefusedError(f"The database refused the values of the message (SQLSTATE {code}).")
    return StoreUnavailableError(f"Supabase answered with error {code or status}: {body.get('message')}")
