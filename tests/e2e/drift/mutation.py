"""One thing done behind the stack's back, and what a preview must say about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

PROJECT = "tamma-dev"
REGION = "us-east-1"
TAGS = {"Project": "tamma", "Environment": "dev", "ManagedBy": "ansible"}


class Account(Protocol):
    """The account of the stack."""

    id: str

    def __call__(self, service: str) -> Any:
        """Return a boto3 client."""


@dataclass(frozen=True)
class Value:
    """A value that AWS makes up: `known` is what must be part of it."""

    known: str

    def __eq__(self, other: object) -> bool:
        """Whether the part is there."""
        return self.known in str(other)

    __hash__ = None  # type: ignore[assignment]  # compared, never looked up


@dataclass(frozen=True)
class Mutation:
    """`act` makes it; the preview must name this property of this resource with exactly these values.

    Values are as the plan has them; `{account}` in a text stands for the account's id. `also` are further properties of
    the same resource that change with it; `elsewhere` says, by kind, name and how their path begins, which properties
    may change as a consequence, to values that depend on what else was done.
    """

    act: Callable[[Account], object]
    kind: str
    name: str
    property: str
    before: Any
    after: Any
    also: tuple[tuple[str, Any, Any], ...] = ()
    elsewhere: tuple[tuple[str, str, str], ...] = ()
    action: str = "update"


def gone(act: Callable[[Account], object], kind: str, name: str, **properties: Any) -> Mutation:
    """Return the deletion of a whole resource: the preview creates it again, with this property among others."""
    ((name_of_property, value),) = properties.items()
    return Mutation(act, kind, name, name_of_property, None, value, action="create")
