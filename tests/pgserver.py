"""Fixtures: one PostgreSQL server for the whole session, a fresh database for every test.

The first test that wants a server starts it (half a second); if there is none to be had, the test
fails and says what was tried.
"""

from __future__ import annotations

import pytest

from simworld.substrates import PrivateServer


@pytest.fixture(scope="session")
def pg_server():
    """A private server; what it commits need not survive the machine."""
    with PrivateServer(durable=False) as server:
        yield server


@pytest.fixture
def pg_dsn(pg_server):
    """The DSN of an empty database."""
    return pg_server.new_database()
