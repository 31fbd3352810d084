#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: the mapping of an SQS queue to a Lambda function."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lambda_event_source_mapping
short_description: Manage the mapping of an SQS queue to a Lambda function
description:
  - Creates, updates and deletes the one mapping of a queue to a function of the same account and region.
options:
  function:
    description: Name of the function.
    type: str
    required: true
  alias:
    description: Alias of the function that is called; V("") for the function itself, whatever is published of it.
    type: str
  queue:
    description: Name of the queue.
    type: str
    required: true
  enabled:
    description: Whether messages are delivered.
    type: bool
  batch_size:
    description: Most messages of one invocation (1-10000; 10 for a FIFO queue). More than 10 need a batching window.
    type: int
  maximum_batching_window:
    description: Seconds for which messages are gathered (0-300; 0 for a FIFO queue).
    type: int
  function_response_types:
    description: How the function answers, for example V(ReportBatchItemFailures).
    type: list
    elements: str
  maximum_concurrency:
    description: Most invocations at a time (2-1000); 0 for no limit.
    type: int
  filter_criteria:
    description: Patterns of messages that are delivered; others are deleted. V([]) for all messages.
    type: list
    elements: dict
  exclusive:
    description:
      - Whether the queue feeds no other function and the function takes from nothing else.
      - V(true) deletes other mappings, which are shown instead of the value; V(false) keeps them.
    type: bool
notes:
  - Exists because amazon.aws.lambda_event fails in check mode before the function exists and has no concurrency limit,
    filters or tags.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure jobs are dispatched
  lambda_event_source_mapping:
    function: trigger-audio-clean
    queue: tamma-dev-jobs.fifo
    enabled: true
    batch_size: 10
    function_response_types: [ReportBatchItemFailures]
    maximum_concurrency: 5
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The mapping in the names of this module's options, with its C(uuid) and C(arn).
  returned: success
  type: dict
"""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

from ansible.module_utils.tamma import tags
from ansible.module_utils.tamma.errors import RefusalError, is_code
from ansible.module_utils.tamma.plan import Plan, State
from ansible.module_utils.tamma.resource import Resource, run
from ansible.module_utils.tamma.wait import poll, retry_on
from botocore.exceptions import ClientError

_NAME = {"type": "str", "required": True}
_NUMBERS = {  # option: AWS's name, least, most
    "batch_size": ("BatchSize", 1, 10_000),
    "maximum_batching_window": ("MaximumBatchingWindowInSeconds", 0, 300),
}
_PLAIN_BATCH = 10  # messages: all that a FIFO queue gives, and all that any queue gives without a window
_LEAST_CONCURRENCY, _MOST_CONCURRENCY = 2, 1_000


class Mapping(Resource):
    """An event source mapping; no concurrency limit is 0, no filter an empty list."""

    kind = "event source mapping"
    identity: ClassVar = {"function": _NAME, "queue": _NAME}
    spec: ClassVar = {
        "alias": {"type": "str"},
        "enabled": {"type": "bool"},
        **{name: {"type": "int"} for name in _NUMBERS},
        "function_response_types": {"type": "list", "elements": "str"},
        "maximum_concurrency": {"type": "int"},
        "filter_criteria": {"type": "list", "elements": "dict"},
        "exclusive": {"type": "bool"},
    }
    computed = ("uuid", "arn")
    _of_queue: Sequence[dict[str, Any]] = ()
    _others: Sequence[dict[str, Any]] = ()

    @property
    def name(self) -> str:
        """The two ends of the mapping."""
        return f"of {self.params['queue']} to {self.params['function']}"

    def desired(self) -> State:
        """Return the given properties, lists whose order means nothing sorted."""
        state = super().desired()
        if state.get("exclusive") is False:
            del state["exclusive"]
        if "function_response_types" in state:
            state["function_response_types"] = sorted(state["function_response_types"])
        if "filter_criteria" in state:
            state["filter_criteria"] = sorted(state["filter_criteria"], key=_json)
        return state

    def check(self, desired: State) -> None:
        """Refuse numbers out of range and batches that SQS cannot give."""
        for option, (_, least, most) in _NUMBERS.items():
            if option in desired and not least <= desired[option] <= most:
                raise RefusalError(f"{option} is {desired[option]}; choose {least} to {most}")
        limit = desired.get("maximum_concurrency", 0)
        if limit and not _LEAST_CONCURRENCY <= limit <= _MOST_CONCURRENCY:
            raise RefusalError(
                f"maximum_concurrency is {limit}; choose {_LEAST_CONCURRENCY} to {_MOST_CONCURRENCY}, or 0"
            )
        fifo, window = self.params["queue"].endswith(".fifo"), desired.get("maximum_batching_window", 0)
        large = desired.get("batch_size", 1) > _PLAIN_BATCH
        if fifo and (large or window):
            raise RefusalError(
                f"a FIFO queue has no batching window and gives at most {_PLAIN_BATCH} messages; correct it"
            )
        if large and not window:
            raise RefusalError(
                f"a batch_size above {_PLAIN_BATCH} needs a maximum_batching_window of 1 or more; set it"
            )

    def apply(self, plan: Plan) -> State:
        """Before a write hold the queue's visibility timeout against the function's: a preview may change either."""
        if plan.action in ("create", "update"):
            self._check_timeouts()
        return super().apply(plan)

    def find(self) -> State | None:
        """Return the mapping in normal form; two for the same pair are refused unless the others may be deleted."""
        found = self._list()
        self._others = [*found[1:], *self._foreign()] if self._exclusive else []
        if len(found) > 1 and not self._exclusive:
            raise RefusalError(
                f"{len(found)} mappings join the two; delete all but one of {', '.join(item['UUID'] for item in found)}"
            )
        if not found:
            return None
        raw = found[0]
        filters = raw.get("FilterCriteria", {}).get("Filters", [])
        return {
            "alias": _qualifier(raw),
            "enabled": raw["State"] not in ("Disabled", "Disabling"),
            **{ours: raw.get(theirs, least) for ours, (theirs, least, _) in _NUMBERS.items()},
            "function_response_types": sorted(raw.get("FunctionResponseTypes", [])),
            "maximum_concurrency": raw.get("ScalingConfig", {}).get("MaximumConcurrency", 0),
            "filter_criteria": sorted((json.loads(item["Pattern"]) for item in filters), key=_json),
            "exclusive": sorted(map(_ends, self._others)) or True,
            "tags": self._tags(raw),
            "uuid": raw["UUID"],
            "arn": self._mapping_arn(raw),
        }

    def create(self, desired: State) -> None:
        """Create the mapping and wait until it is in force."""
        self._drop_others()
        arn, labels = self.arn("sqs", self.params["queue"]), desired.get("tags")
        function = self._function_name(desired.get("alias", ""))
        more = {"Tags": labels} if labels else {}
        # The role's rights on the queue take some seconds to spread; AWS checks them while it creates the mapping.
        made = retry_on(
            lambda: self.client("lambda").create_event_source_mapping(
                EventSourceArn=arn, FunctionName=function, **_to_aws(desired), **more
            ),
            "InvalidParameterValueException",
            containing="role does not have permissions",
        )
        self._wait(made["UUID"])

    def update(self, current: State, changes: State) -> None:
        """Change the mapping and its tags, and wait until that is in force."""
        settings = _to_aws(changes)
        if "alias" in changes:
            settings["FunctionName"] = self._function_name(changes["alias"])
        if "exclusive" in changes:
            self._drop_others()
        if settings:
            self._set(current["uuid"], settings)
        if "tags" in changes:
            wanted, gone = tags.changes(current["tags"], changes["tags"])
            if wanted:
                self.client("lambda").tag_resource(Resource=current["arn"], Tags=wanted)
            if gone:
                self.client("lambda").untag_resource(Resource=current["arn"], TagKeys=gone)

    def delete(self, current: State) -> None:
        """Disable the mapping, so that no message is in the function's hands, then delete it."""
        if current["enabled"]:
            self._set(current["uuid"], {"Enabled": False})
        retry_on(
            lambda: self.client("lambda").delete_event_source_mapping(UUID=current["uuid"]), "ResourceInUseException"
        )
        poll(lambda: not self._list(deleting=True), what=f"deletion of the mapping {current['uuid']}")

    @property
    def _exclusive(self) -> bool:
        return bool(self.params["exclusive"]) and self.params["state"] == "present"

    def _list(self, *, deleting: bool = False) -> list[dict[str, Any]]:
        """Return the mappings that join the two, in a lasting order."""
        # By the queue alone: Lambda lists the mappings of a function and those of its aliases apart.
        self._of_queue = self._ask(EventSourceArn=self.arn("sqs", self.params["queue"]))
        found = [item for item in self._of_queue if _function(item) == self.params["function"]]
        return sorted(
            (item for item in found if deleting or item["State"] != "Deleting"), key=lambda item: item["UUID"]
        )

    def _foreign(self) -> list[dict[str, Any]]:
        """Return the mappings that join one of the two with something else."""
        arn, mine = self.arn("sqs", self.params["queue"]), self.params["function"]
        thieves = [item for item in self._of_queue if _function(item) != mine]
        sources = [item for name in self._names() for item in self._ask(FunctionName=name)]
        others = {item["UUID"]: item for item in [*thieves, *sources] if item["State"] != "Deleting"}
        return [item for item in others.values() if _function(item) != mine or item.get("EventSourceArn") != arn]

    def _function_name(self, alias: str) -> str:
        return f"{self.params['function']}:{alias}" if alias else str(self.params["function"])

    def _names(self) -> set[str]:
        return {self._function_name(""), self._function_name(self.params.get("alias") or "")}

    def _ask(self, **by: str) -> list[dict[str, Any]]:
        pages = self.client("lambda").get_paginator("list_event_source_mappings").paginate(**by)
        try:
            return [item for page in pages for item in page["EventSourceMappings"]]
        except ClientError as error:
            if is_code(error, "ResourceNotFoundException"):  # the function is not there yet, or no longer
                return []
            raise

    def _drop_others(self) -> None:
        remove = self.client("lambda").delete_event_source_mapping
        for other in self._others:
            uuid = str(other["UUID"])
            retry_on(partial(remove, UUID=uuid), "ResourceInUseException")
            poll(partial(self._is_gone, uuid), what=f"deletion of the mapping {uuid}")

    def _is_gone(self, uuid: str) -> bool:
        try:
            self.client("lambda").get_event_source_mapping(UUID=uuid)
        except ClientError as error:
            return is_code(error, "ResourceNotFoundException")
        return False

    def _set(self, uuid: str, settings: dict[str, Any]) -> None:
        # A mapping that is still being changed refuses the next change.
        retry_on(
            lambda: self.client("lambda").update_event_source_mapping(UUID=uuid, **settings), "ResourceInUseException"
        )
        self._wait(uuid)

    def _wait(self, uuid: str) -> None:
        def settled() -> bool:
            mapping = self.client("lambda").get_event_source_mapping(UUID=uuid)
            return mapping["State"] in ("Enabled", "Disabled")

        poll(settled, what=f"the change of the mapping {uuid}")

    def _mapping_arn(self, raw: dict[str, Any]) -> str:
        return str(raw.get("EventSourceMappingArn") or self.arn("lambda", f"event-source-mapping:{raw['UUID']}"))

    def _tags(self, raw: dict[str, Any]) -> dict[str, str]:
        return tags.own(self.client("lambda").list_tags(Resource=self._mapping_arn(raw)).get("Tags"))

    def _check_timeouts(self) -> None:
        """Refuse a message that becomes visible while the function still works on it; AWS does when it sees both."""
        try:
            function = self.client("lambda").get_function_configuration(FunctionName=self.params["function"])
            url = self.client("sqs").get_queue_url(QueueName=self.params["queue"])["QueueUrl"]
            queue = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
        except ClientError:
            return  # not there yet, or not ours to read: the mapping itself will say so
        hidden, works = int(queue["Attributes"]["VisibilityTimeout"]), int(function["Timeout"])
        if hidden < works:
            raise RefusalError(
                f"the queue hides a message for {hidden} s and the function may work for {works} s; "
                f"raise visibility_timeout to {6 * works}, or lower the function's timeout"
            )


def _function(raw: dict[str, Any]) -> str:
    return str(raw["FunctionArn"]).split(":function:")[-1].partition(":")[0]


def _qualifier(raw: dict[str, Any]) -> str:
    return str(raw["FunctionArn"]).split(":function:")[-1].partition(":")[2]


def _ends(raw: dict[str, Any]) -> str:
    return f"{raw.get('EventSourceArn', '?')} to {_function(raw)} ({raw['UUID']})"


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _to_aws(state: State) -> dict[str, Any]:
    result: dict[str, Any] = {theirs: state[ours] for ours, (theirs, _, _) in _NUMBERS.items() if ours in state}
    if "enabled" in state:
        result["Enabled"] = state["enabled"]
    if "function_response_types" in state:
        result["FunctionResponseTypes"] = state["function_response_types"]
    if "maximum_concurrency" in state:
        limit = state["maximum_concurrency"]
        result["ScalingConfig"] = {"MaximumConcurrency": limit} if limit else {}
    if "filter_criteria" in state:
        result["FilterCriteria"] = {"Filters": [{"Pattern": _json(pattern)} for pattern in state["filter_criteria"]]}
    return result


def main() -> None:
    """Run the module."""
    run(Mapping)


if __name__ == "__main__":
    main()
