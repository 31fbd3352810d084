"""Whatever is changed behind the stack's back is named by a preview, repaired by a run, and silent after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.e2e.drift import deletions, functions, identity, network, storage
from tests.e2e.drift.mutation import Mutation
from tests.e2e.site import Run, Site, site

MUTATIONS: Mapping[str, Mutation] = {
    **network.MUTATIONS,
    **storage.MUTATIONS,
    **identity.MUTATIONS,
    **functions.MUTATIONS,
}
_RENEWED = "(known after apply)"
Change = tuple[str, str, str, str, Any, Any]
"""Action, kind, name, property, value before and after."""


class Owner:
    """Root of the account, past the proxy."""

    def __init__(self, stack: Site) -> None:
        self.id = str(stack.cloud.account_id)
        self._stack = stack
        self._clients: dict[str, Any] = {}

    def __call__(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._stack.aws(service)
        return self._clients[service]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("drift")) as running:
        running.converge()
        yield running


def batches(mutations: Mapping[str, Mutation]) -> list[dict[str, Mutation]]:
    """Put mutations together that are about different properties; the first property of a path is what counts."""
    result: list[dict[str, Mutation]] = []
    for label, mutation in mutations.items():
        place = next((batch for batch in result if not _meets(batch, mutation)), None)
        if place is None:
            result.append(place := {})
        place[label] = mutation
    return result


def _meets(batch: Mapping[str, Mutation], mutation: Mutation) -> bool:
    return any(_claims(other) & _claims(mutation) for other in batch.values())


def _claims(mutation: Mutation) -> set[tuple[str, str, str]]:
    properties = [mutation.property, *(name for name, _, _ in mutation.also)]
    return {(mutation.kind, mutation.name, name.partition(".")[0].partition("[")[0]) for name in properties}


def expected(mutation: Mutation, account: str) -> list[Change]:
    """Return the changes that a preview must show."""
    main = (mutation.property, mutation.before, mutation.after)
    where = (mutation.action, mutation.kind, mutation.name)
    return [(*where, name, _filled(old, account), _filled(new, account)) for name, old, new in (main, *mutation.also)]


def _filled(value: Any, account: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, account) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, account) for item in value]
    return value.replace("{account}", account) if isinstance(value, str) else value


def shown(preview: Run) -> list[Change]:
    """Return every change that a preview shows, but for what is only known afterwards."""
    return [
        (action, kind, name, item, *values)
        for _, action, kind, name, item, values in preview.changes
        if values[1] != _RENEWED
    ]


def _follows(change: Change, places: list[tuple[str, str, str]]) -> bool:
    _, kind, name, path, _, _ = change
    return any((kind, name) == (where, called) and path.startswith(begin) for where, called, begin in places)


def make(stack: Site, batch: Mapping[str, Mutation]) -> Run:
    """Do all of a batch and return the preview after it."""
    owner = Owner(stack)
    for label, mutation in batch.items():
        try:
            mutation.act(owner)
        except Exception as error:
            error.add_note(f"in the mutation: {label}")
            raise
    preview = stack.preview()
    assert preview.writes == []
    return preview


def assert_repaired(stack: Site) -> None:
    stack.converge()
    again = stack.preview()
    assert shown(again) == []
    assert again.last_line == "No changes."
    assert again.writes == []


@pytest.mark.parametrize("batch", batches(MUTATIONS))
def test_what_was_changed_is_named_and_repaired(stack: Site, batch: dict[str, Mutation]) -> None:
    preview = make(stack, batch)
    found = shown(preview)
    wanted = {label: expected(mutation, str(stack.cloud.account_id)) for label, mutation in batch.items()}
    unseen = {label: changes for label, changes in wanted.items() if not all(change in found for change in changes)}
    foretold = [change for changes in wanted.values() for change in changes]
    follow = [place for mutation in batch.values() for place in mutation.elsewhere]
    unasked = [change for change in found if change not in foretold and not _follows(change, follow)]
    assert (unseen, unasked) == ({}, [])
    assert_repaired(stack)


@pytest.mark.parametrize("batch", deletions.BATCHES)
def test_what_was_deleted_comes_back(stack: Site, batch: dict[str, Mutation]) -> None:
    preview = make(stack, batch)
    found = shown(preview)
    wanted = {label: expected(mutation, str(stack.cloud.account_id)) for label, mutation in batch.items()}
    assert {label: changes for label, changes in wanted.items() if not all(change in found for change in changes)} == {}
    created = {(kind, name) for action, kind, name in preview.touched if action == "create"}
    assert created == {(mutation.kind, mutation.name) for mutation in batch.values()}
    assert_repaired(stack)
