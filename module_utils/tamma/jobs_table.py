"""The table public.jobs, through PostgREST, as the service role: what the operators' modules need of it.

The service key goes from the SSM parameter into a header and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.job_message import JOB_ID, JobMessage, parse

Row = dict[str, Any]

PARAMETERS: dict[str, Any] = {
    "supabase_url_parameter": {"type": "str", "required": True},
    "supabase_service_key_parameter": {"type": "str", "required": True},
}
"""Argument specification of the options that say where Supabase is."""
IN_FLIGHT = ("queued", "starting", "running", "retrying")
CANCELLED = "cancelled"
"""The error code of a job that an operator has ended."""

_COLUMNS = (
    "job_id,user_id,s3_key,pipeline,preset,overrides,status,attempt,progress,retry_at,task_arn,error_code,error_message,"
    "outputs"
)
_SECONDS = 10.0  # a person waits, so an answer may take longer than the functions allow it
_MIGRATE = "apply the new ones of files/supabase/migrations (on the embedded cloud: `make up`) and re-run"
_CHECK_KEY = "correct the service key in the vault, run `make converge`, and re-run"
_CHECK_URL = "check the network and the parameter's address (a paused project of Supabase has to be resumed) and re-run"


class JobsTable:
    """Rows and transitions. Every method raises RefusalError with one sentence when Supabase does not play along."""

    def __init__(self, url: str, service_key: str) -> None:
        """Take the project's address, without `/rest/v1`, and the service key."""
        try:
            import httpx
            from postgrest import SyncPostgrestClient
        except ImportError as error:
            raise RefusalError(
                f"the Python package {error.name} is missing from Ansible's environment; run `make setup`"
            ) from error
        headers = {"apikey": service_key, "Authorization": f"Bearer {service_key}"}
        session = httpx.Client(headers=headers, timeout=_SECONDS)
        self._client = SyncPostgrestClient(f"{url.rstrip('/')}/rest/v1", headers=headers, http_client=session)

    @classmethod
    def of(cls, ssm: Any, params: Mapping[str, Any]) -> JobsTable:
        """Connect with what the two SSM parameters hold."""
        values = _values(ssm, params)
        if missing := [name for name, value in values.items() if value is None]:
            raise RefusalError(f"the SSM parameter {missing[0]} does not exist; deploy first (`make converge`)")
        return cls(*map(str, values.values()))

    @classmethod
    def if_deployed(cls, ssm: Any, params: Mapping[str, Any]) -> JobsTable | None:
        """Connect, or return None where a parameter is gone: with half of a stack nobody of ours can know any more."""
        values = _values(ssm, params)
        return None if None in values.values() else cls(*map(str, values.values()))

    def rows(self, job_ids: Iterable[str]) -> dict[str, Row]:
        """Return the rows of jobs by id; a job without one is left out."""
        wanted = sorted(set(job_ids))
        if not wanted:
            return {}
        query = self._client.from_("jobs").select(_COLUMNS).in_("job_id", wanted)
        found = _answer(query, "jobs")
        return {row["job_id"]: row for row in found}

    def row(self, job_id: str) -> Row:
        """Return the row of a job that has to be there."""
        if not job_id:
            raise RefusalError("which one is not said; add -e job_id=THE-JOB (with make: JOB=THE-JOB)")
        if not JOB_ID.fullmatch(job_id):
            raise RefusalError(
                "a job id has 1-128 of the characters A-Z a-z 0-9 . _ - and begins with a letter or digit; correct it"
            )
        if row := self.rows([job_id]).get(job_id):
            return row
        raise RefusalError(
            "there is no such job in this environment; check the id and the environment (a job without a row appears "
            "when its first message is dispatched)"
        )

    def unfinished(self, most: int, new_before: str = "") -> tuple[list[str], int]:
        """Return the first jobs that are not over, oldest first, and how many there are.

        With `new_before` (ISO 8601) jobs that were new later do not count.
        """
        from postgrest.types import CountMethod

        query = self._client.from_("jobs").select("job_id", count=CountMethod.exact).in_("status", IN_FLIGHT)
        if new_before:
            query = query.or_(f"status.neq.queued,created_at.lt.{new_before}")
        answer = _executed(query.order("created_at").limit(most), "jobs")
        return [str(row["job_id"]) for row in answer.data], int(answer.count or len(answer.data))

    def call(self, function: str, **parameters: Any) -> Any:
        """Call one of the functions of files/supabase/migrations and return its answer."""
        return _answer(self._client.rpc(function, parameters), function)

    def won(self, function: str, **parameters: Any) -> bool:
        """Call a transition; says whether it won."""
        return self.call(function, **parameters) is True


def doing(row: Row) -> str:
    """Say what a job is doing, for example `running in attempt 2, 40 % done`."""
    status, attempt = row["status"], row["attempt"]
    if status in {"queued", "succeeded"}:
        return str(status)
    words = f"{status} in attempt {attempt}" if status != "retrying" else f"waiting for attempt {attempt + 1}"
    if status == "running":
        return f"{words}, {row['progress']:.0%} done".replace("%", " %")
    return f"{words} ({row['error_code']})" if status == "failed" else words


def next_message(row: Row) -> JobMessage:
    """Return the message that offers the attempt after the row's, as the reconciler would send it."""
    fields = {name: row[name] for name in ("job_id", "s3_key", "pipeline", "preset", "overrides")}
    return parse(json.dumps({**fields, "attempt": row["attempt"] + 1}))


def _values(ssm: Any, params: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the values of the SSM parameters that PARAMETERS name, in that order; None for one that is not there."""
    names = [str(params[option]) for option in PARAMETERS]
    answer = ssm.get_parameters(Names=names, WithDecryption=True)
    found = {parameter["Name"]: str(parameter["Value"]) for parameter in answer["Parameters"]}
    return {name: found.get(name) for name in names}


def _answer(query: Any, what: str) -> Any:
    return _executed(query, what).data


def _executed(query: Any, what: str) -> Any:
    import httpx
    from postgrest import APIError

    try:
        return query.execute()
    except httpx.HTTPError as error:
        raise RefusalError(f"Supabase cannot be reached ({type(error).__name__}); {_CHECK_URL}") from error
    except APIError as error:
        code = str(error.code or "")
        if code in {"PGRST202", "PGRST205", "42883", "42P01", "42703"}:  # no such function, table, column
            raise RefusalError(f"the database has no {what} as this version needs it; {_MIGRATE}") from error
        if code.startswith("PGRST30") or code in {"401", "403", "42501"}:
            raise RefusalError(f"Supabase refused the service key ({error.message}); {_CHECK_KEY}") from error
        raise RefusalError(f"Supabase answered {what} with {code or 'an error'}: {error.message}; re-run") from error
