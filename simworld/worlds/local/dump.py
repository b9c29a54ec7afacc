"""What a file world holds, for the harness: everything, or what an event has just changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from simworld.engine import Event, HookRow, RunRow, RunStatus, StepRow, WaitRow
from simworld.errors import UsageError
from simworld.ports import Answer, Chunks, Clock, Files, Ids
from simworld.records import LocalLog, LocalProfile, WorldProfile
from simworld.worlds.codec import decode_event, decode_row
from simworld.worlds.local.fold import HOOK_FACTS, STEP_FACTS, WAIT_FACTS, RunFold
from simworld.worlds.local.layout import (
    EVENTS,
    NAMES,
    RUNS,
    STREAMS,
    is_slot,
    log_order,
    piece,
    row_path,
    run_path,
)
from simworld.worlds.local.minted_rows import read_rows
from simworld.worlds.local.slots import decode_slot, run_of
from simworld.worlds.local.streams import CHUNK, END, StreamName
from simworld.worlds.state import WorldState

T = TypeVar("T")


async def read_local(files: Files, profile: LocalProfile) -> WorldState:
    """Rows, logs and streams; of files that nobody writes to meanwhile."""
    streams = await _streams(files)
    if profile.local_log is LocalLog.SLOTS:
        return await _slots(files, streams)
    return await _minted(files, streams)


async def _slots(files: Files, streams: Mapping[tuple[str, str], Chunks]) -> WorldState:
    state = WorldState({}, {}, {}, {}, {}, streams)
    found = WorldState({}, {}, {}, {}, {}, streams)
    runs: dict[str, RunRow] = {}
    steps: dict[tuple[str, str], StepRow] = {}
    hooks: dict[tuple[str, str], HookRow] = {}
    waits: dict[tuple[str, str], WaitRow] = {}
    logs: dict[str, list[Event]] = {}
    for name in await files.list(RUNS):
        events = [
            decode_slot(path, data)
            for bucket in await files.list(f"{RUNS}/{name}")
            for path, data in await _contents(files, f"{RUNS}/{name}/{bucket}")
        ]
        if not events:
            continue
        fold = RunFold(events[0].run_id)
        fold.absorb(events)
    return state
