"""Answers to what the last run asked, fetched at the same time at the start of this one.

A run asks much the same questions as the one before it. Asked one after the other, each costs a round trip; here they
are asked together. The first call that may change something, by whichever worker, ends the snapshot for all of them,
and so does its age.
"""

from __future__ import annotations

import contextlib
import copy
import json
import mmap
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.tamma.calls import looks, reads
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import BotoCoreError, ClientError

_AT_ONCE = 16  # requests at the same time; AWS throttles most describe calls above some 20 a second in bursts of 100
_SAME_MOMENT = 0.05  # seconds; whoever waits for a change pauses twice as long at least, see wait.py
_LONGEST_FETCH = 10.0  # seconds; it takes one or two, and where AWS throttles or is silent it shall not hold up the run
_LONGEST_LIFE = 30.0  # seconds; a preview of the whole stack takes a fraction of it
_PAGE_TOKENS = {"NextToken", "nextToken", "Marker", "ContinuationToken", "KeyMarker", "NextMarker", "nextMarker"}
_FIRST_ERROR, _FIRST_SERVER_ERROR = 400, 500
_PASSING_ERRORS = ("Throttl", "TooManyRequests", "RequestLimit", "SlowDown", "Expired")

Read = tuple[str, str, Mapping[str, Any]]
"""Service, operation, arguments."""


@dataclass(frozen=True)
class _Answer:
    status: int
    parsed: Any


class _TooLateError(BotoCoreError):
    """Ends looking ahead; botocore does not try again after an error that it does not know."""

    fmt = "looking ahead took too long"


class Snapshot:
    """Counts and records the calls of the clients it is attached to, and answers reads that it has fetched before.

    Made in the parent; forked workers share `spoilt`, and inherit the answers.
    """

    def __init__(self) -> None:
        """Start empty: nothing is answered and nothing recorded."""
        self._answers: dict[str, _Answer] = {}
        self._taken_at = 0.0
        self._fetching = False
        self._fetch_ends = 0.0
        self._reading_only = False
        self._spoilt = mmap.mmap(-1, 1)  # one byte that all workers see
        self._served: dict[str, float] = {}
        self._asked: list[str] = []
        self.calls: Counter[str] = Counter()
        """Requests that went out since `begin`, by `read` and `write`."""

    def attach(self, client: Any) -> None:
        """Count, record and answer the calls of this client from now on."""
        events = client.meta.events
        events.register("provide-client-params", self._note)
        events.register("before-call", self._answer)
        events.register("before-send", self._count)
        events.register("response-received", self._keep)  # before botocore's handlers of after-call change it in place

    def begin(self, *, reading_only: bool = False) -> None:
        """Start the run of one module: a question that it repeats, for instance to wait, is asked of AWS again.

        `reading_only` refuses calls that may change something: a preview cannot write, whatever a module does.
        """
        self._reading_only = reading_only
        self._served.clear()
        self._asked.clear()
        self.calls.clear()

    def end(self, journal: Path | None) -> None:
        """Add what the module asked to the journal, in one write: workers share the file."""
        if journal and self._asked:
            descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, "".join(f"{line}\n" for line in self._asked).encode())
            finally:
                os.close(descriptor)

    def fetch(self, clients: Mapping[str, Any], questions: Iterable[Read]) -> None:
        """Ask all questions at the same time and keep the answers; what fails is asked again when it is needed."""
        known = [item for item in questions if item[0] in clients and reads(item[1])]
        self._fetching, self._fetch_ends = True, time.monotonic() + _LONGEST_FETCH
        try:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                for item in known:
                    pool.submit(_ask, clients[item[0]], item)
        finally:
            self._fetching = False
        self._taken_at = time.monotonic()

    def _note(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        if self._fetching or not reads(model.name) or _PAGE_TOKENS & set(params):
            return
        with contextlib.suppress(TypeError):  # an argument that JSON does not know: the question is not repeated
            self._asked.append(json.dumps([model.service_model.service_name, model.name, params]))

    def _answer(self, model: Any, params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> Any:
        if not reads(model.name):
            if self._reading_only and not looks(model.name):
                reason = "a preview does not write, this is an error of the module"
                raise ClientError({"Error": {"Code": "CheckMode", "Message": reason}}, model.name)
            self._spoilt[0] = 1
            self._asked.clear()  # what it asked to make a change; what it asks afterwards is what a silent run will ask
            return None
        key = _key(model, params)
        if self._fetching:
            if not model.has_streaming_output:
                context["tamma_snapshot_key"] = key
            return None
        now = time.monotonic()
        fresh = not self._spoilt[0] and now - self._taken_at < _LONGEST_LIFE
        waiting = now - self._served.get(key, now) > _SAME_MOMENT
        if not fresh or waiting or key not in self._answers:
            return None
        self._served.setdefault(key, now)
        answer = self._answers[key]
        return AWSResponse(str(params["url"]), answer.status, HTTPHeaders(), None), copy.deepcopy(answer.parsed)

    def _count(self, request: Any, event_name: str, **_: Any) -> None:
        del request
        if self._fetching and time.monotonic() > self._fetch_ends:
            raise _TooLateError
        self.calls["read" if reads(event_name.rpartition(".")[2]) else "write"] += 1

    def _keep(self, response_dict: Any, parsed_response: Any, context: Mapping[str, Any], **_: Any) -> None:
        key = context.get("tamma_snapshot_key")
        if key and response_dict and _lasting(response_dict["status_code"], parsed_response):
            self._answers[key] = _Answer(response_dict["status_code"], copy.deepcopy(parsed_response))


def load(record: Path) -> list[Read]:
    """Return the questions in a journal, each once; none when there is no such file or it is damaged."""
    try:
        lines = dict.fromkeys(record.read_text(encoding="utf-8").splitlines())
        return [(service, operation, arguments) for service, operation, arguments in map(json.loads, lines)]
    except (OSError, ValueError):
        return []


def _ask(client: Any, question: Read) -> None:
    _, operation, arguments = question
    with contextlib.suppress(BotoCoreError, ClientError):
        client._make_api_call(operation, dict(arguments))  # noqa: SLF001 - by AWS's own name of the operation


def _key(model: Any, params: Mapping[str, Any]) -> str:
    request = [params.get(part) for part in ("method", "url", "query_string")]
    body: Any = params.get("body")
    with contextlib.suppress(TypeError, ValueError):  # no JSON
        body = json.loads(body)  # the order of its members, which is that of the arguments, means nothing
    request.append(body)
    return json.dumps([model.service_model.service_name, model.name, request], default=str, sort_keys=True)


def _lasting(status: int, parsed: Mapping[str, Any]) -> bool:
    """Whether the answer would be the same a second later: success, or an error that is no throttling or the like."""
    code = str(parsed.get("Error", {}).get("Code", ""))
    return status < _FIRST_ERROR or (status < _FIRST_SERVER_ERROR and not code.startswith(_PASSING_ERRORS))
