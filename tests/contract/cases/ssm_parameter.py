"""The contract of library/ssm_parameter.py."""

from typing import Any

from tests.contract.case import Aws, Case, Drift, Refusal


def _put(name: str, **arguments: Any) -> Any:
    return lambda aws: aws.client("ssm").put_parameter(Name=name, Overwrite=True, **arguments)


def _in_the_clear(aws: Aws) -> None:
    ssm = aws.client("ssm")
    ssm.delete_parameter(Name="/t/key")
    ssm.put_parameter(Name="/t/key", Type="String", Value="first-secret")


URL = Case(
    module="ssm_parameter",
    label="ssm_parameter_string",
    present={
        "name": "/t/url",
        "type": "String",
        "value": "https://one.example",
        "tier": "Standard",
        "description": "where it is",
        "tags": {"environment": "test"},
    },
    changed={"type": "StringList", "value": "https://two.example", "description": "", "tags": {"other": "1"}},
    drift=[Drift("value", _put("/t/url", Value="https://evil.example", Type="String"))],
    refused=[
        Refusal({"name": "/aws/url"}, "reserved"),
        Refusal({"value": "x" * 4_097}, "1 to 4096", "too long"),
        Refusal({"key_id": "alias/k"}, "for type SecureString"),
    ],
)

SECRET = Case(
    module="ssm_parameter",
    label="ssm_parameter_secret",
    present={"name": "/t/key", "type": "SecureString", "value": "first-secret", "tier": "Standard"},
    changed={"value": "second-secret", "tier": "Advanced", "description": "a key"},
    drift=[
        Drift("value", _put("/t/key", Value="third-secret", Type="SecureString")),
        Drift("type", _in_the_clear, "in the clear"),
    ],
)

CASES = [URL, SECRET]
