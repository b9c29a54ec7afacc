"""The stream port: named byte streams that a run owns (spec §2.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Chunks(NamedTuple):
    """Consecutive chunks of a stream, and whether the stream ends after them."""

    chunks: Sequence[bytes]
    closed: bool


class StreamInfo(NamedTuple):
    """``tail``: index of the last chunk, −1 when there is none yet."""

    tail: int
    closed: bool


class Streams(Protocol):
    """Append-only lists of chunks, each with one end marker."""

    async def write(self, run_id: str, name: str, chunks: Sequence[bytes]) -> None:
        """Append; the chunks are durable when this returns.  A closed stream refuses (409)."""

    async def close(self, run_id: str, name: str) -> None:
        """Write the end marker; the first one wins."""

    async def read(self, run_id: str, name: str, start: int, *, live: bool) -> Chunks:
        """The chunks from index ``start`` (≥ 0) on.

        ``live``: wait until there is one, or the stream has ended; else answer at once.
        """

    async def info(self, run_id: str, name: str) -> StreamInfo:
        """How long the stream is; a stream nobody has written to is empty and open."""

    async def names(self, run_id: str) -> Sequence[str]:
        """The streams of a run, in the order of their first chunk."""
