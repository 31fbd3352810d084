"""Outputs to S3 under the attempt's own prefix, and the manifest that makes them visible, last."""

import hashlib
import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamma_worker.clean import results
from tamma_worker.control import Control
from tamma_worker.errors import TemporaryError
from tamma_worker.patience import attempts
from tamma_worker.settings import Settings
from tamma_worker.storage import UNREACHABLE, Failure, code_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

log = logging.getLogger(__name__)

_PART = 8 << 20  # bytes: one part is in memory at a time; S3 wants 5 MiB or more, and 10,000 of them are 80 GB
_PAGE = 1000  # keys in one answer of S3, more than all attempts of a job can leave
_TAKEN = {"PreconditionFailed", "412"}  # If-None-Match: the key exists
_BUSY = {"ConditionalRequestConflict", "409"}  # somebody is writing the key this moment


@dataclass
class Publisher:
    """What one attempt has put into the derived bucket, so that it can be taken back."""

    s3: "S3Client"
    settings: Settings
    _keys: list[str] = field(default_factory=list)
    _open: dict[str, str] = field(default_factory=dict)  # key → upload id of an unfinished multipart upload
    _stumbled: bool = False  # an upload was tried again: something may be there that we were not told of

    def upload(self, folder: Path, control: Control) -> dict[str, Any]:
        """Upload every output of ``folder`` and return the manifest that describes them (not yet written)."""
        outputs, written = {}, results(folder)
        for number, (name, (file, content_type)) in enumerate(written.items()):
            control.advance(0.95 + 0.04 * number / len(written), "uploading")
            key = self.settings.prefix + file
            outputs[name] = self._insist(folder / file, key, content_type, control)
        return {"job_id": self.settings.job_id, "attempt": self.settings.attempt, "outputs": outputs}

    def existing_manifest(self) -> dict[str, Any] | None:
        """Read the manifest that some attempt has published, or None."""
        for _ in attempts(self.settings.timing.transfer_patience, Control().pause):
            try:
                found = self.s3.get_object(Bucket=self.settings.derived_bucket, Key=self.settings.manifest_key)
                manifest: dict[str, Any] = json.loads(found["Body"].read())
            except (*Failure, OSError) as error:
                if code_of(error) in {"NoSuchKey", "404"}:
                    return None
                log.warning("reading the manifest: %s", code_of(error))
            else:
                return manifest
        raise TemporaryError("storage_unreachable", UNREACHABLE)

    def publish(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Write the manifest if there is none, and return the one that counts: ours, or that of a faster twin.

        A twin's manifest means that our outputs are deleted. When our own write got through but its answer was lost,
        the repeated write finds the key taken by ourselves; when no answer comes at all the outputs stay, because the
        manifest may be there and point to them.
        """
        ours, self._keys = self._keys, []
        published = self._write(manifest)
        if published.get("attempt") != self.settings.attempt:
            log.info("attempt %s was faster", published.get("attempt"))
            self._keys = ours
            self.take_back()
        return published

    def _write(self, manifest: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps(manifest, indent=2).encode()
        for _ in attempts(self.settings.timing.transfer_patience, Control().pause):
            try:
                self.s3.put_object(
                    Bucket=self.settings.derived_bucket,
                    Key=self.settings.manifest_key,
                    Body=body,
                    ContentType="application/json",
                    IfNoneMatch="*",
                )
            except (*Failure, OSError) as error:
                code = code_of(error)
                if code in _TAKEN:
                    return self.existing_manifest() or manifest
                log.warning("writing the manifest: %s%s", code, " (being written)" if code in _BUSY else "")
            else:
                return manifest
        raise TemporaryError("storage_unreachable", UNREACHABLE)

    def take_back(self) -> None:
        """Abort unfinished uploads and delete what is not published; best effort, lifecycle rules remove the rest."""
        bucket = self.settings.derived_bucket
        for key, upload_id in list(self._open.items()):
            try:
                self.s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
                del self._open[key]
            except (*Failure, OSError) as error:
                log.warning("an upload could not be aborted: %s", code_of(error))
        for key in list(self._keys):
            try:
                self.s3.delete_object(Bucket=bucket, Key=key)
                self._keys.remove(key)
            except (*Failure, OSError) as error:
                log.warning("an output could not be deleted: %s", code_of(error))

    def tidy(self, manifest: dict[str, Any]) -> None:
        """Remove what other attempts of the job, or lost answers, have left beside the published result; best effort.

        Nobody needs it any more: an attempt that is still under way will find the manifest taken.
        """
        if self.settings.attempt == 1 and not self._stumbled:
            return
        bucket, prefix = self.settings.derived_bucket, f"derived/{self.settings.job_id}/"
        needed = {self.settings.manifest_key} | {output["key"] for output in manifest["outputs"].values()}
        try:
            stored = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=_PAGE).get("Contents", [])
            uploads = self.s3.list_multipart_uploads(Bucket=bucket, Prefix=prefix, MaxUploads=_PAGE).get("Uploads", [])
            for key in {item["Key"] for item in stored} - needed:
                self.s3.delete_object(Bucket=bucket, Key=key)
            for upload in uploads:
                self.s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        except (*Failure, OSError) as error:
            log.warning("leftovers stay: %s", code_of(error))

    def _insist(self, path: Path, key: str, content_type: str, control: Control) -> dict[str, Any]:
        for number in attempts(self.settings.timing.transfer_patience, control.pause):
            try:
                return self._upload(path, key, content_type, control)
            except (*Failure, OSError) as error:
                log.warning("uploading %s: try %d: %s", path.name, number, code_of(error))
                self._stumbled = True
                self._abort_quietly(key)
        raise TemporaryError("storage_unreachable", UNREACHABLE)

    def _abort_quietly(self, key: str) -> None:
        upload_id = self._open.pop(key, None)
        if upload_id is None:
            return
        try:
            self.s3.abort_multipart_upload(Bucket=self.settings.derived_bucket, Key=key, UploadId=upload_id)
        except (*Failure, OSError) as error:
            self._open[key] = upload_id  # take_back tries once more
            log.warning("an upload could not be aborted: %s", code_of(error))

    def _upload(self, path: Path, key: str, content_type: str, control: Control) -> dict[str, Any]:
        size = path.stat().st_size
        # Either it is there or it is not: what fits one part needs no upload that can stay unfinished.
        send = self._put if size <= _PART else self._put_parts
        return {
            "key": key,
            "bytes": size,
            "sha256": send(path, key, content_type, control),
            "content_type": content_type,
        }

    def _put(self, path: Path, key: str, content_type: str, control: Control) -> str:
        control.check()
        data = path.read_bytes()
        self._note(key)
        self.s3.put_object(Bucket=self.settings.derived_bucket, Key=key, Body=data, ContentType=content_type)
        return hashlib.sha256(data).hexdigest()

    def _put_parts(self, path: Path, key: str, content_type: str, control: Control) -> str:
        bucket, digest, parts = self.settings.derived_bucket, hashlib.sha256(), list["CompletedPartTypeDef"]()
        created = self.s3.create_multipart_upload(Bucket=bucket, Key=key, ContentType=content_type)
        upload_id = self._open[key] = created["UploadId"]
        with path.open("rb") as file:
            while data := file.read(_PART):
                control.check()
                digest.update(data)
                number = len(parts) + 1
                part = self.s3.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=data)
                parts.append({"PartNumber": number, "ETag": part["ETag"]})
        self._note(key)
        self.s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts})
        del self._open[key]
        return digest.hexdigest()

    def _note(self, key: str) -> None:
        """Remember an output before it exists: an interruption in between must not leave it behind."""
        if key not in self._keys:
            self._keys.append(key)
