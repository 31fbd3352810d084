"""The part of PostgREST that the functions speak, in front of the test database, as a transport for httpx."""

from __future__ import annotations

import csv
import json
import re
from typing import TYPE_CHECKING, Any

import httpx
import psycopg

if TYPE_CHECKING:
    from tests.unit.supabase.database import Database

RETURNING_ROWS = {"expired_jobs", "due_retries", "due_dead_letters"}


class RestOverDatabase(httpx.BaseTransport):
    """Answers /rest/v1/rpc/<function> and /rest/v1/jobs; ``outages`` are answers or exceptions that come first."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.calls: list[str] = []
        self.outages: list[httpx.Response | Exception] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["apikey"] == "service-key"
        assert request.headers["authorization"] == "Bearer service-key"
        self.calls.append(request.url.path.removeprefix("/rest/v1/"))
        if self.outages:
            outage = self.outages.pop(0)
            if isinstance(outage, Exception):
                raise outage
            return outage
        try:
            return httpx.Response(200, json=self._query(request))
        except psycopg.Error as error:
            return httpx.Response(400, json={"code": error.sqlstate, "message": str(error)})

    def _query(self, request: httpx.Request) -> Any:
        if request.url.path == "/rest/v1/jobs":
            operator, _, value = request.url.params["job_id"].partition(".")
            assert operator == "in" or request.url.params["limit"] == "1"
            wanted = next(csv.reader([value.strip("()")])) if operator == "in" else [value]
            query = "select coalesce(json_agg(job), '[]') as answer from public.jobs as job where job_id = any(%(ids)s)"
            return self._one(query, {"ids": wanted})
        function = request.url.path.removeprefix("/rest/v1/rpc/")
        assert re.fullmatch("[a-z_]+", function)
        parameters = {key: _untyped(value) for key, value in json.loads(request.read()).items()}
        call = f"public.{function}({', '.join(f'{name} => %({name})s' for name in parameters)})"
        if function in RETURNING_ROWS:
            rows = f"select coalesce(json_agg(job), '[]') as answer from {call} as job"  # noqa: S608 checked above
            return self._one(rows, parameters)
        return self._one(f"select to_json({call}) as answer", parameters)

    def _one(self, query: str, parameters: dict[str, Any]) -> Any:
        row = self.database.service.execute(query, parameters).fetchone()
        assert row is not None
        return row["answer"]


def _untyped(value: object) -> str | None:
    """Let the function's signature decide the type, as PostgREST does."""
    if value is None:
        return None
    return json.dumps(value) if isinstance(value, dict | list) else str(value)
