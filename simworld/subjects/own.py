"""A subject's own world, where it comes with one, as our storage and streams."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import NamedTuple

from simworld.errors import UsageError
from simworld.ports import Clock, Storage, Streams, Tasks
from simworld.subjects.installed import installed_version, subject_named
from simworld.worlds import WorldState


class OwnWorld(NamedTuple):
    """The world of one trial, not yet under a kernel."""

    storage: Storage
    streams: Streams
    state: Callable[[], WorldState]
    """Everything it holds."""
    release: Callable[[], None]
    """Let go of it, and of what it has on disk."""


def own_world(subject: str, *, clock: Clock, tasks: Tasks) -> OwnWorld:
    """The subject's own world, empty; ``UsageError`` if it is not installed or has none."""
    installed_version(subject)
    module, _, maker = subject_named(subject).world.partition(":")
    if not maker:
        raise UsageError(f"subject {subject} comes with no world of its own; name another --world")
    world: OwnWorld = getattr(importlib.import_module(module), maker)(clock, tasks)
    return world
