#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: a log group of CloudWatch Logs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudwatch_log_group
short_description: Manage a log group of CloudWatch Logs
description:
  - Creates, updates and deletes a log group with its retention, key, subscription filters and tags.
options:
  name:
    description: Name of the log group.
    type: str
    required: true
  retention:
    description: Days for which events are kept; one of the numbers that AWS offers, V(0) for ever.
    type: int
  kms_key_id:
    description: ARN of the KMS key that encrypts events; an empty string for AWS's own.
    type: str
  subscription_filters:
    description: Where events are sent on to. Only V([]) is possible; what is there is removed. Costs a read.
    type: list
    elements: dict
notes:
  - Exists because amazon.aws.cloudwatchlogs_log_group changes the retention even in check mode, and shows no diff.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure the log group of the worker exists
  cloudwatch_log_group:
    name: /ecs/tamma-dev-audio-clean
    retention: 14
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The log group in the names of this module's options, with its C(arn).
  returned: success
  type: dict
"""

import re
from typing import ClassVar

from ansible.module_utils.tamma import tags
from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.resource import Resource, run
from ansible.module_utils.tamma.wording import size_of

# What PutRetentionPolicy accepts, and 0 for no policy.
_DAYS = (
    *(0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)


class LogGroup(Resource):
    """A log group; AWS says nothing of a retention for ever, which is 0 here."""

    kind = "CloudWatch log group"
    spec: ClassVar = {
        "retention": {"type": "int"},
        "kms_key_id": {"type": "str", "no_log": False},
        "subscription_filters": {"type": "list", "elements": "dict"},
    }
    computed = ("arn",)

    def check(self, desired: State) -> None:
        """Refuse bad names and numbers of days that AWS does not offer."""
        if not re.fullmatch(r"[A-Za-z0-9._/#-]{1,512}", self.name):
            raise RefusalError("a log group's name has 1-512 of A-Z a-z 0-9 . _ / # -; choose another one")
        if desired.get("subscription_filters"):
            raise RefusalError("subscription_filters can only be empty; leave the option out where events are sent on")
        if desired.get("retention", 0) not in _DAYS:
            raise RefusalError(f"retention is {desired['retention']} days; choose one of {', '.join(map(str, _DAYS))}")

    def find(self) -> State | None:
        """Return the log group in normal form."""
        logs = self.client("logs")
        pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=self.name)
        for page in pages:  # sorted by name, so the group itself comes before those that begin like it
            for group in page["logGroups"]:
                if group["logGroupName"] == self.name:
                    arn = group["arn"].removesuffix(":*")
                    if self.params["state"] == "absent":
                        stored = group.get("storedBytes", 0)
                        return {"arn": arn, "holds": f"{size_of(stored)} of logs" if stored else ""}
                    return {
                        "retention": group.get("retentionInDays", 0),
                        "kms_key_id": group.get("kmsKeyId", ""),
                        **self._subscriptions(),
                        "tags": tags.own(logs.list_tags_for_resource(resourceArn=arn).get("tags")),
                        "arn": arn,
                    }
        return None

    def create(self, desired: State) -> None:
        """Create the log group, then limit its retention."""
        more = {"tags": desired["tags"]} if desired.get("tags") else {}
        more |= {"kmsKeyId": desired["kms_key_id"]} if desired.get("kms_key_id") else {}
        self.client("logs").create_log_group(logGroupName=self.name, **more)
        if desired.get("retention"):
            self._keep(desired["retention"])

    def update(self, current: State, changes: State) -> None:
        """Change retention and tags."""
        logs = self.client("logs")
        if "retention" in changes:
            self._keep(changes["retention"])
        for sent in current["subscription_filters"] if "subscription_filters" in changes else []:
            logs.delete_subscription_filter(logGroupName=self.name, filterName=sent["name"])
        if changes.get("kms_key_id"):
            logs.associate_kms_key(logGroupName=self.name, kmsKeyId=changes["kms_key_id"])
        elif "kms_key_id" in changes:
            logs.disassociate_kms_key(logGroupName=self.name)
        if "tags" in changes:
            wanted, gone = tags.changes(current["tags"], changes["tags"])
            if wanted:
                logs.tag_resource(resourceArn=current["arn"], tags=wanted)
            if gone:
                logs.untag_resource(resourceArn=current["arn"], tagKeys=gone)

    def delete(self, current: State) -> None:
        """Delete the log group with its events."""
        del current
        self.client("logs").delete_log_group(logGroupName=self.name)

    def _subscriptions(self) -> State:
        if self.params["subscription_filters"] is None:
            return {}
        pages = self.client("logs").get_paginator("describe_subscription_filters").paginate(logGroupName=self.name)
        found = [item for page in pages for item in page["subscriptionFilters"]]
        members = {"name": "filterName", "destination": "destinationArn", "pattern": "filterPattern"}
        return {
            "subscription_filters": [{ours: item.get(theirs, "") for ours, theirs in members.items()} for item in found]
        }

    def _keep(self, days: int) -> None:
        if days:
            self.client("logs").put_retention_policy(logGroupName=self.name, retentionInDays=days)
        else:
            self.client("logs").delete_retention_policy(logGroupName=self.name)


def main() -> None:
    """Run the module."""
    run(LogGroup)


if __name__ == "__main__":
    main()
