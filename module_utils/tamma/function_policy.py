"""The resource policy of a Lambda function, which AWS takes one grant at a time and hands back as a document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.policy import canonical

# Operator and key of a condition (in lower case, as IAM compares keys): the argument of AddPermission that makes it.
_CONDITIONS = {
    ("ArnLike", "aws:sourcearn"): "SourceArn",
    ("StringEquals", "aws:sourceaccount"): "SourceAccount",
    ("StringEquals", "aws:principalorgid"): "PrincipalOrgID",
    ("StringEquals", "lambda:eventsourcetoken"): "EventSourceToken",
    ("StringEquals", "lambda:functionurlauthtype"): "FunctionUrlAuthType",
    ("Bool", "lambda:invokedviafunctionurl"): "InvokedViaFunctionUrl",
}
_MEMBERS = {"Sid", "Effect", "Principal", "Action", "Condition"}


def normal(document: str | Mapping[str, Any] | None, qualifier: str = "") -> dict[str, Any]:
    """Return a policy in canonical form, statements by Sid and without their resource: it is always the function.

    A policy without statements is `{}`. `qualifier` is the alias or version whose policy it is: an emulator shows the
    statements of all of them in the function's own.
    """
    parsed = canonical(document) if document else None
    found = parsed["Statement"] if parsed else []
    statements = [_normal(statement) for statement in found if _qualifier(statement) in {None, qualifier}]
    if not statements:
        return {}
    return {"Version": "2012-10-17", "Statement": sorted(statements, key=lambda item: str(item.get("Sid", "")))}


def grant(statement: Mapping[str, Any]) -> dict[str, Any]:
    """Return a statement in normal form as arguments of AddPermission.

    Raises RefusalError for what AddPermission cannot say.
    """
    sid = str(statement.get("Sid", ""))
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", sid):
        raise RefusalError(f"a statement of policy has the Sid {sid!r}; give each its own of A-Z a-z 0-9 _ -")
    if statement.get("Effect") != "Allow" or set(statement) - _MEMBERS:
        raise RefusalError(f"statement {sid} of policy must Allow, and have no more than {', '.join(sorted(_MEMBERS))}")
    principals = [who for group in dict(statement.get("Principal", {})).values() for who in group]
    actions = statement.get("Action", [])
    if len(principals) != 1 or len(actions) != 1:
        raise RefusalError(f"statement {sid} of policy needs one principal and one action; write one for each")
    return {"StatementId": sid, "Principal": principals[0], "Action": actions[0], **_conditions(sid, statement)}


def update(client: Any, function: str, current: Mapping[str, Any], wanted: Mapping[str, Any], **qualifier: str) -> None:
    """Remove the statements that shall not be as they are, then add those that are not there.

    With a Qualifier it is the policy of an alias or a version.
    """
    before, after = _by_sid(current), _by_sid(wanted)
    for sid in sorted(sid for sid in before if after.get(sid) != before[sid]):
        client.remove_permission(FunctionName=function, StatementId=sid, **qualifier)
    for sid in sorted(sid for sid in after if before.get(sid) != after[sid]):
        client.add_permission(FunctionName=function, **qualifier, **grant(after[sid]))


def _by_sid(policy: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {str(statement.get("Sid", "")): statement for statement in policy.get("Statement", [])}


def _conditions(sid: str, statement: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for operator, operands in statement.get("Condition", {}).items():
        for key, values in operands.items():
            argument = _CONDITIONS.get((operator, key))
            if argument is None or len(values) != 1:
                raise RefusalError(
                    f"statement {sid} of policy has the condition {operator} {key} with {len(values)} values; Lambda "
                    f"takes one value of {', '.join(f'{known} {name}' for known, name in _CONDITIONS)}"
                )
            result[argument] = values[0] == "true" if operator == "Bool" else values[0]
    return result


def _qualifier(statement: Mapping[str, Any]) -> str | None:
    """Return what a statement's resource is qualified with: "" for the function itself, None without a resource."""
    for resource in statement.get("Resource", []):
        return str(resource).rpartition(":function:")[2].partition(":")[2]
    return None


def _normal(statement: Mapping[str, Any]) -> dict[str, Any]:
    result = {name: value for name, value in statement.items() if name != "Resource"}
    if "Principal" in result:
        who = result["Principal"]
        groups = who if isinstance(who, Mapping) else {"AWS": [who]}
        result["Principal"] = {kind: sorted(_account(name) for name in names) for kind, names in groups.items()}
    if "Condition" in result:
        result["Condition"] = {
            operator: {key.lower(): values for key, values in operands.items()}
            for operator, operands in result["Condition"].items()
        }
    return result


def _account(principal: str) -> str:
    """Return the number of an account for the ARN of its root user, which means the same."""
    match = re.fullmatch(r"arn:aws[a-z-]*:iam::(\d{12}):root", str(principal))
    return match[1] if match else str(principal)
