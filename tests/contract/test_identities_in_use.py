"""What the modules for IAM do with rights that others granted, and with roles and users that are in use."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.ansible_modules import Outcome, run_module
from tests.contract.emulators import Emulator

_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
_EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
_NORMAL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["*"], "Resource": ["*"]}]}
_ROLE = {"name": "t-role", "assume_role_policy": _TRUST, "managed_policies": [], "inline_policies": {}}
_USER = {"name": "t-user", "managed_policies": [], "inline_policies": {}, "groups": [], "login_profile": False}


@pytest.fixture(params=["ministack", "moto"])
def aws(request: pytest.FixtureRequest, emulator: Callable[[str], Emulator]) -> Emulator:
    running = emulator(request.param)
    running.reset()
    return running


def _run(aws: Emulator, module: str, options: Mapping[str, Any], *, check: bool = False) -> Outcome:
    outcome = run_module(module, options, check=check, connect=aws.recorded_client, recorder=aws.recorder)
    assert not outcome.failed, outcome.message
    return outcome


def _policy(aws: Emulator) -> str:
    text = json.dumps(_EVERYTHING)
    return str(aws.client("iam").create_policy(PolicyName="t-foreign", PolicyDocument=text)["Policy"]["Arn"])


@pytest.mark.parametrize(("module", "options"), [("iam_role", _ROLE), ("iam_user", _USER)])
def test_a_foreign_inline_policy_is_shown_with_its_document(
    aws: Emulator, module: str, options: dict[str, Any]
) -> None:
    _run(aws, module, options)
    who = module.removeprefix("iam_")
    put = getattr(aws.client("iam"), f"put_{who}_policy")
    put(**{f"{who.title()}Name": options["name"]}, PolicyName="foreign", PolicyDocument=json.dumps(_EVERYTHING))
    preview = _run(aws, module, options, check=True)
    assert preview.before["inline_policies"] == {"foreign": _NORMAL}
    assert preview.after["inline_policies"] == {}
    repair = _run(aws, module, options)
    assert repair.writes == [f"iam:Delete{who.title()}Policy"]
    assert not _run(aws, module, options).changed


def test_a_silent_run_reads_a_role_with_three_calls_and_a_user_with_five(aws: Emulator) -> None:
    for module, options, reads in (("iam_role", _ROLE, 3), ("iam_user", _USER, 5)):
        _run(aws, module, options)
        silent = _run(aws, module, options)
        assert not silent.changed
        assert len(silent.calls) == reads, silent.calls


def test_what_is_not_managed_is_not_read(aws: Emulator) -> None:
    role = {name: _ROLE[name] for name in ("name", "assume_role_policy")}
    _run(aws, "iam_role", role)
    assert _run(aws, "iam_role", role).calls == ("iam:GetRole",)
    _run(aws, "iam_user", {"name": "t-user"})
    assert _run(aws, "iam_user", {"name": "t-user"}).calls == ("iam:GetUser",)


def test_a_used_role_is_deleted_with_what_was_granted(aws: Emulator) -> None:
    iam = aws.client("iam")
    _run(aws, "iam_role", _ROLE)
    arn = _policy(aws)
    iam.attach_role_policy(RoleName="t-role", PolicyArn=arn)
    iam.put_role_policy(RoleName="t-role", PolicyName="foreign", PolicyDocument=json.dumps(_EVERYTHING))
    iam.create_instance_profile(InstanceProfileName="t-profile")
    iam.add_role_to_instance_profile(InstanceProfileName="t-profile", RoleName="t-role")
    preview = _run(aws, "iam_role", {"name": "t-role", "state": "absent"}, check=True)
    assert preview.writes == []
    assert preview.before["managed_policies"] == [arn]
    assert preview.before["inline_policies"] == {"foreign": _NORMAL}
    assert _run(aws, "iam_role", {"name": "t-role", "state": "absent"}).changed
    assert iam.list_roles()["Roles"] == []
    assert iam.get_instance_profile(InstanceProfileName="t-profile")["InstanceProfile"]["Roles"] == []


def test_a_used_user_is_deleted_with_its_credentials_and_grants(aws: Emulator) -> None:
    iam = aws.client("iam")
    _run(aws, "iam_user", _USER)
    arn = _policy(aws)
    iam.attach_user_policy(UserName="t-user", PolicyArn=arn)
    iam.put_user_policy(UserName="t-user", PolicyName="foreign", PolicyDocument=json.dumps(_EVERYTHING))
    iam.create_group(GroupName="t-admins")
    iam.add_user_to_group(GroupName="t-admins", UserName="t-user")
    iam.create_login_profile(UserName="t-user", Password="Foreign-Pass-1")
    iam.create_access_key(UserName="t-user")
    serial = iam.create_virtual_mfa_device(VirtualMFADeviceName="t-user")["VirtualMFADevice"]["SerialNumber"]
    iam.enable_mfa_device(
        UserName="t-user", SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="654321"
    )
    preview = _run(aws, "iam_user", {"name": "t-user", "state": "absent"}, check=True)
    assert preview.writes == []
    assert preview.before["groups"] == ["t-admins"]
    assert preview.before["login_profile"] is True
    assert _run(aws, "iam_user", {"name": "t-user", "state": "absent"}).changed
    assert iam.list_users()["Users"] == []
    assert iam.get_group(GroupName="t-admins")["Users"] == []
    assert iam.list_virtual_mfa_devices(AssignmentStatus="Any")["VirtualMFADevices"] == []
    iam.create_user(UserName="t-user")  # a user of the same name inherits nothing
    assert iam.list_access_keys(UserName="t-user")["AccessKeyMetadata"] == []
    assert iam.list_user_policies(UserName="t-user")["PolicyNames"] == []
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_login_profile(UserName="t-user")


@pytest.mark.parametrize(("module", "options"), [("iam_role", _ROLE), ("iam_user", _USER)])
def test_a_policy_that_does_not_exist_is_named(
    emulator: Callable[[str], Emulator], module: str, options: dict[str, Any]
) -> None:
    aws = emulator("moto")  # ministack attaches policies that do not exist
    aws.reset()
    missing = f"arn:aws:iam::{aws.account_id}:policy/t-missing"
    wanted = {**options, "managed_policies": [missing]}
    outcome = run_module(module, wanted, connect=aws.recorded_client, recorder=aws.recorder)
    assert outcome.failed
    assert f"the policy {missing} does not exist or cannot be attached; create it first" in outcome.message
    text = json.dumps(_EVERYTHING)
    aws.client("iam").create_policy(PolicyName="t-missing", PolicyDocument=text)
    assert _run(aws, module, wanted).writes == [f"iam:Attach{module.removeprefix('iam_').title()}Policy"]
    assert not _run(aws, module, wanted).changed
