"""Free-form options in AWS's own spelling, held to the model that botocore ships."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.tamma.errors import RefusalError

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def fit(value: Any, shape: Any, where: str, *, drop_unknown: bool = False) -> Any:
    """Return the value with the types of a botocore shape: YAML and Jinja turn numbers into text and back.

    `drop_unknown` leaves out members that the shape does not have (an answer holds more than a request may).
    Raises RefusalError with the place (`where`) of an unknown member or of a value that cannot be converted.
    """
    if shape.type_name == "structure":
        return _structure(value, shape, where, drop_unknown=drop_unknown)
    if shape.type_name == "map":
        items = _expect(value, Mapping, "a dictionary", where).items()
        return {str(key): fit(item, shape.value, f"{where}.{key}", drop_unknown=drop_unknown) for key, item in items}
    if shape.type_name == "list":
        entries = _expect(value, list, "a list", where)
        return [fit(item, shape.member, f"{where}[{at}]", drop_unknown=drop_unknown) for at, item in enumerate(entries)]
    return _scalar(value, shape.type_name, where)


def prune(value: Any) -> Any:
    """Drop None, empty lists and empty dictionaries at every depth: AWS returns them where nothing was given."""
    if isinstance(value, dict):
        kept = {key: prune(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, [], {})}
    if isinstance(value, list):
        return [prune(item) for item in value]
    return value


def _structure(value: Any, shape: Any, where: str, *, drop_unknown: bool) -> dict[str, Any]:
    result = {}
    for name, item in _expect(value, Mapping, "a dictionary", where).items():
        if name in shape.members:
            if item is not None:
                result[name] = fit(item, shape.members[name], f"{where}.{name}", drop_unknown=drop_unknown)
        elif not drop_unknown:
            raise RefusalError(f"{where} has no member {name}; AWS knows {', '.join(sorted(shape.members))}")
    return result


def _scalar(value: Any, kind: str, where: str) -> Any:
    if isinstance(value, (list, Mapping)):
        raise RefusalError(f"{where} must be a single value; see the ECS documentation of this member")
    text = str(value)
    if kind == "boolean":
        if text.lower() not in (*_TRUE, *_FALSE):
            raise RefusalError(f"{where} is {text}; write true or false")
        return text.lower() in _TRUE
    try:
        if kind in ("integer", "long"):
            return int(text)
        if kind in ("float", "double"):
            return float(text)
    except ValueError:
        raise RefusalError(f"{where} is {text}; write a number") from None
    return text.lower() if isinstance(value, bool) else value if kind != "string" else text


def _expect(value: Any, kind: Any, words: str, where: str) -> Any:
    if not isinstance(value, kind):
        raise RefusalError(f"{where} must be {words}; it is {value!r}")
    return value
