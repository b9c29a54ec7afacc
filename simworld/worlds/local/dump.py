"""What a file world holds, for the harness: everything, or what an event has just changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, TypeVar

from simworld.engine import Event, HookRow, RunRow, RunStatus, StepRow, WaitRow
from simworld.errors import UsageError
from simworld.ports import Answer, Chunks, Files
from simworld.records import LocalLog, LocalProfile
from simworld.worlds.codec import decode_event, decode_events, decode_row
from simworld.worlds.fold import HOOK, KINDS, STEP, WAIT, RunFold
from simworld.worlds.local.known import decode_slot
from simworld.worlds.local.layout import (
    EVENTS,
    RUNS,
    STREAM_NAMES,
    STREAMS,
    is_slot,
    log_order,
    piece,
    row_path,
    run_path,
    slot_path,
)
from simworld.worlds.local.minted_rows import read_rows
from simworld.worlds.local.streams import CHUNK, END, StreamName
from simworld.worlds.state import WorldState

T = TypeVar("T")
Key: TypeAlias = tuple[str, str]


async def read_local(files: Files, profile: LocalProfile) -> WorldState:
    """Rows, logs and streams; of files that nobody writes to meanwhile."""
    read = _slots if profile.local_log is LocalLog.SLOTS else _minted
    return await read(files, await _streams(files), profile)


async def _contents(files: Files, folder: str) -> dict[str, bytes]:
    """Path → content of the files in a folder and in its folders, in the order of their names."""
    paths = [f"{folder}/{name}" for name in await files.list(folder)]
    found: dict[str, bytes] = {}
    for path, data in zip(paths, await files.read_all(paths), strict=True):
        if data is None:
            found |= await _contents(files, path)
        else:
            found[path] = data
    return found


async def _slots(files: Files, streams: Mapping[Key, Chunks], profile: LocalProfile) -> WorldState:
    logs: dict[str, list[Event]] = {}
    folds: dict[str, RunFold] = {}
    for path, data in (await _contents(files, RUNS)).items():
        try:
            events = decode_slot(data, path.split("/")[1], int(path.rpartition("/")[2]))
        except UsageError:
            if profile.local_linked_events:
                raise
            continue  # its writer has died of it
        for event in events:
            run_id = event.run_id
            logs.setdefault(run_id, []).append(event)
            folds.setdefault(run_id, RunFold(run_id)).apply(event)
    rows = folds.values()
    return WorldState(
        {fold.run_id: fold.run for fold in rows if fold.run is not None},
        {(fold.run_id, name): row for fold in rows for name, row in fold.steps.items()},
        {(fold.run_id, name): row for fold in rows for name, row in fold.hooks.items()},
        {(fold.run_id, name): row for fold in rows for name, row in fold.waits.items()},
        logs,
        streams,
    )


async def _minted(
    files: Files, streams: Mapping[Key, Chunks], _profile: LocalProfile
) -> WorldState:
    logs: dict[str, list[Event]] = {}
    for data in (await _contents(files, EVENTS)).values():
        event = _whole(data)
        if event is not None:
            logs.setdefault(event.run_id, []).append(event)
    for log in logs.values():
        log.sort(key=log_order)
    return WorldState(
        {row.run_id: row for row in await read_rows(files, RUNS, RunRow)},
        await _rows(files, "steps", StepRow),
        await _rows(files, "hooks", HookRow),
        await _rows(files, "waits", WaitRow),
        logs,
        streams,
    )


async def _rows(files: Files, kind: str, row: type[T]) -> dict[Key, T]:
    rows = [decode_row(data, row) for data in (await _contents(files, kind)).values()]
    return {(each.run_id, each.correlation_id): each for each in rows}  # type: ignore[attr-defined]


def _whole(data: bytes) -> Event | None:
    """The event in a file; None if it was not written to its end."""
    try:
        return decode_event(data)
    except UsageError:
        return None


async def _streams(files: Files) -> dict[Key, Chunks]:
    names: dict[str, StreamName] = {}
    """Folder → what is in it."""
    for data in (await _contents(files, STREAM_NAMES)).values():
        name = decode_row(data, StreamName)
        names[f"{piece(name.run_id)}/{piece(name.name)}"] = name
    chunks: dict[str, list[bytes]] = {}
    closed: dict[str, bool] = {}
    for path, data in (await _contents(files, STREAMS)).items():
        folder = path.removeprefix(f"{STREAMS}/").rpartition("/")[0]
        if data.startswith(CHUNK):
            chunks.setdefault(folder, []).append(data[1:])
        else:
            closed[folder] = True
            names[folder] = decode_row(data.removeprefix(END), StreamName)
    return {
        (name.run_id, name.name): Chunks(chunks.get(folder, []), folder in closed)
        for folder, name in names.items()
        if folder in chunks or folder in closed
    }


class LocalWitness:
    """Sees every file that comes into being, and knows the rows right after each event."""

    def __init__(self, contents: Mapping[str, bytes], profile: LocalProfile) -> None:
        self._contents = contents
        self._folds: dict[str, RunFold] | None = None
        """The runs, if their logs are the truth; they grow with the files."""
        if profile.local_log is LocalLog.SLOTS:
            self._folds = {}

    def published(self, path: str, data: bytes) -> list[Answer]:
        """The events that the file makes visible, each with the rows right after it."""
        if self._folds is None:
            return [self._minted(decode_event(data))] if path.startswith(f"{EVENTS}/") else []
        if not is_slot(path):
            return []
        events = decode_events(data)
        fold = self._folds.get(events[0].run_id)
        if fold is None or events[0].position != fold.count + 1:
            fold = self._until(events[0])
        answers = []
        for event in events:
            fold.apply(event)
            answers.append(fold.answer(event))
        return answers

    def _until(self, event: Event) -> RunFold:
        """The run up to the event: what we knew of it is gone, if the power has failed."""
        assert self._folds is not None
        run_id = event.run_id
        fold = self._folds[run_id] = RunFold(run_id)
        while fold.count + 1 < event.position:
            for each in decode_events(self._contents[slot_path(run_id, fold.count + 1)]):
                fold.apply(each)
        return fold

    def _minted(self, event: Event) -> Answer:
        run_id, name, kind = event.run_id, event.correlation_id, KINDS[event.type]
        run = self._row(run_path(run_id), RunRow) or RunRow(run_id, RunStatus.PENDING, "", b"", 0)
        step = hook = wait = None
        if kind == STEP:
            step = self._row(row_path("steps", run_id, name), StepRow)
        elif kind == HOOK:
            hook = self._row(row_path("hooks", run_id, name), HookRow)
        elif kind == WAIT:
            wait = self._row(row_path("waits", run_id, name), WaitRow)
        return Answer(event, run, step, hook=hook, wait=wait)

    def _row(self, path: str, kind: type[T]) -> T | None:
        data = self._contents.get(path)
        return None if data is None else decode_row(data, kind)
