"""Everything a world holds, as plain data: for the harness, for conformance, for recovery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from simworld.engine import Event, HookRow, RunRow, StepRow, WaitRow
from simworld.ports import Chunks


class WorldState(NamedTuple):
    """Rows by run id, or by (run id, correlation id); logs in the order readers see."""

    runs: Mapping[str, RunRow]
    steps: Mapping[tuple[str, str], StepRow]
    hooks: Mapping[tuple[str, str], HookRow]
    waits: Mapping[tuple[str, str], WaitRow]
    logs: Mapping[str, Sequence[Event]]
    streams: Mapping[tuple[str, str], Chunks]
    """(run id, name) → its chunks."""
