"""References: what stands in a payload for a stream or for an abort signal.

Plain classes, not attrs: the codec gives them a type of their own in the bytes, so that they come
back as what they are wherever in a payload they stand.
"""

from __future__ import annotations


class StreamRef:
    """A stream of a run; equal names of one run are one stream."""

    __slots__ = ("name", "run_id")

    def __init__(self, run_id: str, name: str) -> None:
        self.run_id = run_id
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StreamRef) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[str, str]:
        return self.run_id, self.name

    def __repr__(self) -> str:
        return f"StreamRef({self.run_id!r}, {self.name!r})"


class AbortSignal:
    """Tells steps whether the workflow has given up on them; made by ``create_abort``.

    It carries what it says along: a step that is called after ``abort`` sees it at once.
    """

    __slots__ = ("aborted", "reason", "stream")

    def __init__(self, stream: StreamRef, *, aborted: bool = False, reason: object = None) -> None:
        self.stream = stream
        self.aborted = aborted
        """Whether the workflow had called ``abort``; a step asks ``ctx.aborted`` for later news."""
        self.reason = reason
