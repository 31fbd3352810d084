"""How to read, in a module's own option names, the resources of the amazon.aws modules that the roles keep.

These modules say whether something changes and not what. The table below is all that is needed to tell it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.tamma import tags
from ansible.module_utils.tamma.errors import is_code
from ansible.module_utils.tamma.plan import Plan, State, plan_absent, plan_present
from ansible.module_utils.tamma.policy import canonical
from botocore.exceptions import ClientError

Connect = Callable[[str], Any]
_MISSING = "NoSuchEntity"


@dataclass(frozen=True)
class Kind:
    """A kind of resource: what a person calls it, the option that names it, and how to read and to state it."""

    words: str
    name: str
    find: Callable[[Connect, str], State | None]
    desired: Callable[[Mapping[str, Any]], State]
    returned: str = ""
    """Where the module's result says what AWS decided."""

    @property
    def computed(self) -> tuple[str, ...]:
        """Properties that AWS alone decides."""
        return ("arn",)


def plan(kind: Kind, options: Mapping[str, Any], connect: Connect) -> Plan:
    """Return what a module with these options will change; reads the account."""
    try:
        current = kind.find(connect, str(options[kind.name]))
    except ClientError as error:
        if not is_code(error, _MISSING):
            raise
        current = None
    if options.get("state") == "absent":
        return plan_absent(current)
    return plan_present(current, kind.desired(options), {}, kind.computed)


def _policy(connect: Connect, name: str) -> State | None:
    iam = connect("iam")
    pages = iam.get_paginator("list_policies").paginate(Scope="Local")
    arn = next((item["Arn"] for page in pages for item in page["Policies"] if item["PolicyName"] == name), None)
    if arn is None:
        return None
    found = iam.get_policy(PolicyArn=arn)["Policy"]
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    default = iam.get_policy_version(PolicyArn=arn, VersionId=found["DefaultVersionId"])["PolicyVersion"]
    others = sorted(item["VersionId"] for item in versions if not item["IsDefaultVersion"])
    return {
        "policy": canonical(default["Document"]),
        "tags": tags.to_dict(found.get("Tags")),
        "only_version": others or True,
        "arn": arn,
    }


def _desired_policy(options: Mapping[str, Any]) -> State:
    document = options["policy"]
    return {
        "policy": canonical(json.loads(document) if isinstance(document, str) else document),
        "tags": _texts(options.get("tags")),
        **({"only_version": True} if options.get("only_version") else {}),
    }


def _profile(connect: Connect, name: str) -> State | None:
    found = connect("iam").get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    roles = [role["RoleName"] for role in found["Roles"]]
    return {"role": roles[0] if roles else "", "tags": tags.to_dict(found.get("Tags")), "arn": found["Arn"]}


def _texts(labels: Mapping[str, Any] | None) -> dict[str, str]:
    return {str(key): str(value) for key, value in (labels or {}).items()}


KINDS: Mapping[str, Kind] = {
    "amazon.aws.iam_managed_policy": Kind("IAM policy", "name", _policy, _desired_policy, "policy"),
    "amazon.aws.iam_instance_profile": Kind(
        "IAM instance profile",
        "name",
        _profile,
        lambda options: {"role": options.get("role", ""), "tags": _texts(options.get("tags"))},
        "iam_instance_profile",
    ),
}
