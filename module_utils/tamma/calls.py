"""Which operations of AWS only read."""

from __future__ import annotations

_READING = ("Get", "List", "Describe", "BatchGet", "Head", "Lookup", "Simulate")


def reads(operation: str) -> bool:
    """Tell whether an operation, for example `DescribeVpcs`, cannot change anything."""
    return operation.startswith(_READING)
