"""Repeats recorded AWS calls with boto3, one by one: `replay.py <recording> <file of ids>`.

Ids that the cloud of the recording gave are replaced by those that this cloud gives in the same places; the file keeps
them from one phase to the next.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

# What AWS makes up: ids of EC2's kind, and UUIDs.
_ID = re.compile(rb"\b[a-z]+-[0-9a-f]{17}\b|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_LARGEST_TEXT = 1 << 20  # bytes; what is larger is an archive
# Headers that describe the request itself. The rest is made anew when it is signed.
_KEPT = ("content-type", "x-amz-target", "content-md5", "smithy-protocol", "accept")


def main() -> None:
    """Repeat a recording."""
    recording, ids_file = Path(sys.argv[1]), Path(sys.argv[2])
    known: dict[str, str] = json.loads(ids_file.read_text()) if ids_file.exists() else {}
    ids = {old.encode(): new.encode() for old, new in known.items()}
    for item in json.loads(recording.read_text()):
        answer = _send(item, ids)
        old, new = _ID.findall(base64.b64decode(item["answer"])), _ID.findall(answer)
        if len(old) == len(new):
            ids.update(zip(old, new, strict=True))
    ids_file.write_text(json.dumps({old.decode(): new.decode() for old, new in ids.items()}))


def _send(item: dict[str, Any], ids: dict[bytes, bytes]) -> bytes:
    """Make one call, signed with this script's keys, and return the body of its answer."""
    endpoint, headers = os.environ["AWS_ENDPOINT_URL"], {name.lower(): text for name, text in item["headers"].items()}
    ids.setdefault(headers["host"].encode(), urlsplit(endpoint).netloc.encode())
    client = _client(item["service"])
    request = {
        "url": f"{endpoint}{_renewed(item['raw_path'].encode(), ids).decode()}",
        "method": item["method"],
        "headers": {name: headers[name] for name in _KEPT if name in headers},
        "body": _renewed(base64.b64decode(item["body"]), ids),
        "context": {"client_region": client.meta.region_name, "client_config": client.meta.config},
    }
    operation = client.meta.service_model.operation_model(item["operation"])
    # Where every method of a client ends: it signs, sends, repeats and reads the answer.
    http, _parsed = client._endpoint.make_request(operation, request)  # noqa: SLF001
    return bytes(http.content)


def _renewed(text: bytes, ids: dict[bytes, bytes]) -> bytes:
    if len(text) > _LARGEST_TEXT or not ids:
        return text
    return re.sub(b"|".join(map(re.escape, ids)), lambda found: ids[found[0]], text)


@cache
def _client(service: str) -> Any:
    # boto3's stubs know the services by literal names alone.
    make: Any = boto3.client
    return make(service, config=Config(signature_version="s3v4" if service == "s3" else "v4"))


if __name__ == "__main__":
    main()
