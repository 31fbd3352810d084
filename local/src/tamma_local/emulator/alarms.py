"""DescribeAlarms in the query protocol: ministack answers there with half of an alarm's properties.

boto3 speaks another protocol to CloudWatch; Terraform's provider and older clients of AWS speak this one.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from tamma_local.emulator.contract import Ministack

_TEXTS = ("AlarmNamePrefix", "StateValue", "MaxRecords", "NextToken")
_LISTS = ("AlarmNames", "AlarmTypes")


def describe(ministack: Ministack, original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `_describe_alarms`: what it says in JSON is complete, and is repeated in XML."""
    cloudwatch = ministack.cloudwatch

    def wrapped(params: Mapping[str, Any], data: dict[str, Any], is_cbor: bool, is_json: bool = False) -> Any:
        if is_cbor or is_json:
            return original(params, data, is_cbor, is_json)
        status, _headers, body = original({}, _asked(cloudwatch, params), is_cbor=False, is_json=True)
        if status != 200:  # noqa: PLR2004 - HTTP's OK
            # It says the same once more, in the protocol in which it was asked.
            return original(params, data, is_cbor, is_json)
        return cloudwatch._xml(  # noqa: SLF001 - checked in contract.py
            200, "DescribeAlarmsResponse", _element("DescribeAlarmsResult", json.loads(body))
        )

    return wrapped


def _asked(cloudwatch: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a query as the JSON protocol writes them."""
    value: Callable[[Mapping[str, Any], str], str] = cloudwatch._p  # noqa: SLF001 - checked in contract.py
    asked: dict[str, Any] = {name: value(params, name) for name in _TEXTS if value(params, name)}
    for name in _LISTS:
        members = [key for key in params if re.fullmatch(rf"{name}\.member\.\d+", key)]
        asked[name] = [value(params, key) for key in members]
    return asked


def _element(name: str, value: Any) -> str:
    """Return a value as CloudWatch writes it in XML; what is not set is left out."""
    if value is None:
        return ""
    if isinstance(value, dict):
        inner = "".join(_element(key, part) for key, part in value.items())
    elif isinstance(value, list):
        inner = "".join(_element("member", part) for part in value)
    elif isinstance(value, bool):
        inner = str(value).lower()
    elif name.endswith("Timestamp"):
        inner = datetime.fromtimestamp(value, UTC).isoformat().replace("+00:00", "Z")
    else:
        inner = escape(str(value))
    return f"<{name}>{inner}</{name}>"
