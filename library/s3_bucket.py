#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: an S3 bucket."""

from __future__ import annotations

DOCUMENTATION = r"""
module: s3_bucket
short_description: Manage an S3 bucket
description:
  - Creates, updates and deletes an S3 bucket with everything that is configured on the bucket itself.
  - Only properties whose options are given are read.
options:
  name:
    description: Name of the bucket.
    type: str
    required: true
  versioning:
    description: Whether old versions of objects are kept. A bucket that never had versions counts as V(suspended).
    type: str
    choices: [enabled, suspended]
  encryption:
    description: Default encryption of new objects.
    type: dict
    suboptions:
      algorithm:
        description: Algorithm of the server.
        type: str
        choices: [AES256, aws:kms, aws:kms:dsse]
        required: true
      kms_key_id:
        description: ARN of the KMS key; without it AWS's own key for S3. Not with V(AES256).
        type: str
      bucket_key_enabled:
        description: Whether S3 asks KMS once per bucket instead of once per object.
        type: bool
        default: false
  public_access_block:
    description: Whether all four blocks of public access are on; V(false) removes all four.
    type: bool
  object_ownership:
    description: Who owns objects that other accounts put. V(BucketOwnerEnforced) switches access control lists off.
    type: str
    choices: [BucketOwnerEnforced, BucketOwnerPreferred, ObjectWriter]
  acl:
    description:
      - V(private) takes away all rights that an access control list gives to others than the owner.
      - It goes before O(object_ownership), which AWS does not enforce while others have such rights.
    type: str
    choices: [private]
  policy:
    description: The whole bucket policy; V({}) removes it.
    type: dict
  cors_rules:
    description: All cross-origin rules, in order; V([]) removes them.
    type: list
    elements: dict
    suboptions:
      allowed_origins:
        description: Origins that may ask.
        type: list
        elements: str
        required: true
      allowed_methods:
        description: HTTP methods that may be used.
        type: list
        elements: str
        required: true
      allowed_headers:
        description: Request headers that may be sent.
        type: list
        elements: str
      expose_headers:
        description: Response headers that scripts may read.
        type: list
        elements: str
      max_age_seconds:
        description: Seconds for which a browser may keep the answer.
        type: int
  lifecycle_rules:
    description: All lifecycle rules; others are removed. V([]) removes all.
    type: list
    elements: dict
    suboptions:
      id:
        description: Name of the rule, unique in the bucket.
        type: str
        required: true
      prefix:
        description: Keys the rule is for; all by default.
        type: str
        default: ''
      status:
        description: Whether the rule is in force.
        type: str
        choices: [enabled, disabled]
        default: enabled
      expiration_days:
        description: Days after which an object is deleted.
        type: int
      expired_object_delete_marker:
        description:
          - Whether delete markers without older versions are removed. Not with O(lifecycle_rules[].expiration_days).
        type: bool
      noncurrent_version_expiration_days:
        description: Days after which an old version is deleted.
        type: int
      abort_incomplete_multipart_upload_days:
        description: Days after which an unfinished upload is aborted.
        type: int
  notifications:
    description:
      - The whole notification configuration in the names of GetBucketNotificationConfiguration; V({}) removes it.
      - Every entry of a list needs an C(Id).
    type: dict
  website:
    description: The whole website configuration in the names of GetBucketWebsite; V({}) removes it.
    type: dict
  replication:
    description: Where objects are copied to, in the names of ReplicationConfiguration; V({}) ends it.
    type: dict
  logging:
    description: Where requests are logged, with their signatures, in the names of LoggingEnabled; V({}) ends it.
    type: dict
  force_delete:
    description: Whether O(state=absent) first deletes all objects, old versions, delete markers and unfinished uploads.
    type: bool
    default: false
notes:
  - Exists because amazon.aws.s3_bucket has no real check mode and community.aws.s3_lifecycle leaves foreign rules.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure the bucket for recordings exists
  s3_bucket:
    name: tamma-dev-raw
    public_access_block: true
    object_ownership: BucketOwnerEnforced
    encryption: {algorithm: AES256}
    lifecycle_rules:
      - {id: expire, expiration_days: 30, abort_incomplete_multipart_upload_days: 1}
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The bucket in the names of this module's options, as far as they are managed, with its C(arn).
  returned: success
  type: dict
"""

import re
from typing import Any, ClassVar

from ansible.module_utils.tamma import buckets, tags
from ansible.module_utils.tamma.errors import RefusalError, code_of, is_code
from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.resource import Resource, run
from ansible.module_utils.tamma.wait import retry_on
from botocore.exceptions import ClientError

_NEW = {"versioning": "suspended", "acl": "private"}  # what a new bucket is anyway, beside having nothing configured
_STRINGS = {"type": "list", "elements": "str"}


class Bucket(Resource):
    """An S3 bucket; each property is read and written by calls of its own (module_utils/tamma/buckets.py)."""

    kind = "S3 bucket"
    spec: ClassVar = {
        "versioning": {"type": "str", "choices": ["enabled", "suspended"]},
        "encryption": {
            "type": "dict",
            "options": {
                "algorithm": {"type": "str", "choices": ["AES256", "aws:kms", "aws:kms:dsse"], "required": True},
                "kms_key_id": {"type": "str", "no_log": False},
                "bucket_key_enabled": {"type": "bool", "default": False, "no_log": False},
            },
        },
        "public_access_block": {"type": "bool"},
        "object_ownership": {"type": "str", "choices": ["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"]},
        "acl": {"type": "str", "choices": ["private"]},
        "policy": {"type": "dict"},
        "cors_rules": {
            "type": "list",
            "elements": "dict",
            "options": {
                "allowed_origins": {**_STRINGS, "required": True},
                "allowed_methods": {**_STRINGS, "required": True},
                "allowed_headers": _STRINGS,
                "expose_headers": _STRINGS,
                "max_age_seconds": {"type": "int"},
            },
        },
        "lifecycle_rules": {
            "type": "list",
            "elements": "dict",
            "options": {
                "id": {"type": "str", "required": True},
                "prefix": {"type": "str", "default": ""},
                "status": {"type": "str", "choices": ["enabled", "disabled"], "default": "enabled"},
                "expiration_days": {"type": "int"},
                "expired_object_delete_marker": {"type": "bool"},
                "noncurrent_version_expiration_days": {"type": "int"},
                "abort_incomplete_multipart_upload_days": {"type": "int"},
            },
        },
        **{name: {"type": "dict"} for name in ("notifications", "website", "replication", "logging")},
    }
    controls: ClassVar = {"force_delete": {"type": "bool", "default": False}}
    computed = ("arn",)

    def desired(self) -> State:
        """Return the given properties in the form in which they are read."""
        return {name: buckets.normal(name, value) for name, value in super().desired().items()}

    def check(self, desired: State) -> None:
        """Refuse bad names, lifecycle rules without an action or with equal names, and a key without KMS."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", self.name) or ".." in self.name:
            raise RefusalError(
                "a bucket's name has 3-63 of a-z 0-9 - . and begins and ends with a letter or digit; choose another one"
            )
        encryption = desired.get("encryption", {})
        if encryption.get("algorithm") == "AES256" and self.params["encryption"].get("kms_key_id"):
            raise RefusalError("encryption with a kms_key_id needs algorithm aws:kms; set it, or leave the key out")
        rules = desired.get("lifecycle_rules", [])
        if len({rule["id"] for rule in rules}) < len(rules):
            raise RefusalError("two lifecycle_rules have the same id; give each rule its own")
        for rule in rules:
            actions = [value for name, value in rule.items() if name not in ("id", "prefix", "status")]
            if not any(actions) or any(value < 1 for value in actions):
                raise RefusalError(f"the lifecycle rule {rule['id']} needs an action, and days of 1 or more")
        entries = [
            entry for value in desired.get("notifications", {}).values() if isinstance(value, list) for entry in value
        ]
        if not all(entry.get("Id") for entry in entries):
            raise RefusalError("an entry of notifications has no Id, so that it cannot be compared; give it one")

    def find(self) -> State | None:
        """Return the managed properties of the bucket, or None; a name of another account is refused."""
        s3 = self.client("s3")
        try:
            s3.head_bucket(Bucket=self.name)
        except ClientError as error:
            if is_code(error, "404", "NoSuchBucket"):
                return None
            if is_code(error, "403", "301", "AccessDenied", "PermanentRedirect"):
                raise RefusalError(
                    f"the name is taken (S3 answered {code_of(error)}): by another account, in another region, or you "
                    "may not see it; choose another name, or check your permissions and region"
                ) from error
            raise
        if self.params["state"] == "absent":
            return {"arn": self._arn(), "holds": buckets.holds(s3, self.name)}
        managed = list(super().desired())
        return {**{name: buckets.read(s3, self.name, name) for name in managed}, "arn": self._arn()}

    def create(self, desired: State) -> None:
        """Create the bucket, wait for it, and configure it: closed to the public before anything else."""
        s3 = self.client("s3")
        region = s3.meta.region_name
        # us-east-1 is the one region that must not be named.
        configuration: dict[str, Any] = {} if region == "us-east-1" else {"LocationConstraint": region}
        if desired.get("tags"):
            # At once: a bucket without them is somebody else's, as far as the next run can tell.
            configuration["Tags"] = tags.to_pairs(desired["tags"])
        place = {"CreateBucketConfiguration": configuration} if configuration else {}
        try:
            # The name of a bucket that was just deleted is in "a conflicting operation" for up to some minutes.
            retry_on(lambda: s3.create_bucket(Bucket=self.name, **place), "OperationAborted", timeout=120)
        except ClientError as error:
            if is_code(error, "BucketAlreadyExists"):
                raise RefusalError("the name belongs to another account; choose another one") from error
            raise
        s3.get_waiter("bucket_exists").wait(Bucket=self.name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        given = {**_NEW, "tags": buckets.read(s3, self.name, "tags")} if "tags" in desired else _NEW
        self.update({}, {name: value for name, value in desired.items() if value and value != given.get(name)})

    def update(self, current: State, changes: State) -> None:
        """Write every property that changes, in the order of the options: closing comes before opening."""
        del current
        order = ["public_access_block", "acl", *changes]
        for name in dict.fromkeys(name for name in order if name in changes):
            buckets.write(self.client("s3"), self.name, name, changes[name])

    def delete(self, current: State) -> None:
        """Delete the bucket; one with objects is emptied first or refused."""
        del current
        s3 = self.client("s3")
        if self.params["force_delete"]:
            buckets.empty(s3, self.name)
        try:
            s3.delete_bucket(Bucket=self.name)
        except ClientError as error:
            if is_code(error, "BucketNotEmpty"):
                raise RefusalError("it still holds objects; set force_delete: true to delete them with it") from error
            raise
        s3.get_waiter("bucket_not_exists").wait(Bucket=self.name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})

    def _arn(self) -> str:
        partition = self.client("s3").meta.partition
        return f"arn:{partition}:s3:::{self.name}"


def main() -> None:
    """Run the module."""
    run(Bucket)


if __name__ == "__main__":
    main()
