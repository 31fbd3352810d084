"""The contract of library/iam_role.py; the accounts of the emulators differ, and ARNs of policies name them."""

import json
from typing import Any

from tests.contract.case import Aws, Case, Drift, Refusal

NAME = "t-dispatcher"


def _trust(**principal: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _rights(*actions: str) -> dict[str, Any]:
    statement = {"Sid": "x", "Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _policies(aws: Aws) -> None:
    for name in ("t-one", "t-two", "t-foreign"):
        aws.client("iam").create_policy(PolicyName=name, PolicyDocument=json.dumps(_rights("sqs:SendMessage")))


def _act(operation: str, **arguments: Any) -> Any:
    return lambda aws: getattr(aws.client("iam"), operation)(RoleName=NAME, **arguments)


def _foreign_tags(aws: Aws) -> None:
    aws.client("iam").untag_role(RoleName=NAME, TagKeys=["environment"])
    aws.client("iam").tag_role(RoleName=NAME, Tags=[{"Key": "Owner", "Value": "somebody"}])


def _drifts(account: str) -> list[Drift]:
    foreign, everything = json.dumps(_trust(AWS="arn:aws:iam::999999999999:root")), json.dumps(_rights("*"))
    arn = f"arn:aws:iam::{account}:policy"
    return [
        Drift("inline_policies", _act("put_role_policy", PolicyName="foreign", PolicyDocument=everything), "foreign"),
        Drift("inline_policies", _act("put_role_policy", PolicyName="own", PolicyDocument=everything), "widened"),
        Drift("inline_policies", _act("delete_role_policy", PolicyName="own"), "deleted"),
        Drift("managed_policies", _act("attach_role_policy", PolicyArn=f"{arn}/t-foreign"), "foreign"),
        Drift("managed_policies", _act("detach_role_policy", PolicyArn=f"{arn}/t-one"), "detached"),
        Drift("assume_role_policy", _act("update_assume_role_policy", PolicyDocument=foreign), "to another account"),
        Drift("permissions_boundary", _act("delete_role_permissions_boundary"), "removed"),
        Drift("description", _act("update_role", Description="Other", MaxSessionDuration=7200)),
        Drift("max_session_duration", _act("update_role", Description="Starts tasks", MaxSessionDuration=43200)),
        Drift("tags", _foreign_tags),
    ]


def _case(emulator: str, account: str, other: str) -> Case:
    arn = f"arn:aws:iam::{account}:policy"
    return Case(
        module="iam_role",
        label=f"iam_role-in-{account}",
        emulators=(emulator,),
        why_not={other: "it has the case with its own account"},
        parents=_policies,
        present={
            "name": NAME,
            "path": "/service/",
            "description": "Starts tasks",
            "assume_role_policy": _trust(Service="lambda.amazonaws.com"),
            "managed_policies": [f"{arn}/t-two", f"{arn}/t-one"],
            "inline_policies": {"own": _rights("sqs:SendMessage", "sqs:ReceiveMessage")},
            "max_session_duration": 7200,
            "permissions_boundary": f"{arn}/t-one",
            "tags": {"environment": "test", "part": "identity"},
        },
        changed={
            # ministack 1.5.33 takes an empty parameter for one that is not given.
            "description": "Other" if emulator == "ministack" else "",
            "assume_role_policy": _trust(AWS="111122223333"),
            "managed_policies": [],
            "inline_policies": {},
            "max_session_duration": 3600,
            "permissions_boundary": "",
            "tags": {"environment": "other"},
        },
        drift=_drifts(account),
        refused=_REFUSED,
    )


_ARN = "arn:aws:iam::aws:policy/p"
_LONG = _rights(*(f"sqs:Action{at:04}" for at in range(700)))
_REFUSED = [
    Refusal({"name": "a role"}, "1-64 of", "name"),
    Refusal({"path": "/other/"}, "run with state: absent first", "path moved"),
    Refusal({"path": "service"}, "write it like /service/", "path without slashes"),
    Refusal({"description": "an em dash \u2014"}, "Latin-1", "description"),
    Refusal({"managed_policies": ["ReadOnlyAccess"]}, "not the ARN of a policy", "no ARN"),
    Refusal({"permissions_boundary": "ReadOnlyAccess"}, "not the ARN of a policy", "boundary is no ARN"),
    Refusal({"managed_policies": [f"{_ARN}{at}" for at in range(11)]}, "at most 10", "eleven policies"),
    Refusal({"inline_policies": {"a b": _rights("*")}}, "is no name", "name of an inline policy"),
    Refusal({"inline_policies": {"a": "{"}}, "is no policy document", "inline policy is no document"),
    Refusal({"inline_policies": {"a": {"Version": "2012-10-17"}}}, "has no Statement", "no statement"),
    Refusal({"inline_policies": {"a": _trust(AWS="*")}}, "has a Principal", "inline policy with a principal"),
    Refusal({"inline_policies": {"a": _LONG}}, "10240 characters", "inline policies too long"),
    Refusal({"assume_role_policy": _rights("sts:AssumeRole")}, "has no Principal", "trust without a principal"),
    Refusal(
        {"assume_role_policy": {"Statement": [{**_trust(AWS="*")["Statement"][0], "Resource": "*"}]}},
        "has a Resource",
        "trust with a resource",
    ),
    Refusal({"assume_role_policy": _trust(AWS="x" * 2048)}, "2048 characters", "trust too long"),
    Refusal({"max_session_duration": 60}, "3600 to 43200", "session"),
    Refusal({"tags": {"Part": "a", "part": "b"}}, "upper and lower case", "tags of one name"),
    Refusal({"tags": {str(at): "x" for at in range(51)}}, "at most 50 tags", "too many tags"),
]

CASES = [_case("ministack", "000000000000", "moto"), _case("moto", "123456789012", "ministack")]
