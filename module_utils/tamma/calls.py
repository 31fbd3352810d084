"""Which operations of AWS only read."""

from __future__ import annotations

_READING = ("Get", "List", "Describe", "BatchGet", "BatchCheck", "Head", "Lookup", "Simulate")


def reads(operation: str) -> bool:
    """Tell whether an operation, for example `DescribeVpcs`, cannot change anything; one that is not known may."""
    return operation.startswith(_READING)
