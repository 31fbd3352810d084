"""The attributes of an SQS queue: real types and names on our side, text and ARNs on AWS's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.policy import canonical

NUMBERS = {  # option: AWS's name, least, most
    "visibility_timeout": ("VisibilityTimeout", 0, 43_200),
    "message_retention_period": ("MessageRetentionPeriod", 60, 1_209_600),
    "receive_message_wait_time": ("ReceiveMessageWaitTimeSeconds", 0, 20),
    "maximum_message_size": ("MaximumMessageSize", 1_024, 1_048_576),
    "delay": ("DelaySeconds", 0, 900),
}
FIFO = {  # option: AWS's name, AWS's default
    "content_based_deduplication": ("ContentBasedDeduplication", "false"),
    "deduplication_scope": ("DeduplicationScope", "queue"),
    "fifo_throughput_limit": ("FifoThroughputLimit", "perQueue"),
}


def load(raw: dict[str, str], *, fifo: bool) -> State:
    """Return the attributes in normal form; what AWS leaves out has its documented default."""
    state: State = {ours: int(raw[row[0]]) for ours, row in NUMBERS.items() if row[0] in raw}
    if fifo:
        state |= {ours: raw.get(theirs, default) for ours, (theirs, default) in FIFO.items()}
        state["content_based_deduplication"] = state["content_based_deduplication"] == "true"
    return {
        **state,
        "redrive_policy": _redrive(raw),
        "redrive_allow_policy": _redrive_allow(raw),
        # A KMS key takes its place; ministack 1.5.33 goes on saying true.
        "sqs_managed_sse": raw.get("SqsManagedSseEnabled", "false") == "true" and not raw.get("KmsMasterKeyId"),
        "policy": canonical(raw.get("Policy")) or {},
    }


def dump(state: State, arn_of: Callable[[str], str]) -> dict[str, str]:
    """Return the attributes as SQS takes them; `arn_of` makes the ARN of a queue of this account."""
    names = {ours: row[0] for ours, row in NUMBERS.items()} | {ours: row[0] for ours, row in FIFO.items()}
    names["sqs_managed_sse"] = "SqsManagedSseEnabled"
    attributes: dict[str, str] = {theirs: _text(state[ours]) for ours, theirs in names.items() if ours in state}
    if "policy" in state:
        attributes["Policy"] = json.dumps(state["policy"]) if state["policy"] else ""
    if redrive := state.get("redrive_policy"):
        target = arn_of(redrive["dead_letter_queue"])
        rule: dict[str, Any] = {"deadLetterTargetArn": target, "maxReceiveCount": redrive["max_receive_count"]}
        attributes["RedrivePolicy"] = json.dumps(rule)
    elif "redrive_policy" in state:
        attributes["RedrivePolicy"] = ""
    if allow := state.get("redrive_allow_policy"):
        rule = {"redrivePermission": allow["redrive_permission"]}
        if allow["source_queues"]:
            rule["sourceQueueArns"] = [arn_of(name) for name in allow["source_queues"]]
        attributes["RedriveAllowPolicy"] = json.dumps(rule)
    return attributes


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _redrive(raw: dict[str, str]) -> dict[str, Any] | None:
    rule = json.loads(raw.get("RedrivePolicy") or "{}")
    if not rule:
        return None
    target = _name(rule["deadLetterTargetArn"], raw["QueueArn"])
    return {"dead_letter_queue": target, "max_receive_count": int(rule["maxReceiveCount"])}


def _redrive_allow(raw: dict[str, str]) -> dict[str, Any]:
    rule = json.loads(raw.get("RedriveAllowPolicy") or "{}")
    sources = sorted(_name(arn, raw["QueueArn"]) for arn in rule.get("sourceQueueArns", []))
    return {"redrive_permission": rule.get("redrivePermission", "allowAll"), "source_queues": sources}


def _name(arn: str, own_arn: str) -> str:
    """Return the queue's name, or its ARN when it is not in the account and region of our queue."""
    return arn.removeprefix(f"{own_arn.rpartition(':')[0]}:")
