"""The targets of an EventBridge rule: how they are checked, read, written and brought into normal form."""

from __future__ import annotations

import json
from typing import Any

from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.plan import State

_RETRY = {"maximum_event_age": "MaximumEventAgeInSeconds", "maximum_retry_attempts": "MaximumRetryAttempts"}
RETRY_DEFAULTS = {"maximum_event_age": 86_400, "maximum_retry_attempts": 185}
_TARGET = {"id": "Id", "arn": "Arn", "input": "Input", "role_arn": "RoleArn"}
_LEAST_AGE = 60  # seconds, by EventBridge's documentation
_ARN_PARTS = 6


def check(target: State) -> None:
    """Refuse a target that AWS would refuse; RefusalError names it and the option."""
    name, parts = target["id"], target["arn"].split(":")
    if len(parts) < _ARN_PARTS or parts[0] != "arn":
        raise RefusalError(f"the arn of target {name} is {target['arn']!r}; give the whole ARN")
    if parts[2] == "sqs" and parts[-1].endswith(".fifo") and not target.get("sqs_message_group_id"):
        raise RefusalError(f"target {name} is a FIFO queue; give it a sqs_message_group_id")
    retry = {**RETRY_DEFAULTS, **target.get("retry_policy", {})}
    for option, least in (("maximum_event_age", _LEAST_AGE), ("maximum_retry_attempts", 0)):
        if not least <= retry[option] <= RETRY_DEFAULTS[option]:
            raise RefusalError(
                f"{option} of target {name} is {retry[option]}; choose {least} to {RETRY_DEFAULTS[option]}"
            )
    try:
        json.loads(target.get("input", "{}"))
    except ValueError as error:
        raise RefusalError(f"the input of target {name} is no JSON ({error}); write it as JSON text") from error


def pattern(value: Any) -> Any:
    """Return a pattern with its lists of plain values sorted: their order means nothing."""
    if isinstance(value, dict):
        return {key: pattern(item) for key, item in value.items()}
    return sorted((pattern(item) for item in value), key=str) if isinstance(value, list) else value


def load(raw: dict[str, Any]) -> State:
    """Return a target in our names; what we have no name for is kept in `other`, so that it shows as a difference."""
    target = {ours: raw[theirs] for ours, theirs in _TARGET.items() if raw.get(theirs)}
    target["dead_letter_queue_arn"] = raw.get("DeadLetterConfig", {}).get("Arn")
    target["sqs_message_group_id"] = raw.get("SqsParameters", {}).get("MessageGroupId")
    retry = raw.get("RetryPolicy", {})
    target["retry_policy"] = {ours: retry[theirs] for ours, theirs in _RETRY.items() if theirs in retry}
    known = {*_TARGET.values(), "DeadLetterConfig", "SqsParameters", "RetryPolicy"}
    target["other"] = {name: value for name, value in raw.items() if name not in known and value}
    return normal({name: value for name, value in target.items() if value})


def normal(target: State) -> State:
    """Return a target with a whole retry policy, or none when it is AWS's default."""
    retry = {**RETRY_DEFAULTS, **target.get("retry_policy", {})}
    kept = {name: value for name, value in target.items() if name != "retry_policy"}
    return kept if retry == RETRY_DEFAULTS else {**kept, "retry_policy": retry}


def dump(target: State) -> dict[str, Any]:
    """Return a target as PutTargets takes it."""
    result: dict[str, Any] = {theirs: target[ours] for ours, theirs in _TARGET.items() if ours in target}
    if "dead_letter_queue_arn" in target:
        result["DeadLetterConfig"] = {"Arn": target["dead_letter_queue_arn"]}
    if "retry_policy" in target:
        result["RetryPolicy"] = {theirs: target["retry_policy"][ours] for ours, theirs in _RETRY.items()}
    if "sqs_message_group_id" in target:
        result["SqsParameters"] = {"MessageGroupId": target["sqs_message_group_id"]}
    return result
