"""The parser of the jobs queue: what it accepts, the sentence for what it refuses, and that nothing else can happen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from job_message import MAX_BODY_BYTES, JobMessage, MalformedMessageError, parse

if TYPE_CHECKING:
    from job_store import JobStore

GOOD: dict[str, Any] = {"job_id": "job-1", "s3_key": "uploads/talk.wav"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, JobMessage("job-1", "uploads/talk.wav", "audio-clean")),
        ({"s3_key": "a/b.MP4"}, JobMessage("job-1", "a/b.MP4", "video")),
        ({"s3_key": "clip.mp4/voice"}, JobMessage("job-1", "clip.mp4/voice", "audio-clean")),
        ({"s3_key": "mp4"}, JobMessage("job-1", "mp4", "video")),
        ({"s3_key": "a.mp4", "pipeline": "audio-clean"}, JobMessage("job-1", "a.mp4", "audio-clean")),
        (
            {"preset": "voice-note", "attempt": 3},
            JobMessage("job-1", "uploads/talk.wav", "audio-clean", "voice-note", 3),
        ),
        ({"preset": None, "pipeline": None}, JobMessage("job-1", "uploads/talk.wav", "audio-clean")),
        ({"user": {"id": 1}, "": []}, JobMessage("job-1", "uploads/talk.wav", "audio-clean")),
        ({"job_id": "a" * 128}, JobMessage("a" * 128, "uploads/talk.wav", "audio-clean")),
        ({"s3_key": "é" * 512}, JobMessage("job-1", "é" * 512, "audio-clean")),
        (
            {"s3_key": "uploads/👩\u200d💻 ..talk...wav"},
            JobMessage("job-1", "uploads/👩\u200d💻 ..talk...wav", "audio-clean"),
        ),
    ],
)
def test_accepted(changes: dict[str, Any], expected: JobMessage) -> None:
    assert parse(json.dumps(GOOD | changes)) == expected


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("", "The body is not valid JSON."),
        ("{", "The body is not valid JSON."),
        ('{"job_id": NaN}', "The body is not valid JSON."),
        ("[" * 15_000, "The body is not valid JSON."),
        ("9" * 15_000, "The body is not valid JSON."),
        ("null", "The body is a JSON null; it must be an object with job_id and s3_key."),
        ("[]", "The body is a JSON array; it must be an object with job_id and s3_key."),
        ("true", "The body is a JSON boolean; it must be an object with job_id and s3_key."),
        ('{"job_id": "a", "job_id": "b", "s3_key": "c"}', "The body names a field twice."),
        (
            json.dumps(GOOD | {"note": "x" * MAX_BODY_BYTES}),
            "The body has 16445 bytes; a job's message has at most 16384.",
        ),
    ],
)
def test_refused_bodies(body: str, sentence: str) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        parse(body)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("field", "value", "part"),
    [
        ("job_id", None, "job_id is a JSON null"),
        ("job_id", 7, "job_id is a JSON number"),
        ("job_id", "", "job_id must be 1 to 128"),
        ("job_id", "-a", "begin with a letter or digit"),
        ("job_id", "a" * 129, "1 to 128"),
        ("job_id", "a\n", "1 to 128"),
        ("job_id", "\uff41", "1 to 128"),
        ("job_id", "x'; drop table jobs; --", "1 to 128"),
        ("job_id", "../x", "1 to 128"),
        ("s3_key", ["a"], "s3_key is a JSON array"),
        ("s3_key", "", "s3_key has 0 bytes"),
        ("s3_key", "/etc/passwd", 'begins with "/"'),
        ("s3_key", "a/../b", 'segment ".."'),
        ("s3_key", "..", 'segment ".."'),
        ("s3_key", "é" * 513, "s3_key has 1026 bytes"),
        ("s3_key", "a\x00b", "control characters"),
        ("s3_key", "a\u0085b", "control characters"),
        ("s3_key", "a\u2028b", "control characters"),
        ("s3_key", "a\u202egnp.exe", "control characters"),
        ("s3_key", "a\ud800", "control characters"),
        ("pipeline", "shell", "pipeline must be one of audio-clean, video."),
        ("pipeline", {}, "pipeline must be one of"),
        ("preset", "../x", "preset must be"),
        ("preset", 1, "preset must be"),
        ("preset", "", "preset must be"),
        ("attempt", 0, "attempt must be"),
        ("attempt", True, "attempt must be"),
        ("attempt", "1", "attempt must be"),
        ("attempt", 1.0, "attempt must be"),
        ("attempt", 2**31, "attempt must be"),
        ("attempt", None, "attempt must be"),
    ],
)
def test_refused_fields(field: str, value: object, part: str) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        parse(json.dumps(GOOD | {field: value}))
    assert part in str(caught.value)


@pytest.mark.parametrize("field", ["job_id", "s3_key"])
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(MalformedMessageError, match=f"^{field} is missing.$"):
        parse(json.dumps({name: value for name, value in GOOD.items() if name != field}))


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
hostile_objects = st.fixed_dictionaries(
    {},
    optional={
        "job_id": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True) | any_json,
        "s3_key": st.text(min_size=1) | st.sampled_from(["a/../b", "/a", "a\x7f", "ok.wav"]) | any_json,
        "pipeline": st.sampled_from(["audio-clean", "video", "x"]) | any_json,
        "preset": st.sampled_from(["podcast", "Podcast"]) | any_json,
        "attempt": st.integers(-2, 9) | any_json,
        "other": any_json,
    },
).map(json.dumps)


def check(body: str) -> JobMessage | None:
    """Assert that the body is either accepted for good or refused in one printable sentence."""
    try:
        message = parse(body)
    except MalformedMessageError as error:
        sentence = str(error)
        assert sentence.endswith(".")
        assert sentence.isprintable()
        assert len(sentence) < 200
        return None
    assert parse(message.body()) == message
    assert 1 <= len(message.deduplication_id) <= 128
    assert ".." not in message.s3_key.split("/")
    return message


@given(st.text() | hostile_objects | any_json.map(json.dumps))
@settings(max_examples=300, deadline=None)  # the machine may be busy
def test_every_body_is_accepted_for_good_or_refused_in_words(body: str) -> None:
    check(body)


@given(body=hostile_objects)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_database_accepts_what_the_parser_accepts(store: JobStore, body: str) -> None:
    message = check(body)
    if message is not None:
        store.claim(message, 60)


def test_deduplication_ids_of_long_job_ids_differ() -> None:
    first, second = (JobMessage(letter + "a" * 127, "k", "video").deduplication_id for letter in "xy")
    assert first != second
    assert len(first) <= 128
    assert JobMessage("job-1", "k", "video", attempt=4).deduplication_id == "job-1.4"
