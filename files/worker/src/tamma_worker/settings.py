"""What a task is told by its environment (see docs/architecture.md, "The task")."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tamma_worker.errors import ConfigurationError
from tamma_worker.patience import LONGEST
from tamma_worker.presets import DEFAULT

_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
PIPELINES = ("audio-clean", "video")  # both give the cleaned sound for now


@dataclass(frozen=True, slots=True)
class Timing:
    """Every timer of a task, in seconds, times one scale factor (tests compress time with it)."""

    lease: float = 120.0
    call: float = 10.0  # one request to Supabase
    patience: float = 90.0  # all tries of one request together: less than a lease
    # All tries of the commit once the result is published: as long as the sweep leaves a task that is alive its attempt
    commit_patience: float = 900.0
    longest_pause: float = LONGEST  # between two tries of one request to Supabase
    progress: float = 15.0  # progress is sent at least that often while it moves
    last_words: float = 4.5  # after SIGTERM: the process is gone before 5 s have passed
    transfer_patience: float = 60.0  # how long S3 may fail without one byte arriving
    missing_delay: float = 60.0  # a late upload gets three times a minute
    first_delay: float = 30.0  # before the first retry; doubles with each attempt
    longest_delay: float = 1800.0

    @classmethod
    def scaled(cls, scale: float, lease: float) -> "Timing":
        """Multiply what may be compressed; the promise after SIGTERM is kept as it is."""
        base = cls()
        return cls(
            lease=lease * scale,
            call=base.call * scale,
            patience=base.patience * scale,
            commit_patience=base.commit_patience * scale,
            longest_pause=base.longest_pause * scale,
            progress=base.progress * scale,
            transfer_patience=base.transfer_patience * scale,
            missing_delay=base.missing_delay * scale,
            first_delay=base.first_delay * scale,
            longest_delay=base.longest_delay * scale,
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """One attempt at one job. The service key is kept out of ``repr`` and so out of every log."""

    job_id: str
    attempt: int
    s3_key: str
    raw_bucket: str
    derived_bucket: str
    supabase_url: str
    supabase_key: str = field(repr=False)
    pipeline: str = "audio-clean"
    preset: str = DEFAULT
    overrides: Mapping[str, Any] = field(default_factory=dict)
    metadata_url: str | None = None
    s3_endpoint: str | None = None
    region: str | None = None
    timing: Timing = field(default_factory=Timing)

    @property
    def prefix(self) -> str:
        """Where this attempt's outputs go, with a slash at the end."""
        return f"derived/{self.job_id}/{self.attempt}/"

    @property
    def manifest_key(self) -> str:
        """The object that makes a result visible, one for all attempts."""
        return f"derived/{self.job_id}/manifest.json"


def read(environment: Mapping[str, str]) -> Settings:
    """Read the environment; ConfigurationError names what is missing or senseless."""
    names = ("JOB_ID", "ATTEMPT", "S3_KEY", "RAW_BUCKET", "DERIVED_BUCKET", "SUPABASE_URL", "SUPABASE_SERVICE_KEY")
    missing = [name for name in names if not environment.get(name)]
    if missing:
        raise ConfigurationError(
            "configuration",
            f"The environment lacks {', '.join(missing)}. A task gets them from its task definition and from RunTask; "
            "to clean a file on this machine: python -m tamma_worker clean RECORDING FOLDER",
        )
    if not _JOB_ID.fullmatch(environment["JOB_ID"]):
        raise ConfigurationError("configuration", "JOB_ID must be 1-128 of A-Z a-z 0-9 . _ - and begin with neither.")
    pipeline = environment.get("PIPELINE") or PIPELINES[0]
    if pipeline not in PIPELINES:
        raise ConfigurationError("configuration", f"PIPELINE must be one of: {', '.join(PIPELINES)}.")
    return Settings(
        job_id=environment["JOB_ID"],
        attempt=int(_number(environment, "ATTEMPT", least=1)),
        s3_key=environment["S3_KEY"],
        raw_bucket=environment["RAW_BUCKET"],
        derived_bucket=environment["DERIVED_BUCKET"],
        supabase_url=environment["SUPABASE_URL"],
        supabase_key=environment["SUPABASE_SERVICE_KEY"],
        pipeline=pipeline,
        preset=environment.get("PRESET") or DEFAULT,
        overrides=_object(environment, "PRESET_OVERRIDES"),
        metadata_url=environment.get("ECS_CONTAINER_METADATA_URI_V4"),
        s3_endpoint=environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL"),
        region=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"),
        timing=Timing.scaled(
            _number(environment, "TAMMA_TIME_SCALE", 1.0), _number(environment, "LEASE_SECONDS", 120.0)
        ),
    )


def _object(environment: Mapping[str, str], name: str) -> dict[str, Any]:
    try:
        value = json.loads(environment.get(name) or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ConfigurationError("configuration", f"{name} must be a JSON object of a preset's fields.")
    return value


def _number(environment: Mapping[str, str], name: str, default: float = 0.0, least: float = 1e-3) -> float:
    text = environment.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not least <= value < 1e9 or (name == "ATTEMPT" and not value.is_integer()):  # noqa: PLR2004 (rules out inf and nan)
        raise ConfigurationError("configuration", f'{name} must be a positive number, not "{text[:40]}".')
    return value
