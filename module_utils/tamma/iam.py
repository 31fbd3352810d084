"""What roles and users of IAM have in common: their policies, the boundary and tags; calls differ in one word."""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ansible.module_utils.tamma import tags
from ansible.module_utils.tamma.errors import RefusalError, is_code
from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.policy import canonical
from ansible.module_utils.tamma.resource import Resource
from ansible.module_utils.tamma.wait import poll, retry_on
from botocore.exceptions import ClientError

GRANTS: dict[str, Any] = {
    "managed_policies": {"type": "list", "elements": "str"},
    "inline_policies": {"type": "dict"},
    "permissions_boundary": {"type": "str"},
}
"""Argument specification of what grants and limits rights."""

# Patterns of IAM's API reference (CreateRole, CreateUser, PutRolePolicy, AttachRolePolicy).
_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_POLICY_NAME = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)
_POLICY_ARN = re.compile(r"arn:aws[a-z-]*:iam::(aws|\d{12}):policy/[!-~]+")
_MOST_POLICIES = 10  # "IAM and AWS STS quotas": managed policies of a role or a user, unless AWS raised it
_MOST_TAGS = 50  # the same page
_LAG = 60  # seconds in which IAM's own copies agree, as it documents; then a refusal is a real one


class Principal(Resource):
    """A role or a user; `{}` in the name of a call stands for which of the two it is.

    Only properties whose options are given are read, but all of them before a deletion: the plan shows what goes.
    """

    who: ClassVar[str]
    """`role` or `user`."""
    inline_limit: ClassVar[int]
    """Characters, without white space, that all inline policies together may have."""
    computed = ("arn",)

    @abstractmethod
    def properties(self, found: Mapping[str, Any]) -> State:
        """Return what an answer of GetRole or GetUser says beside the ARN, the boundary and tags."""

    def readers(self) -> dict[str, Callable[[], Any]]:
        """Return, by property, how to read what takes calls of its own."""
        return {"managed_policies": self._attached, "inline_policies": self._inline}

    def desired(self) -> State:
        """Return the given properties, ARNs sorted and documents canonical."""
        state = super().desired()
        if "managed_policies" in state:
            state["managed_policies"] = sorted(set(state["managed_policies"]))
        if "inline_policies" in state:
            given = sorted(state["inline_policies"].items())
            state["inline_policies"] = {name: document(text, f"the inline policy {name}") for name, text in given}
        return state

    def check(self, desired: State) -> None:
        """Refuse bad names and ARNs, too many policies or tags, and documents that are too long or no grants."""
        if not _NAME.fullmatch(self.name):
            raise RefusalError(f"a {self.who}'s name has 1-64 of A-Z a-z 0-9 + = , . @ _ -; choose another one")
        boundary = [desired["permissions_boundary"]] if desired.get("permissions_boundary") else []
        for arn in [*desired.get("managed_policies", []), *boundary]:
            if not _POLICY_ARN.fullmatch(arn):
                raise RefusalError(f"{arn} is not the ARN of a policy; write arn:aws:iam::<account>:policy/<name>")
        if len(desired.get("managed_policies", [])) > _MOST_POLICIES:
            raise RefusalError(f"a {self.who} has at most {_MOST_POLICIES} managed policies; put some of them together")
        self._check_inline(desired.get("inline_policies", {}))
        self._check_tags(desired.get("tags", {}))

    def find(self) -> State | None:
        """Return the managed properties in normal form, or None."""
        found = self._get()
        if found is None:
            return None
        wholly = self.params["state"] == "absent"
        return {
            **self.properties(found),
            **{name: read() for name, read in self.readers().items() if wholly or self.params.get(name) is not None},
            "permissions_boundary": found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
            "tags": tags.to_dict(found.get("Tags")),
            "arn": found["Arn"],
        }

    def create_with(self, desired: State, **request: Any) -> None:
        """Create with the boundary and tags in the one call: a run that ends after it leaves nothing unbounded."""
        if desired.get("permissions_boundary"):
            request["PermissionsBoundary"] = desired["permissions_boundary"]
        self.write("create_{}", **request, Tags=tags.to_pairs(desired.get("tags")))
        self.grant({}, desired)

    def bound(self, changes: State) -> None:
        """Set or remove the boundary; it comes before any grant."""
        if changes.get("permissions_boundary"):
            self.write("put_{}_permissions_boundary", PermissionsBoundary=changes["permissions_boundary"])
        elif "permissions_boundary" in changes:
            self.drop("delete_{}_permissions_boundary")

    def grant(self, current: State, changes: State) -> None:
        """Bring the policies to what is wanted: what is too much goes first, which also keeps the quota."""
        before, after = (set(state.get("managed_policies", [])) for state in (current, changes))
        if "managed_policies" in changes:
            for arn in sorted(before - after):
                self.drop("detach_{}_policy", PolicyArn=arn)
        inline, wanted = current.get("inline_policies", {}), changes.get("inline_policies", {})
        if "inline_policies" in changes:
            for name in sorted(inline.keys() - wanted.keys()):
                self.drop("delete_{}_policy", PolicyName=name)
        for name, policy in wanted.items():
            if inline.get(name) != policy:
                self.write("put_{}_policy", PolicyName=name, PolicyDocument=text_of(policy))
        for arn in sorted(after - before):
            self.write("attach_{}_policy", PolicyArn=arn)

    def retag(self, current: State, changes: State) -> None:
        """Remove and set tags, in this order: IAM holds keys that differ only in case for the same."""
        if "tags" not in changes:
            return
        wanted, gone = tags.changes(current["tags"], changes["tags"])
        if gone:
            self.write("untag_{}", TagKeys=gone)
        if wanted:
            self.write("tag_{}", Tags=tags.to_pairs(wanted))

    def revoke(self, current: State) -> None:
        """Take all policies away."""
        self.grant(current, {"managed_policies": [], "inline_policies": {}})

    def destroy(self) -> None:
        """Delete the bare role or user, and wait until its name is free."""
        # What was just taken away may hold it for some seconds more.
        retry_on(lambda: self.drop("delete_{}"), "DeleteConflict", timeout=_LAG)
        poll(lambda: self._get() is None, what=f"deletion of {self.name}")

    def write(self, operation: str, **arguments: Any) -> Any:
        """Make a call about this role or user; changes that meet each other in IAM are repeated, as it asks."""
        call = getattr(self.client("iam"), operation.format(self.who))
        try:
            return retry_on(lambda: call(**self._named(), **arguments), "ConcurrentModification", timeout=_LAG)
        except ClientError as error:
            arn = arguments.get("PolicyArn") or arguments.get("PermissionsBoundary")
            if arn and arn in str(error) and is_code(error, "NoSuchEntity"):
                raise RefusalError(
                    f"the policy {arn} does not exist or cannot be attached; create it first, or correct the ARN"
                ) from error
            raise

    def drop(self, operation: str, **arguments: Any) -> None:
        """Make a call that takes something away; what is not there any more is well."""
        call = getattr(self.client("iam"), operation.format(self.who))
        try:
            retry_on(lambda: call(**self._named(), **arguments), "ConcurrentModification", timeout=_LAG)
        except ClientError as error:
            if not is_code(error, "NoSuchEntity"):
                raise

    def listed(self, operation: str, key: str) -> list[Any]:
        """Return all that a list call about this role or user answers."""
        pages = self.client("iam").get_paginator(operation.format(self.who)).paginate(**self._named())
        return [item for page in pages for item in page[key]]

    def _named(self) -> dict[str, str]:
        return {f"{self.who.title()}Name": self.name}

    def _get(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = getattr(self.client("iam"), f"get_{self.who}")(**self._named())[self.who.title()]
        except ClientError as error:
            if is_code(error, "NoSuchEntity"):
                return None
            raise
        return found

    def _attached(self) -> list[str]:
        return sorted(item["PolicyArn"] for item in self.listed("list_attached_{}_policies", "AttachedPolicies"))

    def _inline(self) -> dict[str, Any]:
        read = getattr(self.client("iam"), f"get_{self.who}_policy")
        names = sorted(self.listed("list_{}_policies", "PolicyNames"))
        return {name: canonical(read(**self._named(), PolicyName=name)["PolicyDocument"]) for name in names}

    def _check_inline(self, policies: Mapping[str, Any]) -> None:
        for name, policy in policies.items():
            if not _POLICY_NAME.fullmatch(name):
                raise RefusalError(f"{name} is no name of an inline policy; use 1-128 of A-Z a-z 0-9 + = , . @ _ -")
            if any({"Principal", "NotPrincipal"} & set(statement) for statement in policy["Statement"]):
                raise RefusalError(f"the inline policy {name} has a Principal, which only a trust policy may; drop it")
        size = sum(map(size_of, policies.values()))
        if size > self.inline_limit:
            raise RefusalError(
                f"the inline policies of a {self.who} have together at most {self.inline_limit} characters and these "
                f"have {size}; make a managed policy of them"
            )

    def _check_tags(self, wanted: Mapping[str, str]) -> None:
        if len({key.lower() for key in wanted}) < len(wanted):
            raise RefusalError("two tags differ only in upper and lower case, which IAM takes for one; drop one")
        if len(wanted) > _MOST_TAGS:
            raise RefusalError(f"a {self.who} has at most {_MOST_TAGS} tags and these are {len(wanted)}; drop some")


def document(given: Any, what: str) -> dict[str, Any]:
    """Return a policy document in canonical form, with an account as the ARN that IAM makes of its bare number."""
    try:
        policy = canonical(given) or {}
    except (AttributeError, TypeError, ValueError) as error:
        raise RefusalError(f"{what} is no policy document; write a dictionary with Version and Statement") from error
    if not policy.get("Statement"):
        raise RefusalError(f"{what} has no Statement; write at least one")
    for statement in policy["Statement"]:
        who = statement.get("Principal")
        if isinstance(who, dict) and "AWS" in who:
            who["AWS"] = sorted(re.sub(r"^(\d{12})$", r"arn:aws:iam::\1:root", name) for name in who["AWS"])
    return policy


def text_of(policy: Mapping[str, Any]) -> str:
    """Return a document as it is sent: without white space between its parts."""
    return json.dumps(policy, separators=(",", ":"), ensure_ascii=False)


def size_of(policy: Mapping[str, Any]) -> int:
    """Return a document's size as IAM counts it: characters that are not white space."""
    return len(re.sub(r"\s", "", text_of(policy)))
