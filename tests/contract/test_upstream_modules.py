"""The contract of the amazon.aws modules that the roles keep, with the plan that the action plugin makes beside."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.contract.emulators import Emulator
from tests.contract.playing import Step, play

_NO_DEFAULT = {"ministack": "ministack 1.5.33 knows no SetDefaultPolicyVersion, with which the module repairs"}


def _document(service: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": [f"{service}:Get*"], "Resource": ["*"]}
    return {"Version": "2012-10-17", "Statement": [statement]}


@dataclass(frozen=True)
class Drift:
    """Something done behind the module's back, and the properties that its preview must name."""

    label: str
    act: Callable[[Emulator], object]
    properties: frozenset[str]
    why_not: Mapping[str, str] = field(default_factory=dict)
    """Emulators that cannot show this point, each with the reason."""


@dataclass(frozen=True)
class Kind:
    """A module with options, and what may happen to its resource."""

    module: str
    present: dict[str, Any]
    drifts: tuple[Drift, ...]
    exists: Callable[[Emulator], bool]

    def drifts_on(self, name: str) -> list[Drift]:
        """Return what this emulator can show."""
        return [drift for drift in self.drifts if name not in drift.why_not]

    @property
    def absent(self) -> dict[str, Any]:
        return {"name": self.present["name"], "state": "absent"}

    def prepare(self, aws: Emulator) -> None:
        """Empty the account, but for two roles that a profile can hold."""
        aws.reset()
        trust = {"Version": "2012-10-17", "Statement": []}
        for role in ("t-role", "t-other"):
            aws.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))


def _arn(aws: Emulator) -> str:
    return f"arn:aws:iam::{aws.account_id}:policy/t-policy"


def _add_version(aws: Emulator, *, default: bool) -> None:
    text = json.dumps(_document("s3"))
    aws.client("iam").create_policy_version(PolicyArn=_arn(aws), PolicyDocument=text, SetAsDefault=default)


def _replace_version(aws: Emulator) -> None:
    iam = aws.client("iam")
    old = iam.get_policy(PolicyArn=_arn(aws))["Policy"]["DefaultVersionId"]
    _add_version(aws, default=True)
    iam.delete_policy_version(PolicyArn=_arn(aws), VersionId=old)


def _tag_policy(aws: Emulator) -> None:
    aws.client("iam").tag_policy(PolicyArn=_arn(aws), Tags=[{"Key": "Owner", "Value": "somebody"}])


def _empty_profile(aws: Emulator) -> None:
    aws.client("iam").remove_role_from_instance_profile(InstanceProfileName="t-profile", RoleName="t-role")


def _change_role(aws: Emulator) -> None:
    _empty_profile(aws)
    aws.client("iam").add_role_to_instance_profile(InstanceProfileName="t-profile", RoleName="t-other")


def _tag_profile(aws: Emulator) -> None:
    tags = [{"Key": "Owner", "Value": "somebody"}]
    aws.client("iam").tag_instance_profile(InstanceProfileName="t-profile", Tags=tags)


KINDS = (
    Kind(
        "amazon.aws.iam_managed_policy",
        {"name": "t-policy", "policy": _document("sqs"), "only_version": True, "tags": {"Project": "tamma"}},
        (
            Drift("foreign version", lambda aws: _add_version(aws, default=False), frozenset({"only_version"})),
            Drift("other rights", _replace_version, frozenset({"policy"}), _NO_DEFAULT),
            Drift(
                "other default",
                lambda aws: _add_version(aws, default=True),
                frozenset({"policy", "only_version"}),
                _NO_DEFAULT,
            ),
            Drift("foreign tag", _tag_policy, frozenset({"tags"})),
        ),
        lambda aws: bool(aws.client("iam").list_policies(Scope="Local")["Policies"]),
    ),
    Kind(
        "amazon.aws.iam_instance_profile",
        {"name": "t-profile", "role": "t-role", "tags": {"Project": "tamma"}},
        (
            Drift("no role", _empty_profile, frozenset({"role"})),
            Drift("foreign role", _change_role, frozenset({"role"})),
            Drift("foreign tag", _tag_profile, frozenset({"tags"})),
        ),
        lambda aws: bool(aws.client("iam").list_instance_profiles()["InstanceProfiles"]),
    ),
)


def _steps(kind: Kind, aws: Emulator, seen: dict[str, bool]) -> list[Step]:
    def look(moment: str) -> Step:
        return Step(f"look {moment}", act=lambda: seen.__setitem__(moment, kind.exists(aws)))

    steps = [
        Step("prepare", act=lambda: kind.prepare(aws)),
        Step("preview", kind.module, kind.present, check=True),
        look("after preview"),
        Step("create", kind.module, kind.present),
        Step("again", kind.module, kind.present),
        Step("preview again", kind.module, kind.present, check=True),
    ]
    for drift in kind.drifts_on(aws.emulator):
        steps += [
            Step(f"do {drift.label}", act=lambda drift=drift: drift.act(aws)),
            Step(f"report {drift.label}", kind.module, kind.present, check=True),
            Step(f"repair {drift.label}", kind.module, kind.present),
            Step(f"again after {drift.label}", kind.module, kind.present),
        ]
    return [
        *steps,
        Step("preview deletion", kind.module, kind.absent, check=True),
        look("after preview of deletion"),
        Step("delete", kind.module, kind.absent),
        look("after deletion"),
        Step("delete again", kind.module, kind.absent),
    ]


def _differs(result: dict[str, Any]) -> set[str]:
    before, after = result["diff"]["before"], result["diff"]["after"]
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


@pytest.mark.parametrize("name", ["ministack", "moto"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.module)
def test_contract(kind: Kind, name: str, emulator: Callable[[str], Emulator], tmp_path: Path) -> None:
    seen: dict[str, bool] = {}
    aws = emulator(name)
    results = play(aws, _steps(kind, aws, seen), tmp_path)
    assert seen == {"after preview": False, "after preview of deletion": True, "after deletion": False}
    for label in ("preview", "create"):
        assert results[label]["action"] == "create"
        assert results[label]["diff"]["before"] == {}
        assert {*kind.present} - {"name"} <= {*results[label]["diff"]["after"]}
    for label in ("preview deletion", "delete"):
        assert results[label]["action"] == "delete"
        assert results[label]["diff"]["after"] == {}
    for label, result in results.items():
        silent = "again" in label
        assert result["changed"] is not silent, label
        assert (result["action"] == "none") is silent, label
        assert not (silent and result["api_calls"].get("write")), label
        assert not (("preview" in label or "report" in label) and result["api_calls"].get("write")), label
    for drift in kind.drifts_on(aws.emulator):
        for label in (f"report {drift.label}", f"repair {drift.label}"):
            assert _differs(results[label]) == drift.properties, label
