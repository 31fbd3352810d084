"""What no emulator shows of the modules for IAM: its copies that disagree for a while, and credentials of all kinds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.modules.stubbed_aws import StubbedAws

POLICY = "arn:aws:iam::123456789012:policy/p"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture
def aws() -> StubbedAws:
    return StubbedAws()


def _role(**other: Any) -> dict[str, Any]:
    role = {
        "RoleName": "r",
        "Arn": "arn:aws:iam::123456789012:role/r",
        "Path": "/",
        "RoleId": "AROAEXAMPLEEXAMPLE",
        "CreateDate": "2026-01-01",
        "AssumeRolePolicyDocument": json.dumps(TRUST),
        "MaxSessionDuration": 7200,
        **other,
    }
    return {"Role": role}


def _user() -> dict[str, Any]:
    arn = "arn:aws:iam::123456789012:user/u"
    user = {"UserName": "u", "Arn": arn, "Path": "/", "UserId": "AIDAEXAMPLEEXAMPLE", "CreateDate": "2026-01-01"}
    return {"User": user}


def _no_user_grants(aws: StubbedAws) -> None:
    aws.answers("iam", "list_attached_user_policies", {"AttachedPolicies": []})
    aws.answers("iam", "list_user_policies", {"PolicyNames": []})
    aws.answers("iam", "list_groups_for_user", {"Groups": []})


def test_clearing_the_description_keeps_the_length_of_sessions(aws: StubbedAws) -> None:
    aws.answers("iam", "get_role", _role(Description="Starts tasks"))
    aws.answers("iam", "update_role", {}, RoleName="r", Description="", MaxSessionDuration=7200)
    aws.answers("iam", "get_role", _role())
    outcome = aws.run("iam_role", {"name": "r", "assume_role_policy": TRUST, "description": ""})
    assert outcome.changed, outcome.message
    assert outcome.resource["description"] == ""


def test_a_change_that_meets_another_one_is_repeated(aws: StubbedAws) -> None:
    options = {"name": "r", "assume_role_policy": TRUST, "managed_policies": [POLICY]}
    aws.answers("iam", "get_role", _role())
    aws.answers("iam", "list_attached_role_policies", {"AttachedPolicies": []})
    aws.refuses("iam", "attach_role_policy", "ConcurrentModification", "busy")
    aws.answers("iam", "attach_role_policy", {}, RoleName="r", PolicyArn=POLICY)
    aws.answers("iam", "get_role", _role())
    attached = {"AttachedPolicies": [{"PolicyName": "p", "PolicyArn": POLICY}]}
    aws.answers("iam", "list_attached_role_policies", attached)
    assert aws.run("iam_role", options).changed


def test_what_somebody_else_took_away_meanwhile_is_well(aws: StubbedAws) -> None:
    attached = {"AttachedPolicies": [{"PolicyName": "p", "PolicyArn": POLICY}]}
    aws.answers("iam", "get_role", _role())
    aws.answers("iam", "list_attached_role_policies", attached)
    aws.refuses("iam", "detach_role_policy", "NoSuchEntity", f"Policy {POLICY} was not found.")
    aws.answers("iam", "get_role", _role())
    aws.answers("iam", "list_attached_role_policies", {"AttachedPolicies": []})
    outcome = aws.run("iam_role", {"name": "r", "assume_role_policy": TRUST, "managed_policies": []})
    assert outcome.changed, outcome.message


def test_a_boundary_that_does_not_exist_is_named(aws: StubbedAws) -> None:
    aws.refuses("iam", "get_role", "NoSuchEntity", "The role with name r cannot be found.")
    message = f"Scope ARN: {POLICY} does not exist or is not attachable."
    aws.refuses("iam", "create_role", "NoSuchEntity", message)
    outcome = aws.run("iam_role", {"name": "r", "assume_role_policy": TRUST, "permissions_boundary": POLICY})
    assert outcome.failed
    assert outcome.message == (
        f"IAM role r: the policy {POLICY} does not exist or cannot be attached; create it first, or correct the ARN."
    )


def test_a_trusted_account_may_be_written_as_its_number(aws: StubbedAws) -> None:
    arn, number = (
        {"Version": "2012-10-17", "Statement": [{**TRUST["Statement"][0], "Principal": {"AWS": who}}]}
        for who in ("arn:aws:iam::111122223333:root", "111122223333")
    )
    aws.answers("iam", "get_role", _role(AssumeRolePolicyDocument=json.dumps(arn)))
    outcome = aws.run("iam_role", {"name": "r", "assume_role_policy": number})
    assert not outcome.failed, outcome.message
    assert not outcome.changed


def test_a_role_that_seems_used_for_a_moment_is_deleted_all_the_same(aws: StubbedAws) -> None:
    aws.answers("iam", "get_role", _role())
    aws.answers("iam", "list_attached_role_policies", {"AttachedPolicies": []})
    aws.answers("iam", "list_role_policies", {"PolicyNames": []})
    aws.answers("iam", "list_instance_profiles_for_role", {"InstanceProfiles": []}, RoleName="r")
    aws.refuses("iam", "delete_role", "DeleteConflict", "must remove roles from instance profile first")
    aws.answers("iam", "delete_role", {}, RoleName="r")
    aws.refuses("iam", "get_role", "NoSuchEntity")
    outcome = aws.run("iam_role", {"name": "r", "state": "absent"})
    assert outcome.changed, outcome.message


def test_every_kind_of_credential_goes_before_the_user(aws: StubbedAws) -> None:
    aws.answers("iam", "get_user", _user())
    aws.answers("iam", "list_access_keys", {"AccessKeyMetadata": [{"AccessKeyId": "AKIAEXAMPLEEXAMPLE12"}]})
    _no_user_grants(aws)
    aws.answers("iam", "get_login_profile", {"LoginProfile": {"UserName": "u", "CreateDate": "2026-01-01"}})
    aws.refuses("iam", "delete_login_profile", "EntityTemporarilyUnmodifiable", "just set")
    aws.answers("iam", "delete_login_profile", {}, UserName="u")
    key, serial = "AKIAEXAMPLEEXAMPLE12", "arn:aws:iam::123456789012:mfa/phone"
    certificate, public_key, password = "CERTEXAMPLEEXAMPLEEXAMPLE", "APKAEXAMPLEEXAMPLE12", "ACCAEXAMPLEEXAMPLE12"
    aws.answers("iam", "list_access_keys", {"AccessKeyMetadata": [{"AccessKeyId": key}]})
    aws.answers("iam", "delete_access_key", {}, UserName="u", AccessKeyId=key)
    found: dict[str, Any] = {"UserName": "u", "CertificateId": certificate, "CertificateBody": "x", "Status": "Active"}
    aws.answers("iam", "list_signing_certificates", {"Certificates": [found]})
    aws.answers("iam", "delete_signing_certificate", {}, UserName="u", CertificateId=certificate)
    found = {"UserName": "u", "SSHPublicKeyId": public_key, "Status": "Active", "UploadDate": "2026-01-01"}
    aws.answers("iam", "list_ssh_public_keys", {"SSHPublicKeys": [found]})
    aws.answers("iam", "delete_ssh_public_key", {}, UserName="u", SSHPublicKeyId=public_key)
    found = {"UserName": "u", "ServiceSpecificCredentialId": password, "ServiceName": "s", "ServiceUserName": "u-at-1"}
    found |= {"Status": "Active", "CreateDate": "2026-01-01"}
    aws.answers("iam", "list_service_specific_credentials", {"ServiceSpecificCredentials": [found]})
    aws.answers("iam", "delete_service_specific_credential", {}, UserName="u", ServiceSpecificCredentialId=password)
    devices = [
        {"UserName": "u", "SerialNumber": serial, "EnableDate": "2026-01-01"},
        {"UserName": "u", "SerialNumber": "GAHT12345678", "EnableDate": "2026-01-01"},
    ]
    aws.answers("iam", "list_mfa_devices", {"MFADevices": devices})
    aws.answers("iam", "deactivate_mfa_device", {}, UserName="u", SerialNumber=serial)
    aws.answers("iam", "delete_virtual_mfa_device", {}, SerialNumber=serial)
    aws.answers("iam", "deactivate_mfa_device", {}, UserName="u", SerialNumber="GAHT12345678")
    aws.answers("iam", "delete_user", {}, UserName="u")
    aws.refuses("iam", "get_user", "NoSuchEntity")
    outcome = aws.run("iam_user", {"name": "u", "state": "absent"})
    assert outcome.changed, outcome.message


def test_a_group_that_does_not_exist_is_named(aws: StubbedAws) -> None:
    aws.answers("iam", "get_user", _user())
    aws.answers("iam", "list_groups_for_user", {"Groups": []})
    aws.refuses("iam", "add_user_to_group", "NoSuchEntity", "The group with name g cannot be found.")
    outcome = aws.run("iam_user", {"name": "u", "groups": ["g"]})
    assert outcome.failed
    assert "there is no group g; create it first" in outcome.message


def test_a_list_that_may_not_be_read_stops_the_deletion(aws: StubbedAws) -> None:
    aws.answers("iam", "get_user", _user())
    aws.refuses("iam", "list_access_keys", "AccessDenied", "not authorized")
    outcome = aws.run("iam_user", {"name": "u", "state": "absent"})
    assert outcome.failed
    assert "grant the missing permission" in outcome.message
