"""Failures a person can act on."""

from __future__ import annotations

import re

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

_GRANT = "grant the missing permission to the deploying identity, or use another profile"
_SIGN_IN = "sign in again and re-run"
_CHECK_KEYS = "check AWS_PROFILE or the AWS_* variables of your shell"
_SLOW_DOWN = "wait a minute and re-run: what was done is kept"
_CHECK_ENDPOINT = (
    "check the network, naming_region and AWS_ENDPOINT_URL (the embedded cloud is started with `make up`) and re-run"
)
_RAISE_QUOTA = "ask AWS for a higher quota (Service Quotas in the console), or delete what is not needed, and re-run"
_TRY_LATER = "AWS has trouble of its own: wait a minute and re-run, what was done is kept"
_CORRECT = "correct that and re-run: what was done is kept"
_QUOTAS = ("LimitExceeded", "LimitExceededException", "QuotaExceeded", "QuotaExceededException", "TooManyBuckets")
_FIRST_SERVER_ERROR = 500

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
    "SlowDown": _SLOW_DOWN,
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
    (exceptions.InvalidRegionError, "correct naming_region in the inventory and re-run"),
    (exceptions.ConnectionError, _CHECK_ENDPOINT),
    (exceptions.HTTPClientError, _CHECK_ENDPOINT),
    (exceptions.ParamValidationError, _CORRECT),
    (exceptions.WaiterError, "look at it in the console and re-run"),
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
    """Return what a person can do about an error or an error code of AWS; nothing when the error says it itself."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        otherwise = _TRY_LATER if status >= _FIRST_SERVER_ERROR else _CORRECT
        return next_step(code_of(error)) or otherwise
    if isinstance(error, str):
        return _STEPS_BY_CODE.get(error, _RAISE_QUOTA if error.endswith(_QUOTAS) else "")
    return next((step for kind, step in _STEPS_BY_CLASS if isinstance(error, kind)), "")


def sentence(what: str, error: Exception) -> str:
    """Say in one sentence what failed, why, and what to do next."""
    text = str(error)
    if isinstance(error, ClientError):
        detail = error.response.get("Error", {}).get("Message") or "no reason given"
        text = f"{error.operation_name} was refused with {code_of(error)}: {detail}"
    return _joined(what, text, next_step(error))


def sentence_of(what: str, text: str) -> str:
    """Say in one sentence what failed, from the words of botocore that a module of others passed on."""
    code = re.search(r"An error occurred \((\w+)\)", text)
    return _joined(what, text, (next_step(code[1]) if code else "") or _CORRECT)


def _joined(what: str, reason: str, step: str) -> str:
    parts = [" ".join(reason.split()).rstrip("."), step]
    return f"{' '.join(what.split())}: {'; '.join(part for part in parts if part)}."
