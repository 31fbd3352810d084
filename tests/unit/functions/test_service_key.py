"""A service key that was replaced while the sandbox lives is read again, once, and only then."""

from __future__ import annotations

import httpx
import pytest
from job_store import JobStore, StoreUnavailableError


class Supabase(httpx.BaseTransport):
    """Takes one key."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.asked_with: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        given = request.headers["apikey"]
        assert request.headers["authorization"] == f"Bearer {given}"
        assert request.read() == b'{"p_job_id":"a","p_attempt":1}'
        self.asked_with.append(given)
        if given != self.key:
            return httpx.Response(401, json={"message": "Invalid API key"})
        return httpx.Response(200, json=True)


def _store(supabase: Supabase, keys: list[str]) -> JobStore:
    """Return a store that began with the key `old`, and reads the next of `keys` each time that it asks."""
    return JobStore("http://supabase.test", "old", transport=supabase, renew_key=lambda: keys.pop(0))


def test_a_replaced_key_is_read_once_and_then_kept() -> None:
    supabase, keys = Supabase("new"), ["new"]
    store = _store(supabase, keys)
    assert store.dead_letter_sent("a", 1)
    assert store.dead_letter_sent("a", 1)
    assert supabase.asked_with == ["old", "new", "new"]
    assert keys == []


def test_a_key_that_works_is_not_read_again() -> None:
    supabase = Supabase("old")
    assert _store(supabase, []).dead_letter_sent("a", 1)
    assert supabase.asked_with == ["old"]


@pytest.mark.parametrize(("keys", "asked"), [(["old"], ["old"]), (["other"], ["old", "other"])])
def test_a_key_that_stays_wrong_is_an_outage_and_no_endless_loop(keys: list[str], asked: list[str]) -> None:
    supabase = Supabase("new")
    with pytest.raises(StoreUnavailableError, match="error 401: Invalid API key"):
        _store(supabase, keys).dead_letter_sent("a", 1)
    assert supabase.asked_with == asked


def test_what_reading_the_key_raises_is_told() -> None:
    with pytest.raises(IndexError):
        _store(Supabase("new"), []).dead_letter_sent("a", 1)
