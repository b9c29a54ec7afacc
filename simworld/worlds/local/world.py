"""The file world: two strategies behind one constructor (``LocalLog``)."""

from __future__ import annotations

from simworld.ports import Clock, Files, Ids, Storage, Tasks
from simworld.records import LocalLog, LocalProfile, WorldProfile
from simworld.worlds.local.minted import MintedWorld
from simworld.worlds.local.slots import SlotsWorld
from simworld.worlds.prefixes import Prefixes


class LocalWorld:
    """``ports.Storage`` on files; several instances on one tree are several processes."""

    def __init__(
        self,
        files: Files,
        *,
        clock: Clock,
        ids: Ids,
        tasks: Tasks,
        profile: LocalProfile,
        world: WorldProfile,
        prefixes: Prefixes | None = None,
    ) -> None:
        """``prefixes``: shared with others, so that none folds again what one has folded."""
        inner: Storage
        if profile.local_log is LocalLog.SLOTS:
            inner = SlotsWorld(
                files,
                clock=clock,
                ids=ids,
                tasks=tasks,
                profile=profile,
                world=world,
                prefixes=prefixes,
            )
        else:
            inner = MintedWorld(
                files, clock=clock, ids=ids, tasks=tasks, profile=profile, world=world
            )
        # Bound once: each call of the port is one of the strategy, without a frame between.
        self.create = inner.create
        self.append = inner.append
        self.wait_end = inner.wait_end
        self.events = inner.events
        self.run = inner.run
        self.hook = inner.hook
        self.active_runs = inner.active_runs
