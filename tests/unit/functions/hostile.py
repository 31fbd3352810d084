"""Strategies for bodies of messages as an attacker, a bug or a bad line would send them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

CONTROLS = ["\x00", "\x1b[31m", "\x7f", "\u0085", "\u2028", "\u2029", "\u202e", "\u2066", "\u200b", "\u200d", "\ufeff"]
ODD_CHARACTERS = [*CONTROLS, "\ud800", "\udfff", "\ufffe", "\uffff", "\U0010ffff", "\U000e0041", "é", "e\u0301", "👩‍💻"]
PATH_TRICKS = [
    "../etc/passwd",
    "a/../b",
    "a/..",
    "..",
    "/a",
    "//a",
    "/",
    "a//b",
    "a/./b",
    ".",
    "%2e%2e/a",
    "%2e%2e%2fa",
    "..%2fa",
    "..;/a",
    "..\\a",
    "a\\..\\b",
    "C:\\a",
    "a/...",
    "a...",
    "a/.. /b",
    "a/\u200b../b",
    "a/\uff0e\uff0e/b",
    "s3://other/a",
    "arn:aws:s3:::other/a",
    "http://169.254.169.254/latest",
    "-a.wav",
    "$(reboot)",
    "`id`",
    "a\nb",
    "con",
]
SQL = ["x'; drop table public.jobs; --", "1 or 1=1", "job%", "job,attempt.gt.0", "$1", "E'\\x00'", "job\\"]
# As they stand in JSON: numbers that are none, too large, or equal to another; escapes; structure.
TOKENS = [
    "1e400",
    "-1e400",
    "-0",
    "1.0",
    "1e0",
    "0.1e1",
    "9" * 400,
    "9" * 5000,
    "2147483648",
    "-1",
    "01",
    "+1",
    "NaN",
    "-Infinity",
    "true",
    "null",
    '"1"',
    '"\\u0000"',
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\u202e"',
    '"\\ufffe"',
    "[" * 50,
    '{"a":' * 50,
    "{}",
    "[]",
    '"',
    "\\",
    ",",
    ":",
    '"job_id":"twice",',
    '"attempt":1,',
    "/*",
    "\ufeff",
    " \t\r\n",
]

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
job_ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
odd_text = st.lists(st.sampled_from([*ODD_CHARACTERS, *PATH_TRICKS, *SQL]) | st.text(max_size=5), max_size=4).map(
    "".join
)
keys = st.sampled_from(PATH_TRICKS) | odd_text | st.text(min_size=1) | st.just("uploads/talk.wav")
valid_fields = st.fixed_dictionaries(
    {"job_id": job_ids, "s3_key": st.sampled_from(["uploads/talk.wav", "a/é👩‍💻.mp4", "k" * 1024])},
    optional={
        "pipeline": st.sampled_from(["audio-clean", "video", None]),
        "preset": st.sampled_from(["podcast", None]),
        "overrides": st.sampled_from([{"loudness_lufs": -18.5, "hum": False, "formats": ["mp3", "opus"]}, {}, None]),
        "attempt": st.integers(1, 2**31 - 1),
        "other": any_json,
    },
)
hostile_fields = st.fixed_dictionaries(
    {},
    optional={
        "job_id": job_ids | st.sampled_from(SQL) | odd_text | any_json,
        "s3_key": keys | any_json,
        "pipeline": st.sampled_from(["audio-clean", "video", "shell", "Video"]) | any_json,
        "preset": st.sampled_from(["podcast", "Podcast", "../x"]) | odd_text | any_json,
        "overrides": st.dictionaries(st.sampled_from(["hum", "Hum", "../x"]) | odd_text, any_json) | any_json,
        "attempt": st.integers(-2, 9) | st.floats() | st.integers() | any_json,
        "other": any_json,
    },
)


def _dump(fields: dict[str, Any], ascii_only: bool) -> str:
    return json.dumps(fields, ensure_ascii=ascii_only)


objects = st.builds(_dump, valid_fields | hostile_fields, st.booleans())


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Return the body of a valid message after a few cuts, repetitions and insertions."""
    body = draw(st.builds(_dump, valid_fields, st.booleans()))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(len(body), start + 20)))
        inserted = draw(st.sampled_from([*TOKENS, *ODD_CHARACTERS]) | st.just(body[start:end] * 2) | st.just(""))
        body = body[:start] + inserted + body[end:]
    return body


@st.composite
def swapped(draw: st.DrawFn) -> str:
    """Return a valid message in which the value of one field is a raw token, which need not be JSON."""
    fields = {name: json.dumps(value) for name, value in draw(valid_fields).items()}
    fields[draw(st.sampled_from(["job_id", "s3_key", "attempt", "preset", "overrides", "pipeline", "other"]))] = draw(
        st.sampled_from(TOKENS)
    )
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in fields.items()) + "}"


raw_text = st.text() | st.binary().map(lambda raw: raw.decode("latin-1"))
bodies = objects | mutated() | swapped() | raw_text | any_json.map(json.dumps)


def sqs_takes(text: str) -> bool:
    """Say whether SQS accepts a text. Source: SQS Developer Guide, "Amazon SQS message quotas", Message content."""
    return text != "" and all(
        char in "\t\n\r" or " " <= char <= "\ud7ff" or "\ue000" <= char <= "\ufffd" or char >= "\U00010000"
        for char in text
    )


received_bodies = bodies.filter(sqs_takes)
