"""What a redrive does with a dead letter. Its job decides, and no letter can make a job run that is over for good."""

from __future__ import annotations

from dataclasses import dataclass

from ansible.module_utils.tamma.jobs_table import CANCELLED, Row, doing
from ansible.module_utils.tamma.letters import Letter


@dataclass(frozen=True)
class Fate:
    """What becomes of a letter that is redriven: whether its job is reopened, it is sent and it is deleted."""

    words: str
    reopen: bool = False
    send: bool = False
    delete: bool = True


def fate_of(letter: Letter, row: Row | None, *, discard_malformed: bool) -> Fate:
    """Return what a redrive does with a letter; `row` is that of its job."""
    if letter.message is None:
        return Fate("removed: malformed") if discard_malformed else Fate("stays: malformed", delete=False)
    if row is None:
        return Fate("sent again: the job has no row yet", send=True)
    return _fate_of_job(row, letter.message.attempt)


def _fate_of_job(row: Row, attempt: int) -> Fate:
    """Return what becomes of the message that offers this attempt of a job."""
    if row["status"] == "succeeded":
        return Fate("removed: the job is done")
    if row["status"] != "failed":
        return Fate(f"sent again: the job is {doing(row)}", send=True)
    if row["error_code"] == CANCELLED:
        return Fate("removed: the job was cancelled")
    if row["attempt"] == attempt - 1:
        return Fate(f"reopened for attempt {attempt}", reopen=True, send=True)
    return Fate(f"removed: the job has gone on and {doing(row)}")
