#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: an SQS queue."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sqs_queue
short_description: Manage an SQS queue
description:
  - Creates, updates and deletes an SQS queue with its redrive rules, encryption and access policy.
options:
  name:
    description: Name of the queue. A queue whose name ends in C(.fifo) is a FIFO queue.
    type: str
    required: true
  visibility_timeout:
    description: Seconds for which a received message is hidden (0-43200).
    type: int
  message_retention_period:
    description: Seconds for which a message is kept (60-1209600).
    type: int
  receive_message_wait_time:
    description: Seconds for which a receive call waits for a message (0-20).
    type: int
  maximum_message_size:
    description: Largest message in bytes (1024-1048576).
    type: int
  delay:
    description: Seconds after which a new message can be received (0-900).
    type: int
  content_based_deduplication:
    description: Whether the hash of the body is the deduplication id. FIFO queues only.
    type: bool
  deduplication_scope:
    description: Where a deduplication id is unique. FIFO queues only.
    type: str
    choices: [queue, messageGroup]
  fifo_throughput_limit:
    description: What the throughput quota counts for. V(perMessageGroupId) needs O(deduplication_scope=messageGroup).
    type: str
    choices: [perQueue, perMessageGroupId]
  redrive_policy:
    description: Where a message goes that was received too often; V({}) for nowhere.
    type: dict
    suboptions:
      dead_letter_queue:
        description: Name of the dead-letter queue in the same account and region. Needed with the other one.
        type: str
      max_receive_count:
        description: Receives after which a message goes there (1-1000). Needed with the other one.
        type: int
  redrive_allow_policy:
    description: Which queues may use this one as their dead-letter queue.
    type: dict
    suboptions:
      redrive_permission:
        description: Whether all queues, none, or those in O(redrive_allow_policy.source_queues) may.
        type: str
        choices: [allowAll, denyAll, byQueue]
        required: true
      source_queues:
        description: Names of at most ten queues; they need not exist yet.
        type: list
        elements: str
  sqs_managed_sse:
    description: Whether messages are encrypted with keys that SQS manages. V(true) replaces encryption with a KMS key.
    type: bool
  policy:
    description: The whole access policy; V({}) removes it.
    type: dict
notes:
  - Exists because community.aws.sqs_queue has no redrive allow policy and no managed encryption, and sets only
    attributes that the service already returned.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure the queue for jobs exists
  sqs_queue:
    name: tamma-dev-jobs.fifo
    visibility_timeout: 180
    redrive_policy: {dead_letter_queue: tamma-dev-jobs-dlq.fifo, max_receive_count: 5}
    sqs_managed_sse: true
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The queue in the names of this module's options, with its C(arn) and C(url).
  returned: success
  type: dict
"""

import re
from typing import ClassVar

from ansible.module_utils.tamma import queues, tags
from ansible.module_utils.tamma.errors import RefusalError, is_code
from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.policy import canonical
from ansible.module_utils.tamma.resource import Resource, run
from ansible.module_utils.tamma.wait import poll
from botocore.exceptions import ClientError

_MOST_RECEIVES, _MOST_SOURCES = 1_000, 10  # limits of SQS for redrive policies
_MISSING = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
_JUST_DELETED = ("AWS.SimpleQueueService.QueueDeletedRecently", "QueueDeletedRecently")


class Queue(Resource):
    """An SQS queue; its dead-letter and source queues are names, made to ARNs when AWS is called."""

    kind = "SQS queue"
    spec: ClassVar = {
        **{name: {"type": "int"} for name in queues.NUMBERS},
        "content_based_deduplication": {"type": "bool"},
        "deduplication_scope": {"type": "str", "choices": ["queue", "messageGroup"]},
        "fifo_throughput_limit": {"type": "str", "choices": ["perQueue", "perMessageGroupId"]},
        "redrive_policy": {
            "type": "dict",
            "options": {
                "dead_letter_queue": {"type": "str"},
                "max_receive_count": {"type": "int"},
            },
        },
        "redrive_allow_policy": {
            "type": "dict",
            "options": {
                "redrive_permission": {"type": "str", "choices": ["allowAll", "denyAll", "byQueue"], "required": True},
                "source_queues": {"type": "list", "elements": "str"},
            },
        },
        "sqs_managed_sse": {"type": "bool"},
        "policy": {"type": "dict"},
    }
    computed = ("arn", "url")

    @property
    def fifo(self) -> bool:
        """Whether the name is that of a FIFO queue."""
        return self.name.endswith(".fifo")

    def desired(self) -> State:
        """Return the given properties, with the source queues sorted and none where they have no meaning."""
        state = super().desired()
        allow = state.get("redrive_allow_policy")
        if allow:
            by_queue = allow["redrive_permission"] == "byQueue"
            allow["source_queues"] = sorted(allow.get("source_queues", [])) if by_queue else []
        if "policy" in state:
            state["policy"] = canonical(state["policy"]) if state["policy"] else {}
        if state.get("redrive_policy") == {}:
            state["redrive_policy"] = None
        return state

    def check(self, desired: State) -> None:
        """Refuse bad names, numbers out of range and FIFO settings that contradict each other, as AWS does."""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,75}(\.fifo)?|[A-Za-z0-9_-]{76,80}", self.name):
            raise RefusalError("a queue's name has 1-80 of A-Z a-z 0-9 _ - and may end in .fifo; choose another one")
        for option, (_, least, most) in queues.NUMBERS.items():
            if option in desired and not least <= desired[option] <= most:
                raise RefusalError(f"{option} is {desired[option]}; choose {least} to {most}")
        self._check_fifo(desired)
        self._check_redrive(desired)

    def _check_fifo(self, desired: State) -> None:
        if given := [] if self.fifo else sorted(set(queues.FIFO) & set(desired)):
            raise RefusalError(f"{given[0]} is for FIFO queues; leave it out, or end the name in .fifo")
        grouped = desired.get("deduplication_scope", "messageGroup") == "messageGroup"
        if desired.get("fifo_throughput_limit") == "perMessageGroupId" and not grouped:
            raise RefusalError(
                "fifo_throughput_limit perMessageGroupId needs deduplication_scope messageGroup; set both"
            )

    def _check_redrive(self, desired: State) -> None:
        redrive, allow = desired.get("redrive_policy"), desired.get("redrive_allow_policy")
        if redrive and len(redrive) < len(self.spec["redrive_policy"]["options"]):
            raise RefusalError(
                "redrive_policy needs dead_letter_queue and max_receive_count; give both, or {} for none"
            )
        if redrive and not 1 <= redrive["max_receive_count"] <= _MOST_RECEIVES:
            raise RefusalError(f"max_receive_count is {redrive['max_receive_count']}; choose 1 to 1000")
        if redrive and redrive["dead_letter_queue"].endswith(".fifo") != self.fifo:
            raise RefusalError(
                "a FIFO queue needs a FIFO dead-letter queue and a standard one a standard one; rename one"
            )
        sources = len(allow["source_queues"]) if allow else 0
        if allow and allow["redrive_permission"] == "byQueue" and not 1 <= sources <= _MOST_SOURCES:
            raise RefusalError(
                f"redrive_permission byQueue names {sources} source_queues; name 1 to 10, or use allowAll"
            )

    def find(self) -> State | None:
        """Return the queue in normal form; what AWS leaves out has its documented default."""
        sqs = self.client("sqs")
        try:
            url = sqs.get_queue_url(QueueName=self.name)["QueueUrl"]
            raw = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            if self.params["state"] == "absent":
                return {"arn": raw["QueueArn"], "url": url, "holds": _messages(raw)}
            labels = sqs.list_queue_tags(QueueUrl=url).get("Tags")
        except ClientError as error:
            if is_code(error, *_MISSING):
                return None
            raise
        return {
            **queues.load(raw, fifo=self.fifo),
            "tags": tags.own(labels),
            "arn": raw["QueueArn"],
            "url": url,
        }

    def create(self, desired: State) -> None:
        """Create the queue; AWS keeps a deleted queue's name for a minute."""
        attributes = {name: text for name, text in queues.dump(desired, self._queue_arn).items() if text}
        if self.fifo:
            attributes["FifoQueue"] = "true"
        try:
            self.client("sqs").create_queue(QueueName=self.name, Attributes=attributes, tags=desired.get("tags", {}))
        except ClientError as error:
            if is_code(error, *_JUST_DELETED):
                raise RefusalError(
                    "it was deleted less than 60 s ago and AWS keeps its name; wait and re-run"
                ) from error
            raise
        poll(lambda: self.find() is not None, what=f"creation of {self.name}")

    def update(self, current: State, changes: State) -> None:
        """Change attributes and tags."""
        sqs = self.client("sqs")
        attributes = queues.dump(changes, self._queue_arn)
        if attributes.get("SqsManagedSseEnabled") == "true":
            attributes["KmsMasterKeyId"] = ""  # a queue has one kind of encryption
        if attributes:
            sqs.set_queue_attributes(QueueUrl=current["url"], Attributes=attributes)
        if "tags" in changes:
            wanted, gone = tags.changes(current["tags"], changes["tags"])
            if wanted:
                sqs.tag_queue(QueueUrl=current["url"], Tags=wanted)
            if gone:
                sqs.untag_queue(QueueUrl=current["url"], TagKeys=gone)

    def delete(self, current: State) -> None:
        """Delete the queue; AWS takes up to 60 seconds."""
        self.client("sqs").delete_queue(QueueUrl=current["url"])
        poll(lambda: self.find() is None, what=f"deletion of {self.name}")

    def _queue_arn(self, name: str) -> str:
        return self.arn("sqs", name)


def _messages(raw: dict[str, str]) -> str:
    count = sum(int(raw.get(f"ApproximateNumberOfMessages{which}", 0)) for which in ("", "NotVisible", "Delayed"))
    return f"{count} message{'' if count == 1 else 's'}" if count else ""


def main() -> None:
    """Run the module."""
    run(Queue)


if __name__ == "__main__":
    main()
