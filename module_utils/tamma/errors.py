"""Failures a person can act on."""

from __future__ import annotations

from botocore.exceptions import ClientError


class RefusalError(Exception):
    """The request is refused before anything is written; the message says why and what to do next."""


def code_of(error: ClientError) -> str:
    """Return the error code of AWS, for example `ResourceNotFoundException`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_code(error: Exception, *codes: str) -> bool:
    """Tell whether AWS answered with one of these error codes."""
    return isinstance(error, ClientError) and code_of(error) in codes
