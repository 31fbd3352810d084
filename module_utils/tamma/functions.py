"""The settings of a Lambda function: in our names and in AWS's, with the limits that its documentation states."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.plan import UNKNOWN, State

_PLAIN = {
    "description": "Description",
    "runtime": "Runtime",
    "handler": "Handler",
    "role": "Role",
    "timeout": "Timeout",
    "memory_size": "MemorySize",
}
_LOGGING = {
    "log_format": "LogFormat",
    "application_log_level": "ApplicationLogLevel",
    "system_log_level": "SystemLogLevel",
    "log_group": "LogGroup",
}
LOGGING_OPTIONS = {
    "log_format": {"type": "str", "choices": ["JSON", "Text"]},
    "application_log_level": {"type": "str", "choices": ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"]},
    "system_log_level": {"type": "str", "choices": ["DEBUG", "INFO", "WARN"]},
    "log_group": {"type": "str"},
}
# Settings without an option of ours: what takes each away.
_OTHERS: dict[str, Any] = {
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
    "DeadLetterConfig": {"TargetArn": ""},
    "KMSKeyArn": "",
    "FileSystemConfigs": [],
    "SnapStart": {"ApplyOn": "None"},
}
_LEVELS = ("application_log_level", "system_log_level")
# Option: least, most, unit. Lambda's quotas, and the API reference of CreateFunction.
_LIMITS = {
    "timeout": (1, 900, "seconds"),
    "memory_size": (128, 10_240, "MiB"),
    "ephemeral_storage": (512, 10_240, "MiB"),
}
_MOST_LAYERS = 5
_MOST_ENVIRONMENT = 4_096  # bytes of all variables, which Lambda measures as JSON
_MOST_ARCHIVE = 50 * 1024 * 1024  # bytes of a zip that is uploaded in the request
_LONGEST_HANDLER, _LONGEST_DESCRIPTION = 128, 256
_ROLE = r"arn:aws[a-z-]*:iam::\d{12}:role/.+"
_LAYER = r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:layer:[A-Za-z0-9_-]+:\d+"
# The developer guide's page on environment variables lists them.
_RESERVED = {
    *("_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV"),
    *("AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION"),
    *("AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"),
    *("AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    *("AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"),
}


def load(raw: dict[str, Any]) -> State:
    """Return the configuration of a function in our names."""
    logging = raw.get("LoggingConfig", {})
    return {
        **{ours: raw.get(theirs) or "" for ours, theirs in _PLAIN.items()},
        "architecture": raw.get("Architectures", ["x86_64"])[0],
        "code_sha256": raw.get("CodeSha256", ""),
        "ephemeral_storage": raw.get("EphemeralStorage", {}).get("Size", 512),
        "layers": [layer["Arn"] for layer in raw.get("Layers", [])],
        "environment_variables": dict(raw.get("Environment", {}).get("Variables", {})),
        "tracing_mode": raw.get("TracingConfig", {}).get("Mode", "PassThrough"),
        "logging_config": {ours: logging[theirs] for ours, theirs in _LOGGING.items() if logging.get(theirs)},
        "other_settings": _others(raw),
    }


def _others(raw: dict[str, Any]) -> dict[str, Any]:
    found = {name: raw.get(name) for name in _OTHERS}
    vpc, letters, snap = (found.pop(name) or {} for name in ("VpcConfig", "DeadLetterConfig", "SnapStart"))
    found["VpcConfig"] = {name: vpc[name] for name in _OTHERS["VpcConfig"] if vpc.get(name)}
    found["DeadLetterConfig"] = letters if letters.get("TargetArn") else {}
    found["SnapStart"] = {"ApplyOn": snap["ApplyOn"]} if snap.get("ApplyOn", "None") != "None" else {}
    return {name: value for name, value in found.items() if value}


def dump(state: State, present: Iterable[str] = ()) -> dict[str, Any]:
    """Return those of the properties that CreateFunction and UpdateFunctionConfiguration share, in AWS's names.

    `present` names other settings that are there and shall not be.
    """
    result: dict[str, Any] = {theirs: state[ours] for ours, theirs in _PLAIN.items() if ours in state}
    if "ephemeral_storage" in state:
        result["EphemeralStorage"] = {"Size": state["ephemeral_storage"]}
    if "layers" in state:
        result["Layers"] = state["layers"]
    if "environment_variables" in state:
        result["Environment"] = {"Variables": state["environment_variables"]}
    if "tracing_mode" in state:
        result["TracingConfig"] = {"Mode": state["tracing_mode"]}
    if "logging_config" in state:
        logging = state["logging_config"]
        without = _LEVELS if logging.get("log_format") == "Text" else ()  # plain text has no levels
        result["LoggingConfig"] = {_LOGGING[name]: value for name, value in logging.items() if name not in without}
    for name in present:
        result[name] = _OTHERS[name]
    return result


def read_archive(path: str) -> bytes:
    """Return the bytes of a zip; RefusalError when it is none, or too big to be uploaded in a request."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise RefusalError(f"zip_file {path} cannot be read ({error.strerror}); check the path") from error
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise RefusalError(f"zip_file {path} is no zip archive; pack the code first, for example with lambda_archive")
    if len(data) > _MOST_ARCHIVE:
        raise RefusalError(f"zip_file {path} has {len(data)} bytes and Lambda takes {_MOST_ARCHIVE}; use a layer")
    return data


def code_sha256(data: bytes) -> str:
    """Return the hash of an archive as Lambda writes it: SHA-256 in Base64."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def check(desired: State) -> None:
    """Refuse settings that Lambda refuses; RefusalError names the option and the next step."""
    for option, (least, most, unit) in _LIMITS.items():
        if not least <= desired.get(option, least) <= most:
            raise RefusalError(f"{option} is {desired[option]}; choose {least} to {most} {unit}")
    if not re.fullmatch(_ROLE, desired["role"]):
        raise RefusalError(f"role is {desired['role']!r}; give the ARN of a role")
    if len(desired.get("description", "")) > _LONGEST_DESCRIPTION:
        raise RefusalError(f"description has more than {_LONGEST_DESCRIPTION} characters; shorten it")
    if desired.get("other_settings"):
        raise RefusalError("other_settings can only be empty; leave the option out to keep what is there")
    _check_handler(desired["handler"], desired["runtime"])
    _check_layers(desired.get("layers", []))
    _check_environment(desired.get("environment_variables", {}))
    logging = desired.get("logging_config", {})
    if logging.get("log_format") == "Text" and any(name in logging for name in _LEVELS):
        raise RefusalError("logging_config has a log level, which plain text has not; set log_format: JSON")


def _check_handler(handler: str, runtime: str) -> None:
    if not re.fullmatch(r"\S+", handler) or len(handler) > _LONGEST_HANDLER:
        raise RefusalError(f"handler is {handler!r}; use 1-{_LONGEST_HANDLER} characters without spaces")
    if runtime.startswith("python") and not re.fullmatch(r"[^.]\S*\.[^.]+", handler):
        raise RefusalError(f"handler is {handler!r}; write module.function, for example app.handler")


def _check_layers(layers: list[str]) -> None:
    if len(layers) > _MOST_LAYERS:
        raise RefusalError(f"layers has {len(layers)} entries and a function takes {_MOST_LAYERS}; join some of them")
    for layer in layers:
        # In a preview a layer that will be published has no ARN yet.
        if layer != UNKNOWN and not re.fullmatch(_LAYER, layer):
            raise RefusalError(f"layers holds {layer!r}; give the ARN of a layer's version")


def _check_environment(variables: dict[str, Any]) -> None:
    for name, value in variables.items():
        if name in _RESERVED:
            raise RefusalError(f"environment_variables sets {name}, which Lambda sets itself; use another name")
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]+", name):
            raise RefusalError(
                f"environment_variables has the name {name!r}; begin with a letter, then use A-Z a-z 0-9 _"
            )
        if not isinstance(value, str):
            raise RefusalError(f"environment_variables.{name} is no text; put it in quotes")
    size = len(json.dumps(variables, separators=(",", ":"), ensure_ascii=False).encode())
    if size > _MOST_ENVIRONMENT:
        raise RefusalError(
            f"environment_variables has {size} bytes and Lambda takes {_MOST_ENVIRONMENT}; "
            "keep long values in SSM parameters"
        )
