"""Rows in files of their own, as ``local_log=minted`` has them."""

from __future__ import annotations

from typing import TypeVar

import attrs

from simworld.ports import Files
from simworld.worlds.codec import decode_row

T = TypeVar("T")


@attrs.frozen
class TokenOwner:
    """The claim of a token: whose it is, and the event that makes it known."""

    run_id: str
    correlation_id: str
    event_id: str
    created_at_ms: int


async def read_row(files: Files, path: str, kind: type[T]) -> T | None:
    """The row in a file; None if there is none."""
    data = await files.read(path)
    return None if data is None else decode_row(data, kind)


async def read_rows(files: Files, folder: str, kind: type[T]) -> list[T]:
    """All rows of a folder, in the order of their names."""
    paths = [f"{folder}/{name}" for name in await files.list(folder)]
    found = await files.read_all(paths) if paths else ()
    return [decode_row(data, kind) for data in found if data is not None]
