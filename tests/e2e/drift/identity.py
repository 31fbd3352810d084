"""Roles, policies and the user, changed by somebody else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.e2e.drift.mutation import PROJECT, Account, Mutation

TASK, EXECUTION = f"{PROJECT}-audio-clean-task-role", f"{PROJECT}-ecs-task-execution-role"
DISPATCHER, RECONCILER = f"{PROJECT}-dispatcher-role", f"{PROJECT}-reconciler-role"
GPU, PROFILE, USER = f"{PROJECT}-gpu-instance-role", f"{PROJECT}-gpu-instance-profile", "tamma-presign"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
_ALLOW_ALL = {"Version": "2012-10-17", "Statement": [_ALL]}
_ALL_READ = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["*"], "Resource": ["*"]}]}

Act = Callable[[Account], object]


def iam(operation: str, **arguments: Any) -> Act:
    return lambda aws: getattr(aws("iam"), operation)(**arguments)


def policy(aws: Account, name: str) -> str:
    return f"arn:aws:iam::{aws.id}:policy/{PROJECT}-{name}"


def _trust(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    stranger = {"Sid": "Stranger", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement, stranger]})


def _new_version(aws: Account, name: str, *, default: bool) -> None:
    aws("iam").create_policy_version(
        PolicyArn=policy(aws, name), PolicyDocument=json.dumps(_ALLOW_ALL), SetAsDefault=default
    )


def _join(aws: Account) -> None:
    aws("iam").create_group(GroupName="admins")
    aws("iam").add_user_to_group(GroupName="admins", UserName=USER)


def _other_profile_role(aws: Account) -> None:
    aws("iam").remove_role_from_instance_profile(InstanceProfileName=PROFILE, RoleName=GPU)
    aws("iam").add_role_to_instance_profile(InstanceProfileName=PROFILE, RoleName=TASK)


def _tag_policy(aws: Account) -> None:
    aws("iam").untag_policy(PolicyArn=policy(aws, "presign"), TagKeys=["Project"])


MUTATIONS = {
    "role with a foreign inline policy": Mutation(
        iam("put_role_policy", RoleName=TASK, PolicyName="more", PolicyDocument=json.dumps(_ALLOW_ALL)),
        *("IAM role", TASK, "inline_policies.more", _ALL_READ, None),
    ),
    "role with a foreign policy": Mutation(
        iam("attach_role_policy", RoleName=EXECUTION, PolicyArn=ADMIN),
        *("IAM role", EXECUTION, "managed_policies"),
        [f"arn:aws:iam::{{account}}:policy/{PROJECT}-execution", ADMIN],
        [f"arn:aws:iam::{{account}}:policy/{PROJECT}-execution"],
    ),
    "role without its policy": Mutation(
        lambda aws: aws("iam").detach_role_policy(RoleName=RECONCILER, PolicyArn=policy(aws, "reconciler")),
        *("IAM role", RECONCILER, "managed_policies", [], [f"arn:aws:iam::{{account}}:policy/{PROJECT}-reconciler"]),
    ),
    "role for everybody": Mutation(
        iam("update_assume_role_policy", RoleName=DISPATCHER, PolicyDocument=_trust("lambda.amazonaws.com")),
        *("IAM role", DISPATCHER, "assume_role_policy.Statement[Stranger]"),
        {"Sid": "Stranger", "Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["sts:AssumeRole"]},
        None,
    ),
    "role with a boundary": Mutation(
        iam("put_role_permissions_boundary", RoleName=TASK, PermissionsBoundary=ADMIN),
        *("IAM role", TASK, "permissions_boundary", ADMIN, ""),
    ),
    "role for half a day": Mutation(
        iam("update_role", RoleName=TASK, Description="What the worker may do", MaxSessionDuration=43_200),
        *("IAM role", TASK, "max_session_duration", 43_200, 3600),
    ),
    "role described in another way": Mutation(
        iam("update_role", RoleName=GPU, Description="x", MaxSessionDuration=3600),
        *("IAM role", GPU, "description", "x", "Lets GPU instances join the cluster"),
    ),
    "role with a foreign tag": Mutation(
        iam("tag_role", RoleName=GPU, Tags=[{"Key": "Owner", "Value": "x"}]), "IAM role", GPU, "tags.Owner", "x", None
    ),
    "policy that allows all": Mutation(
        lambda aws: _new_version(aws, "presign", default=True),
        *("IAM policy", f"{PROJECT}-presign", "only_version", ["v1"], True),
        also=(("policy.Statement[0]", {"Effect": "Allow", "Action": ["*"], "Resource": ["*"]}, None),),
        elsewhere=(("IAM policy", f"{PROJECT}-presign", "policy.Statement["),),
    ),
    "policy with a spare version": Mutation(
        lambda aws: _new_version(aws, "task", default=False),
        *("IAM policy", f"{PROJECT}-task", "only_version", ["v2"], True),
    ),
    "policy without a tag": Mutation(_tag_policy, "IAM policy", f"{PROJECT}-presign", "tags.Project", None, "tamma"),
    "instance profile with another role": Mutation(
        _other_profile_role, "IAM instance profile", PROFILE, "role", TASK, GPU
    ),
    "user with a foreign inline policy": Mutation(
        iam("put_user_policy", UserName=USER, PolicyName="more", PolicyDocument=json.dumps(_ALLOW_ALL)),
        *("IAM user", USER, "inline_policies.more", _ALL_READ, None),
    ),
    "user with a foreign policy": Mutation(
        iam("attach_user_policy", UserName=USER, PolicyArn=ADMIN),
        *("IAM user", USER, "managed_policies"),
        [f"arn:aws:iam::{{account}}:policy/{PROJECT}-presign", ADMIN],
        [f"arn:aws:iam::{{account}}:policy/{PROJECT}-presign"],
    ),
    "user in a group": Mutation(_join, "IAM user", USER, "groups", ["admins"], []),
    "user with a password": Mutation(
        iam("create_login_profile", UserName=USER, Password="Aa1!aaaaaaaaaaaa"),
        *("IAM user", USER, "login_profile", True, False),
    ),
    "user with a boundary": Mutation(
        iam("put_user_permissions_boundary", UserName=USER, PermissionsBoundary=ADMIN),
        *("IAM user", USER, "permissions_boundary", ADMIN, ""),
    ),
    "user with another tag": Mutation(
        iam("tag_user", UserName=USER, Tags=[{"Key": "Environment", "Value": "prod"}]),
        *("IAM user", USER, "tags.Environment", "prod", "dev"),
    ),
}
