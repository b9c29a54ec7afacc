"""The log of a file world whose events are files named by ids that were minted first.

A list is one look at a folder (or at the folders that can hold what is behind the cursor) and one
batched read, then a sort by (createdAt, id).  It is no snapshot: an event that is published later
under a smaller id appears behind the cursors of those who have read on (R-45), and a file that is
not yet complete is passed over (R-57).
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.engine import Event
from simworld.errors import UsageError
from simworld.marks import reached
from simworld.ports import Files, Page
from simworld.records import LastCursor, LocalLayout, LocalProfile, WorldProfile
from simworld.worlds.codec import decode_event, encode_event
from simworld.worlds.local.layout import (
    EVENTS,
    bucket_of,
    bucketed_event_path,
    flat_event_path,
    flat_ids,
    ids_after,
    log_order,
    piece,
)


def cursor_of(event: Event) -> str:
    """The cursor right behind an event."""
    return f"{event.created_at_ms}|{event.event_id}"


class MintedLog:
    """The logs of all runs."""

    def __init__(self, files: Files, profile: LocalProfile, world: WorldProfile) -> None:
        self._files = files
        self._flat = profile.local_layout is LocalLayout.FLAT
        self._path = flat_event_path if self._flat else bucketed_event_path
        self._put = files.link if profile.local_linked_events else files.create
        self._page_max = world.page_max
        self._last_cursor = world.last_cursor is LastCursor.KEPT

    async def publish(self, event: Event) -> bool:
        """Make an event visible; False if it is there already."""
        return await self._put(self._path(event.run_id, event.event_id), encode_event(event))

    async def all(self, run_id: str) -> Sequence[Event]:
        """The whole log."""
        return await self._load(run_id, await self._ids(run_id, ""))

    async def events(self, run_id: str, cursor: str | None) -> Page:
        """See ``ports.Storage``; the cursor is ``createdAt|eventId`` of the last event returned."""
        ids = await self._ids(run_id, _cursor_id(cursor))
        found: Sequence[Event] = ()
        while ids and not found:  # where all files of a page are torn, the next one is looked at
            page, ids = ids[: self._page_max], ids[self._page_max :]
            found = await self._load(run_id, page)
        with_cursor = found and (ids or self._last_cursor)
        return Page(found, cursor_of(found[-1]) if with_cursor else None, bool(found and ids))

    async def _ids(self, run_id: str, after: str) -> list[str]:
        """The ids of the events behind a cursor, in their order."""
        if self._flat:
            return ids_after(flat_ids(run_id, await self._files.list(EVENTS)), after)
        folder = f"{EVENTS}/{piece(run_id)}"
        first = bucket_of(after) if after else ""
        ids: list[str] = []
        for bucket in await self._files.list(folder):
            if bucket >= first:
                ids += await self._files.list(f"{folder}/{bucket}")
        return ids_after(ids, after)

    async def _load(self, run_id: str, ids: Sequence[str]) -> list[Event]:
        if not ids:
            return []
        found = []
        for data in await self._files.read_all([self._path(run_id, each) for each in ids]):
            try:
                found.append(decode_event(data or b""))
            except UsageError:
                reached("event.torn")
        found.sort(key=log_order)
        return found


def _cursor_id(cursor: str | None) -> str:
    if cursor is None:
        return ""
    created_at, _, event_id = cursor.partition("|")
    digits = event_id.removeprefix("evnt_")
    if created_at.isdigit() and event_id != digits and digits.isalnum() and digits.isascii():
        return event_id
    raise UsageError(f"{cursor[:80]!r} is not a cursor of this world")
