"""Blame: who a failure is charged to, and the faults without which nobody has seen it."""

from __future__ import annotations

from typing import Literal

import attrs

from simworld.records.faults import FAULTS

NO_FAULT = "no fault"


@attrs.frozen
class Blame:
    """Who is to blame for a failure.

    A fault that breaks a promise of its own world makes a failure the world's, never the engine's.
    On a world that is not repaired nobody can tell the two apart; nor, of a run that goes wrong by
    its output alone and without any fault (I-18), the engine and the workflow.
    """

    who: Literal["engine", "world", "engine or world", "engine or workflow"]
    needs: tuple[str, ...] = ()
    """The fewest kinds of faults under which it was seen; empty: the order of turns is enough."""

    @property
    def is_worlds(self) -> bool:
        """It says nothing about the engine."""
        return self.who == "world"

    @property
    def broken(self) -> tuple[str, ...]:
        """The promises of its world that these faults break."""
        return tuple(FAULTS[kind].breaks for kind in self.needs if FAULTS[kind].breaks)

    def __str__(self) -> str:
        needs = f"{self.who}: needs {' and '.join(self.needs) or NO_FAULT}"
        if not self.broken:
            return needs
        verb = "breaks" if len(self.needs) == 1 else "break"
        return f"{needs}, which {verb} its contract ({'; '.join(self.broken)})"
