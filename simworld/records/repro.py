"""A repro: everything needed to see one failure again, as data."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from simworld.records.blame import Blame
from simworld.records.choices import Schedule
from simworld.records.faults import Fault
from simworld.records.workload import Workload

REPRO_VERSION = 1


@attrs.frozen
class Repro:
    """One failure, replayable: scenario by name, its values, knobs, faults and the schedule.

    Loading one runs nothing: ``scenario`` is looked up among the registered scenarios only.
    """

    scenario: str
    case: str
    variant: str
    knobs: Mapping[str, str]
    """Every knob and its value, so that a later change of a preset changes no repro."""
    world: str
    workload: Workload
    faults: tuple[Fault, ...]
    schedule: Schedule
    turns_max: int
    law: str
    kind: str
    place: str
    message: str
    seed: int
    trial: int
    explorer: str
    moves_before: int
    engine: str
    """Digest of the simulated system's source at the time of writing."""
    trace: str
    """Digest of the trace that the schedule produces."""
    version: int = REPRO_VERSION
    blame: Blame | None = None
    """None: nobody has asked."""
    subject: str = ""
    """The engine that it was found in, if that is none of ours."""
    subject_version: str = ""
    """Of the subject, as it was installed then."""
    origin: str = ""
    """The module of workflows that its scenario was made from, if nobody has written one."""
