"""IAM policy documents in one canonical form, so that equal policies compare equal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_SETS = ("Action", "NotAction", "Resource", "NotResource")


def canonical(document: str | Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the document with statements as a list and every set of strings sorted; None stays None.

    AWS hands back a list of one as a string, an account's root as its bare number or ARN, and keeps no order.
    """
    if document is None or document == "":
        return None
    parsed: dict[str, Any] = json.loads(document) if isinstance(document, str) else dict(document)
    statements = parsed.get("Statement", [])
    statements = [statements] if isinstance(statements, Mapping) else statements
    parsed["Statement"] = [_statement(statement) for statement in statements]
    return parsed


def _statement(statement: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(statement)
    for name in _SETS:
        if name in result:
            result[name] = _strings(result[name])
    for name in ("Principal", "NotPrincipal"):
        if isinstance(result.get(name), Mapping):
            result[name] = {kind: _strings(who) for kind, who in result[name].items()}
    if "Condition" in result:
        result["Condition"] = {
            operator: {key: _strings(value) for key, value in operands.items()}
            for operator, operands in result["Condition"].items()
        }
    return result


def _strings(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return sorted(str(item).lower() if isinstance(item, bool) else str(item) for item in items)
