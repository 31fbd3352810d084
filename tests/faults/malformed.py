"""Messages that no job can be made of: each body with a word of the reason that has to be given."""

from __future__ import annotations

import json
from typing import Any

_GOOD_KEY = "uploads/a.wav"


def _fields(job_id: Any, **more: Any) -> str:
    return json.dumps({"job_id": job_id, "s3_key": _GOOD_KEY} | more)


def messages(job_id: str) -> list[tuple[str, str]]:
    """Return bodies and words of their reasons; the id is a valid one that no job has."""
    opened = f'{{"job_id": "{job_id}", "s3_key": "{_GOOD_KEY}"'
    return [
        # No object
        (opened, "JSON"),
        (f"\ufeff{_fields(job_id)}", "JSON"),
        ("null", "null"),
        ("[]", "array"),
        (json.dumps(_fields(job_id)), "string"),
        ("[" * 7000 + "]" * 7000, "JSON"),
        # Too much
        (_fields(job_id, more="x" * 250_000), "at most"),
        ("[" * 100_000 + "]" * 100_000, "at most"),
        # Not JSON, though Python reads it
        (f'{opened}, "attempt": NaN}}', "JSON"),
        (f'{opened}, "attempt": -Infinity}}', "JSON"),
        # A field twice: which one counts?
        (f'{opened}, "job_id": "another"}}', "twice"),
        (f'{opened}, "s3_key": "uploads/b.wav"}}', "twice"),
        # Ids
        ("{}", "job_id is missing"),
        (_fields(None), "job_id is a JSON null"),
        (_fields(4), "job_id is a JSON number"),
        (_fields([job_id]), "job_id is a JSON array"),
        (_fields(""), "job_id must be"),
        (_fields(f"{job_id}\n"), "job_id must be"),
        (_fields(f"../{job_id}"), "job_id must be"),
        (_fields(f"{job_id}/../x"), "job_id must be"),
        (_fields(f"{job_id}'; drop table public.jobs; --"), "job_id must be"),
        (_fields("' or 1=1 --"), "job_id must be"),
        (_fields("a" * 129), "job_id must be"),
        (_fields("j\u00f6b"), "job_id must be"),
        # Keys
        (json.dumps({"job_id": job_id}), "s3_key is missing"),
        (_fields(job_id, s3_key={"key": _GOOD_KEY}), "s3_key is a JSON object"),
        (_fields(job_id, s3_key=False), "s3_key is a JSON boolean"),
        (_fields(job_id, s3_key=""), "1 to 1024"),
        (_fields(job_id, s3_key="\u00fc" * 513), "1 to 1024"),
        (_fields(job_id, s3_key="/etc/passwd"), "begins with"),
        (_fields(job_id, s3_key=".."), "segment"),
        (_fields(job_id, s3_key="uploads/../../secrets/a.wav"), "segment"),
        (_fields(job_id, s3_key="uploads/a\u0000.wav"), "control"),
        (_fields(job_id, s3_key="uploads/a\r\nHost: b.wav"), "control"),
        (_fields(job_id, s3_key="uploads/\u202evaw.exe"), "control"),
        (_fields(job_id, s3_key="uploads/\ud800.wav"), "control"),
        # The rest
        (_fields(job_id, pipeline="rm -rf"), "pipeline must be"),
        (_fields(job_id, pipeline=["audio-clean"]), "pipeline must be"),
        (_fields(job_id, preset="../../etc/passwd"), "preset must be"),
        (_fields(job_id, preset=1), "preset must be"),
        (_fields(job_id, attempt=0), "attempt must be"),
        (_fields(job_id, attempt=-1), "attempt must be"),
        (_fields(job_id, attempt=1.5), "attempt must be"),
        (_fields(job_id, attempt="1"), "attempt must be"),
        (_fields(job_id, attempt=True), "attempt must be"),
        (_fields(job_id, attempt=2**31), "attempt must be"),
        (f'{opened}, "attempt": 1e400}}', "attempt must be"),
    ]
