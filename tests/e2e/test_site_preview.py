"""The preview of an empty account, the converge, and the silence after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.site import Site, site


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("preview")) as running:
        yield running


def test_preview_of_an_empty_account_then_converge_then_silence(empty: Site) -> None:
    preview = empty.preview()
    assert preview.writes == []
    assert {action for action, _, _ in preview.touched} == {"create"}
    applied = empty.converge()
    assert sorted(applied.touched) == sorted(preview.touched)
    for silent in (empty.converge(), empty.preview()):
        assert silent.last_line == "No changes."
        assert silent.writes == []
        assert silent.plan["roles"] == []
