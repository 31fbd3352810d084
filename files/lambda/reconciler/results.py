"""What an attempt has published: the manifest in the derived bucket decides, whatever became of its worker."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError


@dataclass(frozen=True)
class Results:
    """Reads manifests; ``s3`` is boto3's client."""

    s3: Any
    bucket: str

    def manifest(self, job_id: str) -> dict[str, Any] | None:
        """Return the manifest of a job, None when nothing was published. Raises botocore's errors: try again."""
        try:
            found = self.s3.get_object(Bucket=self.bucket, Key=f"derived/{job_id}/manifest.json")
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        manifest: dict[str, Any] = json.loads(found["Body"].read())
        return manifest
