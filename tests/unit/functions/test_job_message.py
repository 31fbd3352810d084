"""The parser of the jobs queue: what it accepts, the sentence for what it refuses, and that nothing else can happen."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

import job_message
import pytest
from hypothesis import HealthCheck, given, settings
from job_message import MAX_BODY_BYTES, JobMessage, MalformedMessageError, parse

from tests.unit.functions.hostile import ODD_CHARACTERS, PATH_TRICKS, SQL, TOKENS, bodies, sqs_takes

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

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
        (
            {"overrides": {"loudness_lufs": -18, "hum": False, "formats": ["mp3"], "denoise_db": 12.34567890}},
            JobMessage(
                "job-1",
                "uploads/talk.wav",
                "audio-clean",
                overrides='{"denoise_db":12.345679,"formats":["mp3"],"hum":false,"loudness_lufs":-18}',
            ),
        ),
        ({"overrides": {}}, JobMessage("job-1", "uploads/talk.wav", "audio-clean")),
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
        ("overrides", [], "overrides is a JSON array"),
        ("overrides", "loudness_lufs=-18", "overrides is a JSON string"),
        ("overrides", {"Loudness": 1}, "overrides names a field with other characters"),
        ("overrides", {"a" * 65: 1}, "or with over 64"),
        (
            "overrides",
            {"hum": None},
            "overrides.hum must be a number up to 1000000, true or false, or a list of words.",
        ),
        ("overrides", {"hum": {"base": 50}}, "overrides.hum must be"),
        ("overrides", {"formats": ["../x"]}, "overrides.formats must be"),
        ("overrides", {"formats": [["mp3"]]}, "overrides.formats must be"),
        ("overrides", {"loudness_lufs": 10**6 + 1}, "overrides.loudness_lufs must be"),
        ("overrides", {f"f{number}": 123456.654321 for number in range(60)}, "bytes; it may have 1000."),
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


def check(body: str) -> JobMessage | None:
    """Assert that the body is either accepted for good or refused in one printable sentence."""
    try:
        message = parse(body)
    except MalformedMessageError as error:
        sentence = str(error)
        assert sentence.endswith(".")
        assert sentence.isprintable()
        assert sentence.isascii(), "a sentence quotes nothing that was sent"
        assert len(sentence) < 200
        return None
    again = message.body()
    assert parse(again) == message
    assert sqs_takes(again)
    assert len(again.encode()) <= MAX_BODY_BYTES
    assert 1 <= len(message.deduplication_id) <= 128
    assert ".." not in message.s3_key.split("/")
    assert not message.s3_key.startswith("/")
    assert 1 <= message.attempt < 2**31
    return message


# The machine may be busy, so nothing here has a deadline; what bounds the work is counted below.
@given(bodies)
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_body_is_accepted_for_good_or_refused_in_words(body: str) -> None:
    check(body)


@pytest.mark.parametrize("key", PATH_TRICKS)
def test_tricks_with_paths_are_refused_or_plain_names(key: str) -> None:
    """What is accepted is a key of S3, where only "/" parts a name and nothing is decoded."""
    message = check(json.dumps(GOOD | {"s3_key": key}))
    refused = key.startswith("/") or ".." in key.split("/") or "\n" in key
    assert (message is None) == refused
    assert message is None or message.s3_key == key


@pytest.mark.parametrize("character", ODD_CHARACTERS)
def test_odd_characters_are_refused_or_kept(character: str) -> None:
    kept = {"\u200b", "\u200d", "\ufeff", "\ufffe", "\uffff", "\U0010ffff", "\U000e0041", "é", "e\u0301", "👩‍💻"}
    message = check(json.dumps(GOOD | {"s3_key": f"a{character}b"}))
    assert (message is not None) == (character in kept)
    assert message is None or message.s3_key == f"a{character}b"
    assert check(json.dumps(GOOD | {"job_id": f"a{character}b"})) is None


@pytest.mark.parametrize("text", SQL)
def test_sql_is_no_id(text: str) -> None:
    assert check(json.dumps(GOOD | {"job_id": text})) is None
    assert check(json.dumps(GOOD | {"preset": text})) is None


@pytest.mark.parametrize("token", ["1e999", "-1e999", "1e6000", "9" * 4000, "1e-300", "NaN", "true", "[]"])
def test_numbers_that_are_no_setting(token: str) -> None:
    """What passes is written out by the database with few digits."""
    message = check('{"job_id": "a", "s3_key": "b", "overrides": {"hum": ' + token + "}}")
    assert (message is not None) == (token in {"1e-300", "true", "[]"})
    assert message is None or message.overrides in {'{"hum":0.0}', '{"hum":true}', '{"hum":[]}'}


@pytest.mark.parametrize("token", TOKENS)
def test_numbers_that_are_no_attempt(token: str) -> None:
    assert check('{"job_id": "a", "s3_key": "b", "attempt": ' + token + "}") is None


MEGABYTES: dict[str, Callable[[int], str]] = {
    "one string": lambda n: '{"job_id": "' + "a" * n + '"}',
    "opening brackets": lambda n: "[" * n,
    "nested objects": lambda n: '{"a":' * (n // 5),
    "a long number": lambda n: "9" * n,
    "whitespace": lambda n: " " * n + json.dumps(GOOD),
    "many fields": lambda n: "{" + ",".join(f'"k{i}":{i}' for i in range(n // 10)) + "}",
    "one field again and again": lambda n: "{" + ",".join(['"a":1'] * (n // 6)) + "}",
    "backslashes": lambda n: '{"s3_key": "' + "\\" * n,
    "dots": lambda n: json.dumps({"job_id": "a", "s3_key": "../" * (n // 3)}),
    "slashes": lambda n: json.dumps({"job_id": "a", "s3_key": "a" + "/" * n}),
    "almost an id": lambda n: json.dumps({"job_id": "a" * n + "!", "s3_key": "a"}),
    "joiners": lambda n: json.dumps({"job_id": "a", "s3_key": "\u200d" * (n // 6)}),
}


def steps(body: str) -> int:
    """Count the calls, C functions included, that parsing makes: a measure of work that no busy machine changes."""
    counted = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        check_only_parses(body)
    finally:
        sys.setprofile(None)
    return counted


def check_only_parses(body: str) -> None:
    with contextlib.suppress(MalformedMessageError):
        parse(body)


@pytest.mark.parametrize("shape", MEGABYTES)
def test_the_work_grows_no_faster_than_the_body(shape: str) -> None:
    make = MEGABYTES[shape]
    small, large = (steps(make(size)) for size in (MAX_BODY_BYTES // 4, MAX_BODY_BYTES * 15 // 16))
    assert large <= 4 * small + 50


@pytest.mark.parametrize("shape", MEGABYTES)
def test_megabytes_are_refused_unread(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = MEGABYTES[shape](1 << 20)
    monkeypatch.setattr(job_message.json, "loads", lambda *_, **__: pytest.fail("it was decoded"))
    assert check(body) is None
    assert steps(body) == steps(body * 2), "the size alone decides"


@given(body=bodies)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_the_database_accepts_what_the_parser_accepts(store: JobStore, body: str) -> None:
    message = check(body)
    if message is not None:
        store.claim(message, 60)


def test_deduplication_ids_of_long_job_ids_differ() -> None:
    first, second = (JobMessage(letter + "a" * 127, "k", "video").deduplication_id for letter in "xy")
    assert first != second
    assert len(first) <= 128
    assert JobMessage("job-1", "k", "video", attempt=4).deduplication_id == "job-1.4"
