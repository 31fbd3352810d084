#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: a Lambda function."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lambda_function
short_description: Manage a Lambda function
description:
  - Creates, updates and deletes a function that is made of a zip archive, with its resource policy and its URL.
options:
  name:
    description: Name of the function.
    type: str
    required: true
  zip_file:
    description:
      - Path of the archive of the code. The preview shows its hash as C(code_sha256). Needed when O(state=present).
    type: path
  runtime:
    description: Runtime, for example V(python3.13). Needed when O(state=present).
    type: str
  handler:
    description: What is called, for example V(app.handler). Needed when O(state=present).
    type: str
  role:
    description: ARN of the role that the function takes on. Needed when O(state=present).
    type: str
  architecture:
    description: Instruction set.
    type: str
    choices: [x86_64, arm64]
  description:
    description: What the function is for; an empty string for none.
    type: str
  timeout:
    description: Seconds that an invocation may take (1-900).
    type: int
  memory_size:
    description: Memory in MiB (128-10240).
    type: int
  ephemeral_storage:
    description: Size of /tmp in MiB (512-10240).
    type: int
  layers:
    description: ARNs of the versions of all layers, in the order in which they are laid over each other; at most five.
    type: list
    elements: str
  environment_variables:
    description: All environment variables. They can be read by many, and are shown; secrets belong elsewhere.
    type: dict
  reserved_concurrency:
    description: Invocations that are reserved for the function and its limit; V(0) stops it, V(-1) for no reservation.
    type: int
  tracing_mode:
    description: Whether invocations are traced with X-Ray.
    type: str
    choices: [Active, PassThrough]
  logging_config:
    description: How and where the function logs.
    type: dict
    suboptions:
      log_format:
        description: Format.
        type: str
        choices: [JSON, Text]
      application_log_level:
        description: What the function's code may log. For JSON only.
        type: str
        choices: [TRACE, DEBUG, INFO, WARN, ERROR, FATAL]
      system_log_level:
        description: What Lambda itself logs. For JSON only.
        type: str
        choices: [DEBUG, INFO, WARN]
      log_group:
        description: Name of the log group.
        type: str
  policy:
    description:
      - The whole resource policy; V({}) for none. Each statement has a Sid, one principal, one action, and the
        conditions that Lambda's AddPermission can make. Its resource is the function and may be left out.
    type: dict
  function_url:
    description: The function's URL. V(iam) wants signed requests, V(public) lets everyone in whom the policy allows.
    type: str
    choices: [absent, iam, public]
  alias:
    description:
      - The one alias, which points at a published version of exactly this function; other aliases are deleted.
      - When no published version is like that, one is published. V("") for no alias and no published version at all.
    type: str
  version_description:
    description: Description of a version that is published; those that are there keep theirs.
    type: str
  keep_versions:
    description:
      - Published versions that are kept when one is published (1-50), so that the alias can go back to one of them.
    type: int
    default: 10
  other_settings:
    description:
      - What the function has that this module has no option for (C(VpcConfig), C(DeadLetterConfig), C(KMSKeyArn),
        C(FileSystemConfigs), C(SnapStart)), in the words of Lambda's API. Only V({}) is possible; the rest is removed.
    type: dict
notes:
  - Exists because amazon.aws.lambda shows no diff, cannot clear a description, does not see who else may invoke the
    function, and knows no reserved concurrency, ephemeral storage or logging.
  - With O(policy), grants on the alias are removed and are C(alias_policy) in the diff. Those on single versions, and
    URLs of versions and of the alias, are not looked at; a URL lets in only whom a grant names.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure the function runs the code
  lambda_function:
    name: tamma-dev-reconciler
    runtime: python3.13
    handler: app.handler
    role: "{{ naming_role_arns }}/tamma-dev-reconciler"
    zip_file: "{{ archive.path }}"
    policy: {}
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The function in the names of this module's options, with its C(arn) and C(code_sha256).
  returned: success
  type: dict
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from ansible.module_utils.tamma import function_policy, functions, tags
from ansible.module_utils.tamma.errors import RefusalError, is_code
from ansible.module_utils.tamma.plan import UNKNOWN, Plan, State
from ansible.module_utils.tamma.resource import Resource, run
from ansible.module_utils.tamma.wait import poll, retry_on
from botocore.exceptions import ClientError

_TEXT, _NUMBER = {"type": "str"}, {"type": "int"}
_UNRESERVED = -1
_LATEST = "$LATEST"
_MOST_KEPT = 50
_URL_KINDS = {"iam": "AWS_IAM", "public": "NONE"}


class Function(Resource):
    """A Lambda function; no reserved concurrency is -1, no policy an empty one."""

    kind = "Lambda function"
    spec: ClassVar = {
        **dict.fromkeys(("runtime", "handler", "role", "description"), _TEXT),
        **dict.fromkeys(("timeout", "memory_size", "ephemeral_storage", "reserved_concurrency"), _NUMBER),
        "architecture": {"type": "str", "choices": ["x86_64", "arm64"]},
        "layers": {"type": "list", "elements": "str"},
        "other_settings": {"type": "dict"},
        "environment_variables": {"type": "dict"},
        "tracing_mode": {"type": "str", "choices": ["Active", "PassThrough"]},
        "logging_config": {"type": "dict", "options": functions.LOGGING_OPTIONS},
        "policy": {"type": "dict"},
        "function_url": {"type": "str", "choices": ["absent", *_URL_KINDS]},
    }
    controls: ClassVar = {
        "zip_file": {"type": "path"},
        "alias": {"type": "str"},
        "version_description": {"type": "str"},
        "keep_versions": {"type": "int", "default": 10},
    }
    needed = ("runtime", "handler", "role", "zip_file")
    computed = ("arn",)
    _published: Sequence[tuple[str, State]] = ()
    """Published versions with their settings, oldest first."""

    def desired(self) -> State:
        """Return the given properties, with the hash of the code."""
        state = super().desired()
        state["code_sha256"] = functions.code_sha256(self._archive())
        if "policy" in state:
            state["policy"] = function_policy.normal(state["policy"])
        return state

    def check(self, desired: State) -> None:
        """Refuse settings beyond Lambda's limits, and grants that cannot be made."""
        functions.check(desired)
        if desired.get("reserved_concurrency", _UNRESERVED) < _UNRESERVED:
            raise RefusalError("reserved_concurrency is below -1; give -1 for no reservation, or a number")
        if not 1 <= self.params["keep_versions"] <= _MOST_KEPT:
            raise RefusalError(f"keep_versions is {self.params['keep_versions']}; choose 1 to {_MOST_KEPT}")
        statements = desired.get("policy", {}).get("Statement", [])
        if len({function_policy.grant(statement)["StatementId"] for statement in statements}) < len(statements):
            raise RefusalError("two statements of policy have the same Sid; give each its own")

    def plan(self) -> Plan:
        """Add where the alias shall point, which depends on what the function will be; nobody is granted it."""
        plan = super().plan()
        if self.params["state"] == "absent" or self.params.get("alias") is None:
            return plan
        wanted: State = {"aliases": self._aliases_for(plan.after)}
        if "alias_policy" in plan.before:
            wanted["alias_policy"] = {}
        changes = {
            name: (plan.before.get(name), value)
            for name, value in wanted.items()
            if (plan.before.get(name) or {}) != value
        }
        if not changes:
            return plan
        action = "update" if plan.action == "none" else plan.action
        return replace(plan, action=action, after={**plan.after, **wanted}, changes={**plan.changes, **changes})

    def find(self) -> State | None:
        """Return the function in normal form; its policy and URL only when they are managed."""
        raw = self._get()
        if raw is None:
            return None
        configuration = raw["Configuration"]
        if configuration.get("PackageType", "Zip") != "Zip" and self.params["state"] == "present":
            raise RefusalError("it is made of a container image, not of an archive; delete it or choose another name")
        state = {
            **functions.load(configuration),
            "reserved_concurrency": raw.get("Concurrency", {}).get("ReservedConcurrentExecutions", _UNRESERVED),
            "tags": tags.own(raw.get("Tags")),
            "arn": configuration["FunctionArn"],
        }
        if self.params.get("policy") is not None:
            state["policy"] = function_policy.normal((self._read("get_policy") or {}).get("Policy"))
        if self.params.get("function_url") is not None:
            url = self._read("get_function_url_config")
            state["function_url"] = ("iam" if url["AuthType"] == "AWS_IAM" else "public") if url else "absent"
        if self.params.get("alias") is not None:
            self._published = self._versions()
            state["aliases"] = {item["Name"]: _target(item) for item in self._list("list_aliases", "Aliases")}
            if not self.params["alias"] and self._published:
                state["aliases"]["(versions)"] = ", ".join(version for version, _ in self._published)
        if self.params.get("alias") and "policy" in state:
            alias = self.params["alias"]
            of_alias = self._read("get_policy", Qualifier=alias) or {}
            state["alias_policy"] = function_policy.normal(of_alias.get("Policy"), alias)
        return state

    def create(self, desired: State) -> None:
        """Create the function, wait until it is active, and give it what CreateFunction does not take."""
        aws, labels = self.client("lambda"), desired.get("tags")
        more = {"Architectures": [desired["architecture"]]} if "architecture" in desired else {}
        more |= {"Tags": labels} if labels else {}
        code = {"ZipFile": self._archive()}
        _spread(lambda: aws.create_function(FunctionName=self.name, Code=code, **functions.dump(desired), **more))
        self._settle()
        self._update_rest({"policy": {}, "function_url": "absent", "reserved_concurrency": _UNRESERVED}, desired)

    def update(self, current: State, changes: State) -> None:
        """Change the configuration, then the code, then what stands beside them; each only when it differs."""
        present = current["other_settings"] if "other_settings" in changes else ()
        aws, settings = self.client("lambda"), functions.dump(changes, present)
        if settings:
            self._change(lambda: aws.update_function_configuration(FunctionName=self.name, **settings))
        if "code_sha256" in changes or "architecture" in changes:
            code, architecture = self._archive(), changes.get("architecture", current["architecture"])
            self._change(
                lambda: aws.update_function_code(FunctionName=self.name, ZipFile=code, Architectures=[architecture])
            )
        if "tags" in changes:
            wanted, gone = tags.changes(current["tags"], changes["tags"])
            if wanted:
                aws.tag_resource(Resource=current["arn"], Tags=wanted)
            if gone:
                aws.untag_resource(Resource=current["arn"], TagKeys=gone)
        self._update_rest(current, changes)

    def delete(self, current: State) -> None:
        """Delete the function; its policy and URL go with it."""
        del current
        aws = self.client("lambda")
        retry_on(lambda: aws.delete_function(FunctionName=self.name), "ResourceConflictException")
        poll(lambda: self._get() is None, what=f"deletion of {self.name}")

    def _archive(self) -> bytes:
        return functions.read_archive(self.params["zip_file"])

    def _get(self) -> dict[str, Any] | None:
        return self._read("get_function")

    def _read(self, operation: str, **more: str) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = getattr(self.client("lambda"), operation)(FunctionName=self.name, **more)
        except ClientError as error:
            if is_code(error, "ResourceNotFoundException"):
                return None
            raise
        return answer

    def _list(self, listing: str, items: str) -> list[dict[str, Any]]:
        pages = self.client("lambda").get_paginator(listing).paginate(FunctionName=self.name)
        return [item for page in pages for item in page[items]]

    def _versions(self) -> list[tuple[str, State]]:
        listed = self._list("list_versions_by_function", "Versions")
        found = {int(item["Version"]): item for item in listed if item["Version"] != _LATEST}
        # What a version is called does not change what it does.
        settings = ((str(number), functions.load(item)) for number, item in sorted(found.items()))
        return [
            (number, {name: value for name, value in old.items() if name != "description"}) for number, old in settings
        ]

    def _aliases_for(self, after: State) -> dict[str, str]:
        """Return the alias with the newest published version that is like the function, or one to be published."""
        if not self.params["alias"]:
            return {}
        alike = [version for version, old in self._published if old == {name: after.get(name) for name in old}]
        return {self.params["alias"]: alike[-1] if alike else UNKNOWN}

    def _publish(self) -> str:
        about = self.params.get("version_description")
        more = {"Description": about} if about else {}
        return str(self.client("lambda").publish_version(FunctionName=self.name, **more)["Version"])

    def _update_aliases(self, current: dict[str, str], wanted: dict[str, str]) -> None:
        """Publish when there is no version to point at, move the alias, and delete what has no use any more."""
        aws = self.client("lambda")
        for name, version in wanted.items():
            target = self._publish() if version == UNKNOWN else version
            change = aws.update_alias if name in current else aws.create_alias
            more: dict[str, Any] = {"RoutingConfig": {"AdditionalVersionWeights": {}}} if name in current else {}
            change(FunctionName=self.name, Name=name, FunctionVersion=target, **more)
        for name in current.keys() - wanted.keys() - {"(versions)"}:
            aws.delete_alias(FunctionName=self.name, Name=name)
        kept = self.params["keep_versions"] if wanted else 0
        old = [version for version, _ in self._versions() if version not in wanted.values()]
        for version in old[: max(0, len(old) - kept)]:
            aws.delete_function(FunctionName=self.name, Qualifier=version)

    def _change(self, call: Any) -> None:
        # Lambda refuses a change while it is still at work on the one before, which may be that of a run that was cut.
        retry_on(lambda: _spread(call), "ResourceConflictException")
        self._settle()

    def _settle(self) -> None:
        def settled() -> bool:
            raw = self.client("lambda").get_function_configuration(FunctionName=self.name)
            if "Failed" in (raw.get("State"), raw.get("LastUpdateStatus")):
                reason = raw.get("LastUpdateStatusReason") or raw.get("StateReason") or "no reason given"
                raise RefusalError(f"Lambda could not bring it into force: {reason.rstrip('.')}; correct that")
            return not {"Pending", "InProgress"} & {raw.get("State"), raw.get("LastUpdateStatus")}

        poll(settled, what=f"the change of {self.name}")

    def _update_rest(self, current: State, changes: State) -> None:
        aws = self.client("lambda")
        if changes.get("reserved_concurrency", current["reserved_concurrency"]) != current["reserved_concurrency"]:
            reserved = changes["reserved_concurrency"]
            if reserved == _UNRESERVED:
                aws.delete_function_concurrency(FunctionName=self.name)
            else:
                aws.put_function_concurrency(FunctionName=self.name, ReservedConcurrentExecutions=reserved)
        if changes.get("policy", current.get("policy")) != current.get("policy"):
            function_policy.update(aws, self.name, current["policy"], changes["policy"])
        if changes.get("function_url", current.get("function_url")) != current.get("function_url"):
            self._update_url(current["function_url"], changes["function_url"])
        if "alias_policy" in changes:
            function_policy.update(aws, self.name, current["alias_policy"], {}, Qualifier=self.params["alias"])
        if "aliases" in changes:
            self._update_aliases(current.get("aliases", {}), changes["aliases"])

    def _update_url(self, current: str, wanted: str) -> None:
        aws = self.client("lambda")
        if wanted == "absent":
            aws.delete_function_url_config(FunctionName=self.name)
        elif current == "absent":
            aws.create_function_url_config(FunctionName=self.name, AuthType=_URL_KINDS[wanted])
        else:
            aws.update_function_url_config(FunctionName=self.name, AuthType=_URL_KINDS[wanted])


def _target(alias: dict[str, Any]) -> str:
    """Return where an alias points; with traffic shifting, all of it."""
    weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    return ", ".join([alias["FunctionVersion"], *(f"{version} ({weight:.0%})" for version, weight in weights.items())])


def _spread(call: Any) -> Any:
    """Make a call that names a role: IAM may not have told Lambda of it yet."""
    return retry_on(call, "InvalidParameterValueException", containing="cannot be assumed by Lambda")


def main() -> None:
    """Run the module."""
    run(Function)


if __name__ == "__main__":
    main()
