"""The environment of both functions: names only, read once and checked in words."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class SettingsError(Exception):
    """A variable of the function's environment is missing or wrong; the message names it and the next step."""


@dataclass(frozen=True)
class TimeScale:
    """One factor on every timer of the system, so that tests can compress minutes; 1 in every deployment."""

    factor: float = 1.0

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> TimeScale:
        """Read TAMMA_TIME_SCALE, 1 when it is not set. Raises SettingsError unless it is above 0 and at most 1."""
        value = environment.get("TAMMA_TIME_SCALE") or "1"
        try:
            factor = float(value)
        except ValueError:
            factor = 0.0
        if not 0 < factor <= 1:
            raise SettingsError(f"TAMMA_TIME_SCALE is {value!r}, and must be a number above 0 and at most 1.")
        return cls(factor)

    def seconds(self, real: float) -> int:
        """Return whole seconds, at least one for what is not nothing: neither queues nor leases know less."""
        return math.ceil(real * self.factor) if real > 0 else 0


UNSCALED = TimeScale()


@dataclass(frozen=True)
class Settings:
    """What both functions are told: names of queues, of the cluster and of SSM parameters; times in seconds."""

    cluster: str
    jobs_queue: str
    dead_letter_queue: str
    task_events_queue: str
    supabase_url_parameter: str
    supabase_service_key_parameter: str
    lease_seconds: int
    start_lease_seconds: int
    time_scale: TimeScale

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings. Raises SettingsError with one sentence for the first variable that is wrong."""
        return cls(
            cluster=text(environment, "CLUSTER"),
            jobs_queue=text(environment, "JOBS_QUEUE"),
            dead_letter_queue=text(environment, "DEAD_LETTER_QUEUE"),
            task_events_queue=text(environment, "TASK_EVENTS_QUEUE"),
            supabase_url_parameter=text(environment, "SUPABASE_URL_PARAMETER"),
            supabase_service_key_parameter=text(environment, "SUPABASE_SERVICE_KEY_PARAMETER"),
            lease_seconds=seconds(environment, "LEASE_SECONDS"),
            start_lease_seconds=seconds(environment, "START_LEASE_SECONDS"),
            time_scale=TimeScale.read(environment),
        )


def text(environment: Mapping[str, str], name: str) -> str:
    """Return a variable that must not be empty."""
    value = environment.get(name, "").strip()
    if not value:
        raise SettingsError(f"{name} is not set: give it in the function's environment (role dispatch) and converge.")
    return value


def seconds(environment: Mapping[str, str], name: str) -> int:
    """Return a variable that must be a whole number of seconds, at least 1."""
    value = text(environment, name)
    if not value.isascii() or not value.isdigit() or int(value) < 1:
        raise SettingsError(f"{name} is {value!r}, and must be a whole number of seconds, at least 1.")
    return int(value)


def rate(environment: Mapping[str, str], name: str) -> float:
    """Return a variable that must be a number above 0."""
    value = text(environment, name)
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise SettingsError(f"{name} is {value!r}, and must be a number above 0.")
    return number


def structure(environment: Mapping[str, str], name: str, kind: type[Any]) -> Any:
    """Return a variable that must be JSON of the given kind (list or dict) and not empty."""
    value = text(environment, name)
    try:
        parsed = json.loads(value)
    except ValueError as error:
        raise SettingsError(f"{name} is not JSON ({error}): correct it in role dispatch and converge.") from None
    if not isinstance(parsed, kind) or not parsed:
        raise SettingsError(f"{name} must be a JSON {kind.__name__} with at least one entry.")
    return parsed
