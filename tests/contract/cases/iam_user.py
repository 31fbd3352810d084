"""The contract of library/iam_user.py; the accounts of the emulators differ, and ARNs of policies name them."""

import json
from typing import Any

from tests.contract.case import Aws, Case, Drift, Refusal

NAME = "t-presign"


def _rights(*actions: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _parents(aws: Aws) -> None:
    for name in ("t-one", "t-foreign"):
        aws.client("iam").create_policy(PolicyName=name, PolicyDocument=json.dumps(_rights("sqs:SendMessage")))
    for name in ("t-senders", "t-admins"):
        aws.client("iam").create_group(GroupName=name)


def _act(operation: str, **arguments: Any) -> Any:
    return lambda aws: getattr(aws.client("iam"), operation)(UserName=NAME, **arguments)


def _foreign_tags(aws: Aws) -> None:
    aws.client("iam").untag_user(UserName=NAME, TagKeys=["environment"])
    aws.client("iam").tag_user(UserName=NAME, Tags=[{"Key": "Owner", "Value": "somebody"}])


def _drifts(account: str) -> list[Drift]:
    arn, everything = f"arn:aws:iam::{account}:policy", json.dumps(_rights("*"))
    return [
        Drift("inline_policies", _act("put_user_policy", PolicyName="foreign", PolicyDocument=everything)),
        Drift("managed_policies", _act("attach_user_policy", PolicyArn=f"{arn}/t-foreign"), "foreign"),
        Drift("managed_policies", _act("detach_user_policy", PolicyArn=f"{arn}/t-one"), "detached"),
        Drift("groups", _act("add_user_to_group", GroupName="t-admins"), "foreign"),
        Drift("groups", _act("remove_user_from_group", GroupName="t-senders"), "taken out"),
        Drift("login_profile", _act("create_login_profile", Password="Foreign-Pass-1")),
        Drift("permissions_boundary", _act("delete_user_permissions_boundary"), "removed"),
        Drift("tags", _foreign_tags),
    ]


def _case(emulator: str, account: str, other: str) -> Case:
    arn = f"arn:aws:iam::{account}:policy"
    return Case(
        module="iam_user",
        label=f"iam_user-in-{account}",
        emulators=(emulator,),
        why_not={
            other: "it has the case with its own account",
            "permissions_boundary@moto": "moto 5.2.5 knows no boundary of users",
        },
        parents=_parents,
        present={
            "name": NAME,
            "managed_policies": [f"{arn}/t-one"],
            "inline_policies": {},
            "permissions_boundary": f"{arn}/t-one",
            "groups": ["t-senders"],
            "login_profile": False,
            "tags": {"environment": "test", "part": "identity"},
        },
        changed={
            "managed_policies": [],
            "inline_policies": {"own": _rights("s3:PutObject", "s3:GetObject")},
            "permissions_boundary": "",
            "groups": ["t-admins"],
            "tags": {},
        },
        drift=_drifts(account),
        refused=_REFUSED,
    )


_REFUSED = [
    Refusal({"name": "somebody else"}, "1-64 of", "name"),
    Refusal({"managed_policies": ["ReadOnlyAccess"]}, "not the ARN of a policy", "no ARN"),
    Refusal({"groups": ["a b"]}, "is not 1-128 of", "name of a group"),
    Refusal({"groups": [f"g{at}" for at in range(11)]}, "at most 10 groups", "eleven groups"),
    Refusal({"login_profile": True}, "keeps none of", "password"),
    Refusal(
        {"inline_policies": {"a": _rights(*(f"sqs:Action{at:04}" for at in range(150)))}},
        "2048 characters",
        "inline policies too long",
    ),
]

CASES = [_case("ministack", "000000000000", "moto"), _case("moto", "123456789012", "ministack")]
