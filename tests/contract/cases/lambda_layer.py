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


CASE = Case(
    module="lambda_layer",
    present={"name": "t-python", "requirements": str(_LOCK), "python_version": "3.13", "architecture": "x86_64"},
    drift=[Drift("content_hash", _publish, "foreign version")],
    refused=[
        Refusal({"requirements": "/nowhere/lock.txt"}, "does not exist"),
        Refusal({"python_version": "3.9"}, "3.12 or newer"),
        Refusal({"keep_versions": 0}, "1 or more"),
    ],
)
