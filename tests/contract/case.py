"""What a case of the resource contract looks like; see cases/ for one file per module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class Aws(Protocol):
    """One emulator, seen from a case."""

    emulator: str
    account_id: str
    region: str
    endpoint: str

    def client(self, service: str) -> Any:
        """Return a boto3 client."""


@dataclass(frozen=True)
class Drift:
    """Something done behind our back; `act` does it, and the module must name `property` in its diff and undo it."""

    property: str
    act: Callable[[Aws], object]
    label: str = ""
    why_not: Mapping[str, str] = field(default_factory=dict)
    """Emulators that cannot show this point, each with the reason."""


@dataclass(frozen=True)
class Refusal:
    """Options laid over `present` that must be refused in check mode, and words of the refusal."""

    options: Mapping[str, Any]
    words: str
    label: str = ""
    why_not: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One resource that goes through the contract.

    `present` are the module's options, without `state`. Every property in `changed` is set to the other value given
    there, must be reported, written, silent afterwards, left alone when the option is omitted, and put back.
    """

    module: str
    present: Mapping[str, Any]
    changed: Mapping[str, Any] = field(default_factory=dict)
    drift: tuple[Drift, ...] | list[Drift] = ()
    refused: tuple[Refusal, ...] | list[Refusal] = ()
    parents: Callable[[Aws], object] | None = None
    """Makes what the resource needs; called once, after the check mode run on the empty account."""
    emulators: tuple[str, ...] = ("ministack", "moto")
    absent: Mapping[str, Any] = field(default_factory=dict)
    """Options of `state: absent`; by default the identity's."""
    why_not: Mapping[str, str] = field(default_factory=dict)
    """A reason for every emulator missing from `emulators`; by `property@emulator` for a single property that this
    emulator cannot show: it is left out of `present` there, and its changes and drifts are skipped."""
    follows: frozenset[str] = frozenset()
    """Properties that change along with others, such as an alias that points at the newest version."""
    label: str = ""

    @property
    def id(self) -> str:
        """What the case is called in a test report."""
        return self.label or self.module
