"""Which AWS operation an HTTP request is, and whether it reads or writes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from urllib.parse import parse_qs, parse_qsl, unquote

from ansible.module_utils.tamma.calls import reads
from botocore.model import OperationModel
from botocore.session import Session

_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/[^/]+/([^/]+)/aws4_request")
_CBOR_PATH = re.compile(r"/service/[^/]+/operation/(\w+)")
# The service's name in a signature, where botocore's model has another one.
_MODELS = {"monitoring": "cloudwatch"}


@dataclass(frozen=True)
class Call:
    """One request: the service and the operation in botocore's words."""

    service: str
    operation: str

    @property
    def reads(self) -> bool:
        """Whether it changes nothing; a name that is not known cannot make a tool look better than it is."""
        return reads(self.operation)

    def __str__(self) -> str:
        return f"{self.service}:{self.operation}"


@dataclass(frozen=True)
class _Route:
    """An operation of a REST service: its method, its path, and the query keys without which it is another one."""

    operation: str
    method: str
    path: re.Pattern[str]
    keys: frozenset[str]


def classify(method: str, raw_path: str, authorization: str, target: str, body: bytes) -> Call:
    """Return the call that a request makes; `?` stands for what cannot be told.

    The service is read from the signature's scope. JSON services name the operation in the header X-Amz-Target, query
    services in the body, CBOR in the path; the rest is looked up by method, path and query in botocore's models.
    """
    scope = _SCOPE.search(authorization)
    service = _MODELS.get(scope[1], scope[1]) if scope else "?"
    if target:
        return Call(service, target.rpartition(".")[2])
    path, _, query = raw_path.partition("?")
    if named := _CBOR_PATH.fullmatch(path):
        return Call(service, named[1])
    if scope is None:
        return Call(service, "?")
    if _speaks_query(service):
        return Call(service, parse_qs(body.decode(errors="replace")).get("Action", ["?"])[0])
    return Call(service, _rest_operation(service, method, path, query))


@cache
def _speaks_query(service: str) -> bool:
    description = Session().get_service_model(service).metadata
    return bool({"query", "ec2"} & {description["protocol"], *description.get("protocols", [])})


def _rest_operation(service: str, method: str, path: str, query: str) -> str:
    keys = {key for key, _ in parse_qsl(query, keep_blank_values=True)}
    # Objects' keys and ARNs hold slashes that are quoted; the pattern is of what was asked for.
    fitting = [
        route
        for route in _routes(service)
        if route.method == method and route.keys <= keys and route.path.fullmatch(unquote(path) if path else "/")
    ]
    return max(fitting, key=lambda route: len(route.keys)).operation if fitting else "?"


@cache
def _routes(service: str) -> tuple[_Route, ...]:
    """Return the routes of a service, newer operations before the deprecated ones of the same path."""
    model = Session().get_service_model(service)
    operations = [model.operation_model(name) for name in model.operation_names]
    operations.sort(key=lambda operation: operation.deprecated)
    return tuple(_route(operation) for operation in operations)


def _route(operation: OperationModel) -> _Route:
    path, _, query = str(operation.http["requestUri"]).partition("?")
    # {Name} is one part of the path, {Name+} the rest of it. An ARN is one part though it may hold slashes.
    parts = re.split(r"(\{\w+\+?\})", path.rstrip("/") or "/")
    pattern = "".join(
        (".+" if part.endswith("+}") or "Arn" in part or part == "{Resource}" else "[^/]+")
        if part.startswith("{")
        else re.escape(part)
        for part in parts
    )
    keys = {key for key, _ in parse_qsl(query, keep_blank_values=True)}
    if shape := operation.input_shape:
        written = [shape.members[name].serialization for name in shape.required_members]
        keys |= {member["name"] for member in written if member.get("location") == "querystring"}
    return _Route(operation.name, str(operation.http["method"]), re.compile(f"{pattern}/?"), frozenset(keys))


def tally(calls: Iterable[Call]) -> Counter[str]:
    """Count calls by name."""
    return Counter(str(call) for call in calls)
