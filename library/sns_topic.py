#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: an SNS topic."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sns_topic
short_description: Manage an SNS topic and its subscriptions
description:
  - Creates, updates and deletes a standard topic with its access policy and all of its subscriptions.
options:
  name:
    description: Name of the topic.
    type: str
    required: true
  display_name:
    description: Sender's name in e-mails and text messages.
    type: str
  kms_key_id:
    description: KMS key that encrypts messages; an empty string for none.
    type: str
  policy:
    description: The whole access policy. AWS keeps one always, so that it cannot be empty.
    type: dict
  subscriptions:
    description:
      - All subscriptions; others are removed. One that waits for its receiver's confirmation counts as there.
      - AWS cannot remove a subscription that waits; it forgets it after two days.
    type: list
    elements: dict
    suboptions:
      protocol:
        description: How messages are delivered, for example V(email) or V(sqs).
        type: str
        required: true
      endpoint:
        description: Where to, for example an address or an ARN.
        type: str
        required: true
notes:
  - Exists because community.aws.sns_topic shows no diff and cannot set tags or encryption.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure the topic of the alarms exists
  sns_topic:
    name: tamma-dev-alarms
    subscriptions:
      - {protocol: email, endpoint: operator@example.org}
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The topic in the names of this module's options, with its C(arn).
  returned: success
  type: dict
"""

import json
import re
from typing import Any, ClassVar

from ansible.module_utils.tamma import tags
from ansible.module_utils.tamma.errors import RefusalError, is_code
from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.policy import canonical
from ansible.module_utils.tamma.resource import Resource, run
from ansible.module_utils.tamma.wait import poll
from botocore.exceptions import ClientError

_MEMBERS = {"display_name": "DisplayName", "kms_key_id": "KmsMasterKeyId", "policy": "Policy"}
_PROTOCOLS = ("application", "email", "email-json", "firehose", "http", "https", "lambda", "sms", "sqs")


class Topic(Resource):
    """A standard SNS topic; its subscriptions are a sorted list of protocol and endpoint."""

    kind = "SNS topic"
    spec: ClassVar = {
        "display_name": {"type": "str"},
        "kms_key_id": {"type": "str", "no_log": False},
        "policy": {"type": "dict"},
        "subscriptions": {
            "type": "list",
            "elements": "dict",
            "options": {
                "protocol": {"type": "str", "required": True},
                "endpoint": {"type": "str", "required": True},
            },
        },
    }
    computed = ("arn",)

    def desired(self) -> State:
        """Return the given properties, the policy canonical and subscriptions sorted, each once."""
        state = super().desired()
        if "policy" in state:
            state["policy"] = (canonical(state["policy"]) or {}) if state["policy"] else {}
        if "subscriptions" in state:
            unique = {(item["protocol"], item["endpoint"]) for item in state["subscriptions"]}
            state["subscriptions"] = [
                {"protocol": protocol, "endpoint": endpoint} for protocol, endpoint in sorted(unique)
            ]
        return state

    def check(self, desired: State) -> None:
        """Refuse FIFO and bad names, and a topic without a policy."""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", self.name):
            raise RefusalError("a standard topic's name has 1-256 of A-Z a-z 0-9 _ -; choose another one")
        for item in desired.get("subscriptions", []):
            if item["protocol"] not in _PROTOCOLS:
                known = ", ".join(_PROTOCOLS)
                raise RefusalError(
                    f"SNS has no protocol {item['protocol']} (of {item['endpoint']}); choose one of {known}"
                )
        if desired.get("policy") == {}:
            raise RefusalError("a topic always has a policy; leave the option out, or say who may publish")

    def find(self) -> State | None:
        """Return the topic in normal form; its ARN follows from its name."""
        sns, arn = self.client("sns"), self.arn("sns", self.name)
        try:
            raw = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
        except ClientError as error:
            if is_code(error, "NotFound", "NotFoundException"):
                return None
            raise
        there = {(item["Protocol"], item["Endpoint"]) for item in self._subscriptions(arn) if self._counts(item)}
        return {
            "display_name": raw.get("DisplayName", ""),
            "kms_key_id": raw.get("KmsMasterKeyId", ""),
            "policy": canonical(raw.get("Policy")) or {},
            "subscriptions": [{"protocol": protocol, "endpoint": endpoint} for protocol, endpoint in sorted(there)],
            "tags": tags.to_dict(sns.list_tags_for_resource(ResourceArn=arn).get("Tags")),
            "arn": arn,
        }

    def create(self, desired: State) -> None:
        """Create the topic, then subscribe."""
        arn = self.client("sns").create_topic(
            Name=self.name, Attributes=_attributes(desired), Tags=tags.to_pairs(desired.get("tags"))
        )["TopicArn"]
        self._subscribe(arn, desired)

    def update(self, current: State, changes: State) -> None:
        """Change attributes, subscriptions and tags."""
        sns, arn = self.client("sns"), current["arn"]
        for name, value in _attributes(changes).items():
            sns.set_topic_attributes(TopicArn=arn, AttributeName=name, AttributeValue=value)
        self._subscribe(arn, changes)
        if "tags" in changes:
            wanted, gone = tags.changes(current["tags"], changes["tags"])
            if wanted:
                sns.tag_resource(ResourceArn=arn, Tags=tags.to_pairs(wanted))
            if gone:
                sns.untag_resource(ResourceArn=arn, TagKeys=gone)

    def delete(self, current: State) -> None:
        """Delete the topic; its subscriptions go with it."""
        for item in self._subscriptions(current["arn"]):
            if _confirmed(item):
                self.client("sns").unsubscribe(SubscriptionArn=item["SubscriptionArn"])
        self.client("sns").delete_topic(TopicArn=current["arn"])
        poll(lambda: self.find() is None, what=f"deletion of {self.name}")

    def _subscriptions(self, arn: str) -> list[dict[str, Any]]:
        pages = self.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
        return [item for page in pages for item in page["Subscriptions"] if item["SubscriptionArn"] != "Deleted"]

    def _counts(self, item: dict[str, Any]) -> bool:
        """Tell whether a subscription is one to compare: a foreign one that waits could not be removed anyway."""
        wanted = self.params.get("subscriptions") or []
        mine = {"protocol": item["Protocol"], "endpoint": item["Endpoint"]}
        return _confirmed(item) or mine in wanted

    def _subscribe(self, arn: str, changes: State) -> None:
        if "subscriptions" not in changes:
            return
        sns = self.client("sns")
        wanted = {(item["protocol"], item["endpoint"]) for item in changes["subscriptions"]}
        there = {(item["Protocol"], item["Endpoint"]): item for item in self._subscriptions(arn)}
        for protocol, endpoint in sorted(wanted - set(there)):
            sns.subscribe(TopicArn=arn, Protocol=protocol, Endpoint=endpoint)
        for place in sorted(set(there) - wanted):
            if _confirmed(there[place]):
                sns.unsubscribe(SubscriptionArn=there[place]["SubscriptionArn"])


def _confirmed(item: dict[str, Any]) -> bool:
    return str(item["SubscriptionArn"]).startswith("arn:")


def _attributes(state: State) -> dict[str, str]:
    return {
        theirs: json.dumps(state[ours]) if ours == "policy" else str(state[ours])
        for ours, theirs in _MEMBERS.items()
        if ours in state
    }


def main() -> None:
    """Run the module."""
    run(Topic)


if __name__ == "__main__":
    main()
