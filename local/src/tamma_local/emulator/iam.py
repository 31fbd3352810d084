# ruff: noqa: SLF001 - ministack has no public names for any of this; contract.py checks the private ones.
"""The calls of IAM that ministack lacks and that the modules for policies and users make."""

from collections.abc import Callable, Mapping
from typing import Any

from tamma_local.emulator.contract import Ministack

Answer = tuple[int, dict[str, str], bytes]
Handler = Callable[[Mapping[str, Any]], Answer]

# Action → the element that holds what is listed. Nobody can create any of it here, so there is never anything.
_EMPTY_LISTS = {
    "ListSSHPublicKeys": "SSHPublicKeys",
    "ListServiceSpecificCredentials": "ServiceSpecificCredentials",
    "ListSigningCertificates": "Certificates",
}


def handlers(ministack: Ministack) -> dict[str, Handler]:
    """Return the handlers to add, by action; what ministack knows itself is left to it."""
    ours = {action: _empty_list(ministack, action, element) for action, element in _EMPTY_LISTS.items()}
    ours["SetDefaultPolicyVersion"] = _set_default_policy_version(ministack)
    return {action: handler for action, handler in ours.items() if action not in ministack.iam._IAM_HANDLERS}


def _empty_list(ministack: Ministack, action: str, element: str) -> Handler:
    def handler(_request: Mapping[str, Any]) -> Answer:
        inner = f"<{action}Result><{element}/><IsTruncated>false</IsTruncated></{action}Result>"
        answer: Answer = ministack.iam._xml(200, f"{action}Response", inner)
        return answer

    return handler


def _set_default_policy_version(ministack: Ministack) -> Handler:
    iam = ministack.iam

    def handler(request: Mapping[str, Any]) -> Answer:
        policy = iam._policies.get(iam._p(request, "PolicyArn"))
        version_id = iam._p(request, "VersionId")
        if not policy or version_id not in policy["Versions"]:
            missing: Answer = iam._error(404, "NoSuchEntity", f"Policy version {version_id} not found.")
            return missing
        for version in policy["Versions"].values():
            version["IsDefaultVersion"] = version["VersionId"] == version_id
        policy["DefaultVersionId"] = version_id
        done: Answer = iam._xml(200, "SetDefaultPolicyVersionResponse", "")
        return done

    return handler
