"""What every test relies on: the fast ones run first, and properties draw the same every time."""

from __future__ import annotations

import os

import pytest
from hypothesis import Phase, settings

from tests.pgserver import pg_dsn, pg_server  # noqa: F401  (fixtures)
from tests.result_table import pytest_addoption, pytest_configure  # noqa: F401  (hooks)

# Pages are as wide as a pipe wants them, whatever terminal the tests are started from.
os.environ.pop("COLUMNS", None)

# A gate must not depend on luck or on what an earlier run left behind.
settings.register_profile(
    "gate",
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate, Phase.target, Phase.shrink),
)
settings.load_profile("gate")


def _speed(item: pytest.Item) -> int:
    if item.get_closest_marker("prove"):
        return 2
    return 1 if item.get_closest_marker("slow") else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first, so that a plain mistake shows within seconds."""
    items.sort(key=_speed)
