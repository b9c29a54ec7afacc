"""Everything a handler may call, in one record."""

from __future__ import annotations

import attrs

from simworld.engine import EnginePolicy, Program
from simworld.ports import Bodies, Clock, Ids, Queue, RunLog, Storage, Streams, Tasks


@attrs.frozen
class Services:
    """The ports, the program and the knobs of one engine instance."""

    program: Program
    policy: EnginePolicy
    storage: Storage
    queue: Queue
    streams: Streams
    tasks: Tasks
    clock: Clock
    bodies: Bodies
    ids: Ids
    log: RunLog
