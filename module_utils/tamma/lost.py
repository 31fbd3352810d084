"""Calls that AWS may have carried out though nobody heard the answer.

botocore repeats a call whose connection broke. Most creations have no token by which AWS would know the repetition: it
makes a second VPC, or refuses a name that is taken by now. So a call that may change something is not repeated blindly:
the account is read again, and what is left is done, as the next run would do it.
"""

from __future__ import annotations

import re
from typing import Any

from ansible.module_utils.tamma.calls import reads
from ansible.module_utils.tamma.errors import code_of
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

LOST = (ConnectionClosedError, ReadTimeoutError)
PAUSES = (2.0, 4.0, 8.0)
"""Seconds before the account is read again: EC2 may take one or two until it shows what it has made."""
_TAKEN = re.compile("Exists|Duplicate|AlreadyOwned|Conflict")


def mind(client: Any) -> None:
    """Have this client raise at once when the answer to a call that may have changed something is lost."""
    event = f"needs-retry.{client.meta.service_model.service_id.hyphenize()}"
    client.meta.events.register_first(event, _raise_if_lost, unique_id="tamma-lost-answers")


def met_itself(error: Exception) -> bool:
    """Whether AWS refuses to create what is there already, as it does when botocore repeats a call after a 5xx."""
    return isinstance(error, ClientError) and _TAKEN.search(code_of(error)) is not None


def _raise_if_lost(operation: Any, caught_exception: Exception | None, **_: Any) -> None:
    if isinstance(caught_exception, LOST) and not reads(operation.name):
        raise caught_exception
