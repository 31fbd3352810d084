"""Failures a person can act on."""

from __future__ import annotations

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

_GRANT = "grant the missing permission to the deploying identity, or use another profile"
_SIGN_IN = "sign in again and re-run"
_CHECK_KEYS = "check AWS_PROFILE or the AWS_* variables of your shell"
_SLOW_DOWN = "wait a minute and re-run: what was done is kept"
_CHECK_ENDPOINT = "check the network and AWS_ENDPOINT_URL (the embedded cloud is started with `make up`) and re-run"

_STEPS_BY_CODE = {
    "AccessDenied": _GRANT,
    "AccessDeniedException": _GRANT,
    "AuthorizationError": _GRANT,
    "UnauthorizedOperation": _GRANT,
    "ExpiredToken": _SIGN_IN,
    "ExpiredTokenException": _SIGN_IN,
    "RequestExpired": _SIGN_IN,
    "AuthFailure": _CHECK_KEYS,
    "InvalidClientTokenId": _CHECK_KEYS,
    "SignatureDoesNotMatch": _CHECK_KEYS,
    "UnrecognizedClientException": _CHECK_KEYS,
    "RequestLimitExceeded": _SLOW_DOWN,
    "Throttling": _SLOW_DOWN,
    "ThrottlingException": _SLOW_DOWN,
    "TooManyRequestsException": _SLOW_DOWN,
}
_STEPS_BY_CLASS: tuple[tuple[type[BotoCoreError], str], ...] = (
    (exceptions.NoCredentialsError, "set AWS_PROFILE or sign in, and re-run"),
    (exceptions.PartialCredentialsError, _CHECK_KEYS),
    (exceptions.ProfileNotFound, _CHECK_KEYS),
    (exceptions.TokenRetrievalError, _SIGN_IN),
    (exceptions.UnauthorizedSSOTokenError, _SIGN_IN),
    (exceptions.SSOTokenLoadError, _SIGN_IN),
    (exceptions.CredentialRetrievalError, _SIGN_IN),
    (exceptions.NoRegionError, "set naming_region in the inventory and re-run"),
    (exceptions.ConnectionError, _CHECK_ENDPOINT),
    (exceptions.HTTPClientError, _CHECK_ENDPOINT),
)


class RefusalError(Exception):
    """The request is refused before anything is written; the message says why and what to do next."""


def code_of(error: ClientError) -> str:
    """Return the error code of AWS, for example `ResourceNotFoundException`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_code(error: Exception, *codes: str) -> bool:
    """Tell whether AWS answered with one of these error codes."""
    return isinstance(error, ClientError) and code_of(error) in codes


def next_step(error: Exception | str) -> str:
    """Return what a person can do about an error or an error code of AWS; nothing when that depends on the resource."""
    if isinstance(error, str):
        return _STEPS_BY_CODE.get(error, "")
    if isinstance(error, ClientError):
        return _STEPS_BY_CODE.get(code_of(error), "")
    return next((step for kind, step in _STEPS_BY_CLASS if isinstance(error, kind)), "")


def sentence(what: str, error: Exception) -> str:
    """Say in one sentence what failed, why, and what to do next."""
    text = str(error)
    if isinstance(error, ClientError):
        detail = error.response.get("Error", {}).get("Message") or "no reason given"
        text = f"{error.operation_name} was refused with {code_of(error)}: {detail}"
    parts = [" ".join(text.split()).rstrip("."), next_step(error)]
    return f"{what}: {'; '.join(part for part in parts if part)}."
