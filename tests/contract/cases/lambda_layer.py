"""The contract of library/lambda_layer.py; its options are inputs of the build: `content_hash` shows their changes."""

import io
import zipfile

from tests.ansible_modules import ROOT
from tests.contract.case import Aws, Case, Drift, Refusal
from tests.wheels import lock_file

_LOCK = lock_file(ROOT / ".cache" / "contract")


def _publish(aws: Aws) -> None:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("python/evil.py", "")
    aws.client("lambda").publish_layer_version(LayerName="t-python", Content={"ZipFile": code.getvalue()})


def _share(aws: Aws) -> None:
    aws.client("lambda").add_layer_version_permission(
        LayerName="t-python",
        VersionNumber=_latest(aws),
        StatementId="all",
        Action="lambda:GetLayerVersion",
        Principal="*",
    )


def _latest(aws: Aws) -> int:
    versions = aws.client("lambda").list_layer_versions(LayerName="t-python")["LayerVersions"]
    return max(int(version["Version"]) for version in versions)


CASE = Case(
    module="lambda_layer",
    present={
        "name": "t-python",
        "requirements": str(_LOCK),
        "python_version": "3.13",
        "architecture": "x86_64",
        "policy": {},
    },
    drift=[
        Drift("policy", _share, "shared with everybody"),
        Drift("content_hash", _publish, "foreign version"),
    ],
    refused=[
        Refusal({"requirements": "/nowhere/lock.txt"}, "does not exist"),
        Refusal({"python_version": "3.9"}, "3.12 or newer"),
        Refusal({"keep_versions": 0}, "1 or more"),
    ],
)
