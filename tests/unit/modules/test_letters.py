"""Reading a dead-letter queue comes to an end, and what is sent is sent evenly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import tests.ansible_modules  # noqa: F401 - makes ansible.module_utils.tamma importable

from ansible.module_utils.tamma import letters  # isort: skip


class SlowToRead:
    """A queue whose messages come again before the last one was seen, oldest first."""

    def __init__(self, number: int, visible_after: int) -> None:
        self.messages = [
            {"MessageId": str(n), "ReceiptHandle": str(n), "Body": "{}", "Attributes": {}} for n in range(number)
        ]
        self.visible_after, self.receives = visible_after, 0
        self.hidden_at: dict[str, int] = {}
        self.shown_again: set[str] = set()
        self.asked: list[dict[str, Any]] = []

    def get_queue_url(self, **_: Any) -> dict[str, str]:
        return {"QueueUrl": "q"}

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        return {"Attributes": {"ApproximateNumberOfMessages": str(len(self.messages))}}

    def receive_message(self, **asked: Any) -> dict[str, Any]:
        self.receives += 1
        self.asked.append(asked)
        assert self.receives < 1000, "it goes round for ever"
        ready = [
            m for m in self.messages if self.receives - self.hidden_at.get(m["MessageId"], -99) > self.visible_after
        ]
        taken = ready[: asked["MaxNumberOfMessages"]]
        self.hidden_at |= {message["MessageId"]: self.receives for message in taken}
        return {"Messages": taken}

    def change_message_visibility_batch(self, **asked: Any) -> dict[str, Any]:
        self.shown_again |= {entry["ReceiptHandle"] for entry in asked["Entries"]}
        return {}


@pytest.mark.parametrize("visible_after", [0, 1, 3, 99])
def test_a_queue_that_shows_its_messages_too_early_is_left_after_one_round(visible_after: int) -> None:
    sqs = SlowToRead(35, visible_after)
    seen: list[str] = []

    def look(found: list[letters.Letter]) -> Iterator[letters.Letter]:
        seen.extend(letter.message_id for letter in found)
        yield from ()

    letters.DeadLetterQueue(sqs, "q").rounds(look)
    assert len(seen) == len(set(seen))
    assert sqs.shown_again == set(seen)
    assert (len(seen) == 35) == (visible_after >= 3)


def test_the_longer_the_queue_and_the_pace_the_longer_messages_are_hidden() -> None:
    def visibility(number: int, pace: float) -> tuple[int, int]:
        sqs = SlowToRead(number, 99)
        letters.DeadLetterQueue(sqs, "q").rounds(lambda _letters: iter(()), pace)
        return sqs.asked[0]["MaxNumberOfMessages"], sqs.asked[0]["VisibilityTimeout"]

    assert visibility(0, 0) == (10, 30)
    assert visibility(400, 0) == (10, 50)
    assert visibility(0, 0.2) == (10, 32)
    assert visibility(0, 100) == (1, 130)


def test_the_pace_is_even_and_what_took_long_is_not_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(letters.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(letters.time, "sleep", sleep)
    pace = letters.Pace(2)
    moments = []
    for took in (0.0, 0.2, 3.0, 0.0, 0.0):
        pace.wait()
        moments.append(now[0] - 100)
        now[0] += took
    assert moments == pytest.approx([0, 0.5, 1.0, 4.0, 4.5])
