"""The contract of library/lambda_function.py; the archive's changes show as `code_sha256`."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.ansible_modules import ROOT
from tests.contract.case import Aws, Case, Drift, Refusal

_NAME = "t-function"
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
_SEND = {
    "Sid": "AllowBucket",
    "Effect": "Allow",
    "Principal": {"Service": "s3.amazonaws.com"},
    "Action": "lambda:InvokeFunction",
    "Condition": {
        "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::t-bucket"},
        "StringEquals": {"AWS:SourceAccount": "123456789012"},
    },
}
_OTHER = {
    "Sid": "AllowOther",
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
    "Action": "lambda:InvokeFunction",
}


def _zip(text: str) -> bytes:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py"), text)
    return code.getvalue()


def _file(name: str, data: bytes) -> str:
    path: Path = ROOT / ".cache" / "contract" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)


_CODE = _file("function.zip", _zip("def handler(event, context): return {}"))
_NO_ZIP = _file("function.txt", b"def handler(event, context): return {}")


def _parents(aws: Aws) -> None:
    """Make two roles and two layers."""
    for role in ("t-role", "t-other"):
        aws.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(_TRUST))
    for layer in ("t-python", "t-more"):
        aws.client("lambda").publish_layer_version(LayerName=layer, Content={"ZipFile": _zip("")})


def _set(**settings: Any) -> Callable[[Aws], object]:
    return lambda aws: aws.client("lambda").update_function_configuration(FunctionName=_NAME, **settings)


def _grant(sid: str, principal: str, **more: Any) -> Callable[[Aws], object]:
    return lambda aws: aws.client("lambda").add_permission(
        FunctionName=_NAME, StatementId=sid, Action="lambda:InvokeFunction", Principal=principal, **more
    )


def _revoke_all(aws: Aws) -> None:
    aws.client("lambda").remove_permission(FunctionName=_NAME, StatementId="AllowBucket")


def _replace_code(aws: Aws) -> None:
    aws.client("lambda").update_function_code(FunctionName=_NAME, ZipFile=_zip("def handler(*_): raise SystemExit"))


def _open_url(aws: Aws) -> None:
    aws.client("lambda").create_function_url_config(FunctionName=_NAME, AuthType="NONE")


def _tag(aws: Aws) -> None:
    arn = f"arn:aws:lambda:{aws.region}:{aws.account_id}:function:{_NAME}"
    aws.client("lambda").tag_resource(Resource=arn, Tags={"foreign": "1"})


def _move_alias(aws: Aws) -> None:
    aws.client("lambda").update_alias(FunctionName=_NAME, Name="live", FunctionVersion="$LATEST")


def _alias(aws: Aws) -> None:
    aws.client("lambda").create_alias(FunctionName=_NAME, Name="back-door", FunctionVersion="$LATEST")


def _reserve(aws: Aws) -> None:
    aws.client("lambda").put_function_concurrency(FunctionName=_NAME, ReservedConcurrentExecutions=1)


def _case(emulator: str, account: str, why_not: dict[str, str]) -> Case:
    role, layer = f"arn:aws:iam::{account}:role", f"arn:aws:lambda:us-east-1:{account}:layer"
    other = "moto" if emulator == "ministack" else "ministack"
    return Case(
        module="lambda_function",
        label=f"lambda_function_{emulator}",
        emulators=(emulator,),
        parents=_parents,
        present={
            "name": _NAME,
            "zip_file": _CODE,
            "runtime": "python3.13",
            "handler": "app.handler",
            "role": f"{role}/t-role",
            "architecture": "x86_64",
            "description": "Does nothing",
            "timeout": 30,
            "memory_size": 256,
            "ephemeral_storage": 512,
            "layers": [f"{layer}:t-python:1"],
            "environment_variables": {"QUEUE": "jobs", "LIMIT": "5"},
            "reserved_concurrency": -1,
            "tracing_mode": "PassThrough",
            "logging_config": {"log_format": "Text", "log_group": f"/aws/lambda/{_NAME}"},
            "policy": {"Version": "2012-10-17", "Statement": [_SEND]},
            "function_url": "absent",
            "alias": "live",
            "other_settings": {},
            "tags": {"environment": "test"},
        },
        changed={
            "runtime": "python3.12",
            "handler": "app.main",
            "role": f"{role}/t-other",
            "architecture": "arm64",
            "description": "",
            "timeout": 31,
            "memory_size": 512,
            "ephemeral_storage": 1024,
            "layers": [f"{layer}:t-more:1", f"{layer}:t-python:1"],
            "environment_variables": {},
            "reserved_concurrency": 5,
            "tracing_mode": "Active",
            "logging_config": {"log_format": "JSON", "application_log_level": "WARN", "log_group": "/other"},
            "policy": {"Statement": [_OTHER, {**_SEND, "Principal": {"Service": "sns.amazonaws.com"}}]},
            "function_url": "iam",
            "tags": {"environment": "other", "more": "1"},
        },
        drift=[
            Drift("code_sha256", _replace_code, "foreign code"),
            Drift("aliases", _alias, "foreign alias"),
            Drift("aliases", _move_alias, "alias moved"),
            Drift("alias_policy", _grant("AllowEveryone", "*", Qualifier="live"), "alias opened to everyone"),
            Drift(
                "other_settings",
                _set(DeadLetterConfig={"TargetArn": f"arn:aws:sqs:us-east-1:{account}:t-dead"}),
                "foreign dead letters",
            ),
            Drift("policy", _grant("AllowEveryone", "*"), "opened to everyone"),
            Drift("policy", _grant("Url", "*", FunctionUrlAuthType="NONE"), "opened to everyone by URL"),
            Drift("policy", _revoke_all, "grant removed"),
            Drift("function_url", _open_url, "public URL"),
            Drift("environment_variables", _set(Environment={"Variables": {"QUEUE": "foreign"}})),
            Drift("layers", _set(Layers=[]), "no layers"),
            Drift("role", _set(Role=f"{role}/t-other"), "foreign role"),
            Drift("handler", _set(Handler="evil.handler"), "foreign handler"),
            Drift("timeout", _set(Timeout=3), "too short"),
            Drift("logging_config", _set(LoggingConfig={"LogFormat": "Text", "LogGroup": "/elsewhere"})),
            Drift("reserved_concurrency", _reserve),
            Drift("tags", _tag, "foreign tag"),
        ],
        refused=[
            Refusal({"timeout": 901}, "1 to 900"),
            Refusal({"memory_size": 64}, "128 to 10240"),
            Refusal({"ephemeral_storage": 511}, "512 to 10240"),
            Refusal({"handler": "handler"}, "module.function"),
            Refusal({"role": "t-role"}, "the ARN of a role"),
            Refusal({"layers": ["t-python"]}, "the ARN of a layer's version"),
            Refusal({"layers": [f"{layer}:l{number}:1" for number in range(6)]}, "takes 5", "six layers"),
            Refusal({"environment_variables": {"LONG": "x" * 4096}}, "takes 4096"),
            Refusal({"environment_variables": {"AWS_REGION": "x"}}, "sets itself", "reserved name"),
            Refusal({"environment_variables": {"1": "x"}}, "begin with a letter", "bad name"),
            Refusal({"environment_variables": {"COUNT": 1}}, "in quotes", "no text"),
            Refusal({"keep_versions": 0}, "1 to 50"),
            Refusal({"reserved_concurrency": -2}, "below -1"),
            Refusal({"description": "x" * 257}, "256 characters"),
            Refusal({"logging_config": {"log_format": "Text", "system_log_level": "WARN"}}, "set log_format: JSON"),
            Refusal({"zip_file": "/nowhere/function.zip"}, "cannot be read"),
            Refusal({"zip_file": _NO_ZIP}, "no zip archive", "no zip"),
            Refusal({"policy": {"Statement": [{**_SEND, "Effect": "Deny"}]}}, "must Allow", "deny"),
            Refusal({"policy": {"Statement": [{**_SEND, "Sid": ""}]}}, "give each its own", "no Sid"),
            Refusal({"policy": {"Statement": [_SEND, _OTHER | {"Sid": "AllowBucket"}]}}, "same Sid", "one Sid twice"),
            Refusal({"policy": {"Statement": [{**_SEND, "Action": ["a:b", "a:c"]}]}}, "one action", "two actions"),
            Refusal(
                {"policy": {"Statement": [{**_SEND, "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}]}},
                "the condition IpAddress aws:sourceip",
                "foreign condition",
            ),
        ],
        follows=frozenset({"aliases"}),
        why_not={other: "the ARNs of this case name the other emulator's account", **why_not},
    )


MINISTACK = _case("ministack", "000000000000", {})
MOTO = _case(
    "moto",
    "123456789012",
    {
        **dict.fromkeys(
            ("alias@moto", "aliases@moto", "alias_policy@moto"),
            "has one policy for a function and its alias, so that an alias without grants cannot be shown",
        ),
        "architecture@moto": "ignores it in UpdateFunctionCode",
        "ephemeral_storage@moto": "ignores it in UpdateFunctionConfiguration",
        "tracing_mode@moto": "ignores it in UpdateFunctionConfiguration",
        "logging_config@moto": "does not know it",
        "other_settings@moto": "ignores dead letters in UpdateFunctionConfiguration",
    },
)

CASES = [MINISTACK, MOTO]
