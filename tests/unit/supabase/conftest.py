from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.supabase.database import Database, migrated_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def database_server() -> Iterator[str]:
    with migrated_server() as uri:
        yield uri


@pytest.fixture
def database(database_server: str) -> Iterator[Database]:
    database = Database(database_server)
    database.clear()
    yield database
    database.close()
