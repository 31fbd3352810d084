#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: the access key of a user, kept in a file."""

from __future__ import annotations

DOCUMENTATION = r"""
module: presign_key
short_description: Keep and rotate the access key that a front end signs with
description:
  - Keeps one access key of an IAM user in a file that only its owner can read. The secret is shown nowhere.
  - A rotation has two steps. C(rotating) makes a second key and puts it into the file, C(finished) deactivates and
    deletes the first. Between them both work.
  - Each step can be repeated, and finishes what was cut off.
options:
  user:
    description: Name of the IAM user.
    type: str
    required: true
  path:
    description: The file. It is replaced as a whole.
    type: path
    required: true
  state:
    description: What shall be true.
    type: str
    choices: [present, rotating, finished]
    default: present
  settings:
    description: What the file holds beside the key.
    type: dict
    default: {}
  idle_minutes:
    description:
      - C(finished) refuses while the first key was used within so many minutes, or when the second one never was.
      - 0 asks nothing.
    type: int
    default: 60
extends_documentation_fragment: [tamma_resource.aws]
attributes:
  check_mode:
    support: full
    description: Reports what would change and writes nothing.
  diff_mode:
    support: full
    description: Shows the ids of the keys before and after.
  idempotent:
    support: full
    description: A second run reports no change.
notes:
  - Exists because amazon.aws.iam_access_key returns the secret to the playbook, and a run that is cut off before the
    playbook has stored it leaves a key behind that nobody can use.
"""

EXAMPLES = r"""
- name: Begin the rotation
  presign_key:
    user: tamma-presign
    path: inventories/dev/presign_key.json
    state: rotating
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(update) or C(none)).
  returned: success
  type: str
resource:
  description: C(access_keys) (status by id), the one that is C(held) in the file, the C(previous) one, and C(settings).
  returned: success
  type: dict
report:
  description: What is to be done next.
  returned: when a rotation is under way
  type: list
  elements: str
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from ansible.module_utils.tamma import key_file
from ansible.module_utils.tamma.errors import RefusalError, is_code
from ansible.module_utils.tamma.plan import UNKNOWN, Plan, State
from ansible.module_utils.tamma.resource import Planned, run
from botocore.exceptions import ClientError

_SPEC: dict[str, Any] = {
    "user": {"type": "str", "required": True},
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["present", "rotating", "finished"], "default": "present"},
    "settings": {"type": "dict", "default": {}},
    "idle_minutes": {"type": "int", "default": 60},
}
_MOST_KEYS = 2  # of one user, a limit of AWS
# The file names the keys that were there before it asks for another: one more is what a run that was cut off made.
_OWN = ("access_key_id", "secret_access_key", "previous_access_key_id", "keys_before")


class PresignKey(Planned):
    """The keys of the user, and which of them the file holds."""

    kind = "access key"
    identity: ClassVar = {"user": _SPEC["user"]}
    spec: ClassVar = {name: option for name, option in _SPEC.items() if name != "user"}

    @property
    def name(self) -> str:
        """Whose key it is."""
        return f"of {self.params['user']}"

    def plan(self) -> Plan:
        """Read keys and file; RefusalError when a step cannot be taken."""
        if self.params["idle_minutes"] < 0:
            raise RefusalError("idle_minutes is negative; choose 0 or more")
        before = self._find()
        after = getattr(self, f"_{self.params['state']}")(before) | {"settings": dict(self.params["settings"])}
        changes = {name: (before[name], value) for name, value in after.items() if value != before[name]}
        return Plan("update" if changes else "none", before, after, changes)

    def apply(self, plan: Plan) -> State:
        """Remove what shall go, make what shall come; the file says at each moment what is under way."""
        for key in plan.before["access_keys"].keys() - plan.after["access_keys"].keys():
            self._remove(key)
        if UNKNOWN in plan.after["access_keys"]:
            self._make(plan)
        else:
            self._write(previous_access_key_id=plan.after["previous"], keys_before=None)
        return self._find()

    def report(self, plan: Plan, state: State) -> list[str]:
        """Say what comes next in a rotation."""
        del plan
        if self.params["state"] != "rotating":
            return []
        return [
            f"Both keys work. 1. Give {self.path} with the new key {state['held']} to the front end, and restart it.",
            f"2. Then delete the old key {state['previous']}: make rotate-presign-key PHASE=finish (same ENV).",
        ]

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.params["path"])

    def _find(self) -> State:
        self._file = key_file.read(self.path)
        pages = self.client("iam").get_paginator("list_access_keys").paginate(UserName=self.params["user"])
        try:
            keys = {key["AccessKeyId"]: key["Status"] for page in pages for key in page["AccessKeyMetadata"]}
        except ClientError as error:
            if is_code(error, "NoSuchEntity"):
                raise RefusalError("there is no such user; deploy first (`make converge`)") from None
            raise
        held = self._file.get("access_key_id")
        settings = {name: value for name, value in self._file.items() if name not in _OWN}
        return {
            "access_keys": keys,
            "held": held if held in keys else None,
            "previous": self._file.get("previous_access_key_id"),
            "settings": settings,
        }

    def _present(self, found: State) -> State:
        if found["held"]:
            return found
        keys = self._without_orphans(found)
        if len(keys) >= _MOST_KEYS:
            raise RefusalError(
                f"it has two access keys already, the most that AWS allows, and {self.path} holds neither; delete the "
                "one that nobody uses (aws iam delete-access-key) and re-run"
            )
        return {**found, "access_keys": {**keys, UNKNOWN: "Active"}, "held": UNKNOWN, "previous": None}

    def _rotating(self, found: State) -> State:
        self._refuse_without_key(found)
        if found["previous"] in found["access_keys"]:
            return found
        keys = self._without_orphans(found)
        if strangers := keys.keys() - {found["held"]}:
            raise RefusalError(
                f"it has a second access key, {min(strangers)}, that {self.path} does not know; delete it if nobody "
                "uses it (aws iam delete-access-key) and re-run"
            )
        return {**found, "access_keys": {**keys, UNKNOWN: "Active"}, "held": UNKNOWN, "previous": found["held"]}

    def _finished(self, found: State) -> State:
        self._refuse_without_key(found)
        old = found["previous"]
        if self._orphans(found):
            raise RefusalError("the rotation was cut off while it began; begin it again (PHASE=begin), then finish it")
        if old in found["access_keys"] and self.params["idle_minutes"]:
            self._refuse_in_use(found["held"], old)
        keys = {key: status for key, status in found["access_keys"].items() if key != old}
        return {**found, "access_keys": keys, "previous": None}

    def _refuse_without_key(self, found: State) -> None:
        if not found["held"]:
            raise RefusalError(
                f"{self.path} holds no valid key, so that there is nothing to rotate; run make presign-key"
            )

    def _refuse_in_use(self, new: str, old: str) -> None:
        minutes = self.params["idle_minutes"]
        if self._last_used(new) is None:
            raise RefusalError(
                f"the new key {new} was never used: the front end does not sign with it yet; give it {self.path}, or "
                "if you are sure that it has it, add -e rotate_idle_minutes=0"
            )
        used = self._last_used(old)
        ago = (datetime.now(UTC) - used).total_seconds() / 60 if used else minutes
        if ago < minutes:
            raise RefusalError(
                f"the old key {old} was used {ago:.0f} minutes ago, and shall have been idle for {minutes}; see that "
                "every part of the front end has the new one, then re-run, or add -e rotate_idle_minutes=0"
            )

    def _last_used(self, key: str) -> datetime | None:
        answer = self.client("iam").get_access_key_last_used(AccessKeyId=key)
        used: datetime | None = answer["AccessKeyLastUsed"].get("LastUsedDate")
        return used

    def _orphans(self, found: State) -> set[str]:
        """Return keys that a run made and did not live to store: not there before it, and never used."""
        if self._file.get("keys_before") is None:
            return set()
        made = found["access_keys"].keys() - set(self._file["keys_before"])
        return {key for key in made if self._last_used(key) is None}

    def _without_orphans(self, found: State) -> dict[str, str]:
        orphans = self._orphans(found)
        return {key: status for key, status in found["access_keys"].items() if key not in orphans}

    def _make(self, plan: Plan) -> None:
        kept = plan.before["access_keys"].keys() & plan.after["access_keys"].keys()
        self._write(keys_before=sorted(kept))
        made = self.client("iam").create_access_key(UserName=self.params["user"])["AccessKey"]
        self._write(
            access_key_id=made["AccessKeyId"],
            secret_access_key=made["SecretAccessKey"],
            previous_access_key_id=plan.after["previous"],
            keys_before=None,
        )

    def _remove(self, key: str) -> None:
        named = {"UserName": self.params["user"], "AccessKeyId": key}
        self.client("iam").update_access_key(**named, Status="Inactive")
        self.client("iam").delete_access_key(**named)

    def _write(self, **changes: Any) -> None:
        own = {name: value for name, value in self._file.items() if name in _OWN}
        content = {**self.params["settings"], **own, **changes}
        self._file = {name: value for name, value in content.items() if value is not None}
        key_file.write(self.path, self._file)


def main() -> None:
    """Run the module."""
    run(PresignKey)


if __name__ == "__main__":
    main()
