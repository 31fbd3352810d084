"""S3 as the worker uses it: one client, and one object copied to local disk.

Why a local copy and not a proxy or a pipe: MP4 keeps its index at the end and the recording is decoded several times,
so a pipe cannot serve it; a loopback proxy would have ffmpeg open network addresses, which is what its whitelists are
there to prevent, and would fetch the object once per pass. A copy on the task's ephemeral storage is read by ffmpeg
through its ``file`` protocol alone, is never larger than the object, and is fetched by ranges that resume.
"""

import errno
import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tamma_worker.control import Control
from tamma_worker.errors import MissingInputError, TemporaryError
from tamma_worker.patience import attempts
from tamma_worker.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = logging.getLogger(__name__)

MISSING = "The recording has not been uploaded, or has been deleted. Upload it again."
UNREACHABLE = "The storage of recordings could not be reached."
_CHUNK = 1 << 20  # bytes read at a time: memory stays constant
_RANGE = 64 << 20  # bytes asked for at a time: a cut connection costs at most the rest of one

Failure = (BotoCoreError, ClientError)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One version of one object."""

    size: int
    etag: str


def client(settings: Settings) -> "S3Client":
    """Give an S3 client with signature version 4; credentials come from the task role through the environment.

    botocore alone: what boto3 would load on top of it is not used.
    """
    options: dict[str, Any] = {"signature_version": "s3v4", "connect_timeout": 5, "read_timeout": 20}
    options["retries"] = {"mode": "standard", "total_max_attempts": 4}
    if settings.s3_endpoint:  # bucket names as host names do not resolve beside a loopback address
        options["s3"] = {"addressing_style": "path"}
    made: Any = botocore.session.get_session().create_client(  # typed for boto3 only
        "s3", region_name=settings.region, endpoint_url=settings.s3_endpoint, config=Config(**options)
    )
    s3: S3Client = made
    return s3


def code_of(error: Exception) -> str:
    """Name the error as S3 does (``404``, ``NoSuchKey``, ``SlowDown``), or by its class when no answer came."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return type(error).__name__


def look(s3: "S3Client", bucket: str, key: str, control: Control, patience: float) -> StoredObject:
    """Ask for size and ETag before any byte is fetched; a failing S3 has ``patience`` seconds.

    Raises MissingInputError or TemporaryError.
    """
    for number in attempts(patience, control.pause):
        try:
            head = s3.head_object(Bucket=bucket, Key=key)
        except Failure as error:
            if code_of(error) in {"404", "NoSuchKey", "NotFound"}:
                raise MissingInputError("missing_input", MISSING) from error
            log.warning("looking at the recording: try %d: %s", number, code_of(error))
        else:
            return StoredObject(head["ContentLength"], head["ETag"])
    raise TemporaryError("storage_unreachable", UNREACHABLE)


class Fetch:
    """Copies one version of an object to a file, resuming where a connection broke."""

    def __init__(self, s3: "S3Client", bucket: str, key: str, stored: StoredObject) -> None:
        self._s3, self._bucket, self._key, self._stored = s3, bucket, key, stored

    def to(self, path: Path, control: Control, report: Callable[[float], None], patience: float) -> None:
        """Write ``path``; ``report`` gets the fraction done. ``patience`` seconds may pass without a single byte.

        Raises TemporaryError when S3 stays away or the object was replaced meanwhile (its ETag is pinned).
        """
        with path.open("wb") as file:
            while file.tell() < self._stored.size:
                before = file.tell()
                for number in attempts(patience, control.pause):
                    try:
                        self._range(file, control, report)
                    except (*Failure, OSError) as error:
                        self._judge(error, number)
                    if file.tell() > before:
                        break
                else:
                    raise TemporaryError("storage_unreachable", UNREACHABLE)

    def _range(self, file: Any, control: Control, report: Callable[[float], None]) -> None:
        start = file.tell()
        end = min(start + _RANGE, self._stored.size) - 1
        answer = self._s3.get_object(
            Bucket=self._bucket, Key=self._key, Range=f"bytes={start}-{end}", IfMatch=self._stored.etag
        )
        with closing(answer["Body"]) as body:
            for chunk in body.iter_chunks(_CHUNK):
                file.write(chunk)
                report(file.tell() / self._stored.size)
                control.check()

    def _judge(self, error: Exception, number: int) -> None:
        code = code_of(error)
        log.warning("reading the recording: try %d: %s", number, code)
        if code in {"PreconditionFailed", "412"}:
            raise TemporaryError("input_changed", "The recording was replaced while it was read.") from error
        if code in {"NoSuchKey", "404"}:
            raise MissingInputError("missing_input", MISSING) from error
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}:
            raise TemporaryError("disk", f"The recording could not be stored ({error.strerror}).") from error
