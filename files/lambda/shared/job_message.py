"""The message of a job: what the front end, the reconciler and redrive send to the jobs queue.

``parse`` accepts exactly what docs/architecture.md promises and says in one sentence why it does not accept the rest.
The bounds are those of the constraints on ``public.jobs``, so that the database never refuses what was accepted here.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

# A valid message has less than 3 KB; what is far above was not meant for us and is not worth decoding.
MAX_BODY_BYTES = 16_384
MAX_KEY_BYTES = 1024  # the limit of S3
MAX_DEDUPLICATION_ID = 128  # the limit of SQS
MAX_ATTEMPT = 2**31 - 1  # the column is a 4-byte integer
MAX_OVERRIDES_BYTES = 1000  # RunTask takes 8 KB of overrides in all; a preset has a dozen fields
LARGEST_OVERRIDE = 1_000_000  # no field of a preset comes near

JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
PRESET = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
WORD = PRESET  # names of a preset's fields, and of formats
AUDIO, VIDEO = "audio-clean", "video"
PIPELINES = (AUDIO, VIDEO)
VIDEO_EXTENSIONS = frozenset(
    {
        "3g2",
        "3gp",
        "avi",
        "flv",
        "m2ts",
        "m4v",
        "mkv",
        "mov",
        "mp4",
        "mpeg",
        "mpg",
        "mts",
        "mxf",
        "ogv",
        "ts",
        "webm",
        "wmv",
    },
)
# Embeddings, overrides and isolates make a key read differently from what it is; joiners and marks are ordinary text.
BIDIRECTIONAL_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Control characters, lone surrogates, line and paragraph separators.
FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


class MalformedMessageError(Exception):
    """The body can never become a job; the message is the sentence for whoever looks at the dead-letter queue."""


@dataclass(frozen=True)
class JobMessage:
    """One attempt of one job, as its message says it."""

    job_id: str
    s3_key: str
    pipeline: str
    preset: str | None = None
    attempt: int = 1
    overrides: str | None = None
    """Fields of the preset that are changed, as canonical JSON: an object of numbers, booleans and lists of words."""

    def body(self) -> str:
        """Return the message as JSON; ``parse`` reads it back to an equal object.

        All of it is ASCII: a key may hold characters that SQS refuses unless they are escaped.
        """
        fields: dict[str, object] = {
            "job_id": self.job_id,
            "s3_key": self.s3_key,
            "pipeline": self.pipeline,
            "attempt": self.attempt,
        }
        if self.preset is not None:
            fields["preset"] = self.preset
        if self.overrides is not None:
            fields["overrides"] = json.loads(self.overrides)
        return json.dumps(fields)

    @property
    def deduplication_id(self) -> str:
        """What makes a second message for the same attempt, within five minutes, disappear (at most 128 characters)."""
        plain = f"{self.job_id}.{self.attempt}"
        if len(plain) <= MAX_DEDUPLICATION_ID:
            return plain
        return f"{hashlib.sha256(self.job_id.encode()).hexdigest()}.{self.attempt}"


def parse(body: str) -> JobMessage:
    """Return the message. Raises MalformedMessageError with one sentence for the first thing that is wrong."""
    fields = _object(body)
    job_id = _job_id(fields)
    s3_key = _s3_key(fields)
    return JobMessage(
        job_id=job_id,
        s3_key=s3_key,
        pipeline=_pipeline(fields, s3_key),
        preset=_preset(fields),
        attempt=_attempt(fields),
        overrides=_overrides(fields),
    )


def canonical(overrides: dict[str, Any] | None) -> str | None:
    """Return what ``JobMessage.overrides`` holds for an object; nothing changed is None."""
    return json.dumps(overrides, sort_keys=True, separators=(",", ":")) if overrides else None


def pipeline_of(s3_key: str) -> str:
    """Return the pipeline of a recording that names none: by its key's extension."""
    extension = s3_key.rpartition("/")[2].rpartition(".")[2].lower()
    return VIDEO if extension in VIDEO_EXTENSIONS else AUDIO


def _object(body: str) -> dict[str, Any]:
    size = len(body.encode("utf-8", "surrogatepass"))
    if size > MAX_BODY_BYTES:
        raise MalformedMessageError(f"The body has {size} bytes; a job's message has at most {MAX_BODY_BYTES}.")
    try:
        fields = json.loads(body, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise MalformedMessageError("The body is not valid JSON.") from None
    if not isinstance(fields, dict):
        raise MalformedMessageError(f"The body is a JSON {_kind(fields)}; it must be an object with job_id and s3_key.")
    return fields


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        # Which of two values counts differs from reader to reader, so neither does.
        raise MalformedMessageError("The body names a field twice.")
    return fields


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are not JSON, although Python reads them


def _required_text(fields: dict[str, Any], name: str) -> str:
    if name not in fields:
        raise MalformedMessageError(f"{name} is missing.")
    value = fields[name]
    if not isinstance(value, str):
        raise MalformedMessageError(f"{name} is a JSON {_kind(value)}; it must be a string.")
    return value


def _job_id(fields: dict[str, Any]) -> str:
    value = _required_text(fields, "job_id")
    if not JOB_ID.fullmatch(value):
        raise MalformedMessageError(
            "job_id must be 1 to 128 of the characters A-Z a-z 0-9 . _ - and begin with a letter or digit.",
        )
    return value


def _s3_key(fields: dict[str, Any]) -> str:
    value = _required_text(fields, "s3_key")
    if any(unicodedata.category(char) in FORBIDDEN_CATEGORIES or char in BIDIRECTIONAL_CONTROLS for char in value):
        raise MalformedMessageError("s3_key contains control characters.")
    size = len(value.encode())
    if not 1 <= size <= MAX_KEY_BYTES:
        raise MalformedMessageError(f"s3_key has {size} bytes; it must have 1 to {MAX_KEY_BYTES}.")
    if value.startswith("/"):
        raise MalformedMessageError('s3_key begins with "/"; the keys of S3 do not.')
    if ".." in value.split("/"):
        raise MalformedMessageError('s3_key contains the path segment "..".')
    return value


def _pipeline(fields: dict[str, Any], s3_key: str) -> str:
    value = fields.get("pipeline")
    if value is None:
        return pipeline_of(s3_key)
    if not isinstance(value, str) or value not in PIPELINES:
        raise MalformedMessageError(f"pipeline must be one of {', '.join(PIPELINES)}.")
    return value


def _preset(fields: dict[str, Any]) -> str | None:
    value = fields.get("preset")
    if value is None:
        return None
    if not isinstance(value, str) or not PRESET.fullmatch(value):
        raise MalformedMessageError("preset must be 1 to 64 of the characters a-z 0-9 _ - and name one of the presets.")
    return value


def _overrides(fields: dict[str, Any]) -> str | None:
    """Check the shape alone: which fields there are and how far they go is the worker's to say, in the job's row."""
    value = fields.get("overrides")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise MalformedMessageError(f"overrides is a JSON {_kind(value)}; it must be an object of a preset's fields.")
    if not all(WORD.fullmatch(name) for name in value):
        raise MalformedMessageError("overrides names a field with other characters than a-z 0-9 _ -, or with over 64.")
    text = canonical({name: _override(name, setting) for name, setting in value.items()})
    if text is not None and len(text) > MAX_OVERRIDES_BYTES:
        raise MalformedMessageError(f"overrides has {len(text)} bytes; it may have {MAX_OVERRIDES_BYTES}.")
    return text


def _override(name: str, value: Any) -> bool | int | float | list[str]:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) <= LARGEST_OVERRIDE:
        # The database writes numbers out in full, so that 1e-300 would have 300 digits.
        return value if isinstance(value, int) else round(value, 6)
    if isinstance(value, list) and all(isinstance(item, str) and WORD.fullmatch(item) for item in value):
        return value
    raise MalformedMessageError(
        f"overrides.{name} must be a number up to {LARGEST_OVERRIDE}, true or false, or a list of words."
    )


def _attempt(fields: dict[str, Any]) -> int:
    value = fields.get("attempt", 1)
    # In Python True is an int; in JSON it is not a number.
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_ATTEMPT:
        raise MalformedMessageError("attempt must be a whole number, at least 1.")
    return value


def _kind(value: object) -> str:
    kinds = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "null")
