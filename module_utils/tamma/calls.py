"""Which operations of AWS only read, and which ones a preview may use besides."""

from __future__ import annotations

_READING = ("Get", "List", "Describe", "BatchGet", "BatchCheck", "Head", "Lookup", "Simulate")


def reads(operation: str) -> bool:
    """Tell whether an operation, for example `DescribeVpcs`, cannot change anything; one that is not known may."""
    return operation.startswith(_READING)


_LOOKING = ("ReceiveMessage", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch")


def looks(operation: str) -> bool:
    """Tell whether an operation shows what is in a queue, hiding it from others meanwhile, or puts it back.

    A preview may do that, as there is no other way to read a queue; but nobody may ask it ahead, or twice.
    """
    return operation in _LOOKING
