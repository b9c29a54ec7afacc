"""Cycles: what is done over and over at the end of a trial that never drains.

Looked for once, in the turns that such a trial has left behind; a trial that drains pays nothing.
A *move* is a task and what it does, the task without its ordinals: the hundredth delivery of a
message makes the moves of the ninety-ninth.
"""

from __future__ import annotations

import re

from simworld.records import BodyBegan, BodyEnded, Committed, StreamAppend, StreamEnd
from simworld.sim.kernel import Kernel

ROUNDS_MIN = 8
"""So often a move is made again before it counts as one that is made for ever."""

_PROGRESS = (BodyBegan, BodyEnded, Committed, StreamAppend, StreamEnd)
"""Records after which the trial is not where it was before."""
_ORDINALS = re.compile(r"(\.\d+)?(~\d+)?$")


def cycle_of(kernel: Kernel) -> tuple[str, ...]:
    """The moves of the cycle, in the order of their first turns; empty if there is none.

    There is none while somebody who takes no part in it can still go on, or sleeps until some time.
    """
    last = next((each.turn for each in reversed(kernel.records) if isinstance(each, _PROGRESS)), 0)
    # The first half of what has followed may be the way into the circle.
    moves = _moves(kernel, (kernel.turn - last) // 2)
    counts: dict[tuple[str, str], int] = {}
    for move in moves:
        counts[move] = counts.get(move, 0) + 1
    if not counts or min(counts.values()) < ROUNDS_MIN:
        return ()
    parts = {part for part, _ in counts}
    for task in kernel.tasks:
        goes_on = not task.ended and (task.alarm or task in kernel.enabled)
        if goes_on and (_part(task.name) not in parts or task.since < kernel.turn - len(moves)):
            return ()
    return tuple(f"{part}: {op}" for part, op in counts)


def _moves(kernel: Kernel, count: int) -> list[tuple[str, str]]:
    """The last ``count`` moves."""
    names = {task.name for task in kernel.tasks}  # membership only
    moves: list[tuple[str, str]] = []
    ops: list[str] = []
    for each in reversed(kernel.path):
        if each in names:
            moves += [(_part(each), op) for op in ops]
            ops.clear()
            if len(moves) >= count:
                break
        elif len(moves) + len(ops) < count:
            ops.append(each)
    moves.reverse()
    return moves


def _part(name: str) -> str:
    """The last part of a task's name, without ordinals."""
    return _ORDINALS.sub("", name.rpartition("/")[2])
