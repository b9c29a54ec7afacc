"""Where the time of a trial goes, by room of the house: counted by cProfile and by sampling.

cProfile charges every call the same overhead, so it inflates rooms made of many small functions.
The sampler looks at what is running at even steps of CPU time (as often as the operating system's
clock ticks) and charges nothing for calls, but it cannot count them.  Both charge helpers
(builtins, the standard library, entropy, marks) to the room that called them, so that the shares
add up.
"""

from __future__ import annotations

import cProfile
import pstats
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

import attrs

Job = Callable[[], object]
Function = tuple[str, int, str]
"""As in pstats: file, line, name."""

ROOMS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("engine", ("simworld/engine/", "scenarios/"), "passes, guards, payload; the workflow itself"),
    ("runtime", ("simworld/runtime/",), "flow handler, step executor, client"),
    ("world", ("simworld/worlds/atomic.py",), "lifecycle checks, rows, log"),
    ("queue", ("simworld/worlds/queue/",), "messages, deliveries, deduplication"),
    ("interposition", ("simworld/sim/world.py", "simworld/sim/ports.py"), "ports as choice points"),
    ("labels", ("simworld/sim/labels.py",), "names of operations and entities"),
    ("nemesis", ("simworld/sim/nemesis.py",), "drawing faults"),
    ("kernel", ("simworld/sim/",), "tasks, turns, virtual time"),
    ("explorer", ("simworld/explore/",), "choosing who is next"),
    ("checkers", ("simworld/check/",), "the laws"),
    ("set-up", ("simworld/campaign/", "bench/"), "drawing, composing and counting a trial"),
)
"""(room, where its files are, what it does); the first that fits counts."""
OTHER = "other"
SAMPLE_EVERY_S = 0.001


def room_of(file: str) -> str:
    """The room a file belongs to; empty for helpers that belong to whoever calls them."""
    for room, places, _ in ROOMS:
        if any(f"/{place}" in file for place in places):
            return room
    return ""


# --- cProfile ------------------------------------------------------------------------------------


@attrs.frozen
class Hot:
    """One function among the most expensive ones."""

    where: str
    room: str
    share: float
    calls: int


@attrs.frozen
class Profiled:
    """Shares of a run's own time by room, and the functions with the most of it."""

    shares: dict[str, float]
    calls: int
    top: list[Hot]


def profiled(job: Job, *, top: int = 15) -> Profiled:
    """Run the job under cProfile."""
    profile = cProfile.Profile()
    profile.runcall(job)
    stats: dict[Function, Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    total = sum(own for _, _, own, _, _ in stats.values())
    charge = _Charge(stats)
    shares = dict.fromkeys([*(room for room, _, _ in ROOMS), OTHER], 0.0)
    for function, (_, _, own, _, _) in stats.items():
        for room, part in charge.of(function).items():
            shares[room] += own / total * part
    hottest = sorted(stats.items(), key=lambda item: (-item[1][2], item[0]))[:top]
    return Profiled(
        shares,
        sum(calls for _, calls, _, _, _ in stats.values()),
        [
            Hot(_where(function), _main(charge.of(function)), own / total, calls)
            for function, (_, calls, own, _, _) in hottest
        ],
    )


class _Charge:
    """To which rooms a function's own time is charged: its own, else those of its callers."""

    def __init__(self, stats: dict[Function, Any]) -> None:
        self._stats = stats
        self._known: dict[Function, dict[str, float]] = {}

    def of(self, function: Function) -> dict[str, float]:
        """room → part; the parts add up to 1."""
        known = self._known.get(function)
        if known is None:
            self._known[function] = {OTHER: 1.0}  # for helpers that call one another in circles
            known = self._known[function] = self._charge(function)
        return known

    def _charge(self, function: Function) -> dict[str, float]:
        room = room_of(function[0])
        if room:
            return {room: 1.0}
        callers = self._stats[function][4]
        weights = {caller: figures[2] for caller, figures in callers.items()}
        total = sum(weights.values())
        if not total:
            return {OTHER: 1.0}
        charged: dict[str, float] = {}
        for caller, weight in weights.items():
            for each, part in self.of(caller).items():
                charged[each] = charged.get(each, 0.0) + part * weight / total
        return charged


def _main(charged: dict[str, float]) -> str:
    """The room that most of it goes to; with a sign where there are several."""
    room = max(charged, key=lambda each: (charged[each], each))
    return room if len(charged) == 1 else f"{room} and others"


def _where(function: Function) -> str:
    file, line, name = function
    if file == "~":
        return name.strip("<>").removeprefix("built-in method ")
    for folder in ("simworld/", "scenarios/", "bench/"):
        before, found, rest = file.rpartition(f"/{folder}")
        if found and before:
            return f"{folder}{rest}:{line} {name}"
    return f"{file.rpartition('/')[2]}:{line} {name}"


# --- sampling ------------------------------------------------------------------------------------


def sampled(job: Job) -> tuple[dict[str, float], int]:
    """Run the job and look what is running as CPU time goes on: (shares, samples)."""
    counts = dict.fromkeys([*(room for room, _, _ in ROOMS), OTHER], 0)
    rooms: dict[str, str] = {}

    def look(_: int, frame: FrameType | None) -> None:
        while frame is not None:
            file = frame.f_code.co_filename
            room = rooms.get(file)
            if room is None:
                room = rooms[file] = room_of(file)
            if room:
                counts[room] += 1
                return
            frame = frame.f_back
        counts[OTHER] += 1

    before = signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, SAMPLE_EVERY_S, SAMPLE_EVERY_S)
    try:
        job()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    total = sum(counts.values())
    return {room: count / max(total, 1) for room, count in counts.items()}, total
