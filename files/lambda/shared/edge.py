"""The edge of AWS: clients with bounded patience, and the two parameters that hold secrets."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.session import Session, get_session

if TYPE_CHECKING:
    from settings import Settings

# Seconds and tries. Together they stay well below the function's timeout; what fails longer goes back to the queue.
PATIENCE = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})


class MissingParameterError(Exception):
    """An SSM parameter does not exist; the message says how to make it."""


def client(service: str) -> Any:
    """Return a client; region, endpoint and credentials come from the environment. Not for two threads at once."""
    make: Any = _session().create_client  # typed by literals only
    return make(service, config=PATIENCE)


@functools.cache
def _session() -> Session:
    """Return the session of the sandbox; without boto3 around it, a cold start is 30 ms shorter."""
    return get_session()


def read_secrets(ssm: Any, settings: Settings) -> tuple[str, str]:
    """Return Supabase's URL and service key. Raises MissingParameterError when one is not there."""
    names = [settings.supabase_url_parameter, settings.supabase_service_key_parameter]
    answer = ssm.get_parameters(Names=names, WithDecryption=True)
    values = {parameter["Name"]: str(parameter["Value"]) for parameter in answer["Parameters"]}
    missing = [name for name in names if name not in values]
    if missing:
        raise MissingParameterError(
            f"The SSM parameter {missing[0]} does not exist: put its value into the vault and converge role secrets.",
        )
    return values[names[0]], values[names[1]]
