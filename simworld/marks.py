"""Marks: named places a search must have been to, before its silence means anything.

``reached("start.accepted_while_running")`` counts; a campaign reads the counts with ``since``.  A
scenario that stays green without reaching the marks it lists has proved nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

_counts: dict[str, int] = {}


def reached(name: str) -> None:
    """Count one visit of the place called ``name`` (dotted, lower case)."""
    _counts[name] = _counts.get(name, 0) + 1


def snapshot() -> dict[str, int]:
    """All counts so far in this process."""
    return dict(_counts)


def since(before: dict[str, int]) -> dict[str, int]:
    """What was reached after ``before`` was taken with ``snapshot``, sorted by name."""
    return {
        name: count - before.get(name, 0)
        for name, count in sorted(_counts.items())
        if count > before.get(name, 0)
    }


@contextlib.contextmanager
def uncounted() -> Iterator[None]:
    """What is reached inside does not count: it is no part of a search."""
    before = snapshot()
    try:
        yield
    finally:
        _counts.clear()
        _counts.update(before)
