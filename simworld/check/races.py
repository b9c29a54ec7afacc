"""Laws of races: the log says who wins (I-20), and the run goes on as soon as it does (L-04).

A branch is *decided* by the event whose result settles it: a step's or wait's end, a hook's n-th
payload.  Of a branch that is itself a composition nobody but a pass can tell, so of those only
agreement is asked: between live passes that have seen prefixes of the log, and with a cold replay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from simworld.check.law import (
    EPSILON_MS,
    SLACK_MS,
    Context,
    Law,
    again_ms,
    at,
    calm_ms,
    run_label,
    timeless,
)
from simworld.check.walk import before_end, replayable
from simworld.engine import Decision, Event, WaitCreated
from simworld.records import Anomaly, Committed, Decided, Final

CONTINUE_MS = EPSILON_MS + SLACK_MS
"""How long after the event that has decided a race a pass must have seen that."""

RaceKey: TypeAlias = tuple[str, int]
"""(run id, race)."""

_ENDS = ("step_completed", "step_failed", "wait_completed", "attr_set", "hook_conflict")
_DECIDING = (*_ENDS, "hook_received")
"""Types of the events that settle what somebody waits for."""

# --- I-20: race truth -----------------------------------------------------------------------------


class _Decisions:
    """What passes have decided."""

    __slots__ = ("context", "runs")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.runs: dict[str, list[Decided]] = {}


class _Places:
    """Where in a run's final log everything is decided."""

    def __init__(self, log: Sequence[Event]) -> None:
        self.log = log
        self.of: dict[str, int] = {}
        """Event id → its place."""
        self._parts: dict[tuple[str, int], int] = {}
        self._waits: dict[str, Event] = {}
        payloads: dict[str, int] = {}
        for place, event in enumerate(log):
            self.of.setdefault(event.event_id, place)
            entity = event.correlation_id
            if event.type in _ENDS:
                self._parts.setdefault((entity, 0), place)
            elif event.type == "hook_received":
                number = payloads[entity] = payloads.get(entity, 0) + 1
                self._parts.setdefault((entity, number), place)
            elif event.type == "wait_created":
                self._waits.setdefault(entity, event)

    def part(self, part: tuple[str, int]) -> int:
        """The place of what decides a branch; behind the log where nothing has, or nobody knows."""
        entity, number = part
        never = len(self.log)
        if not entity:
            return never
        place = self._parts.get(part, never)
        return min(place, self._parts.get((entity, 0), never)) if number else place

    def due_ms(self, part: tuple[str, int]) -> int:
        """When a sleep should have ended; −1 of anything else."""
        created = self._waits.get(part[0])
        if created is None:
            return -1
        assert isinstance(created.fact, WaitCreated)
        return max(created.fact.resume_at_ms, created.created_at_ms)


def _i20_decided(state: _Decisions, record: Decided) -> None:
    state.runs.setdefault(record.run_id, []).append(record)


def _i20_end(state: _Decisions, final: Final) -> list[Anomaly]:
    found: list[Anomaly] = []
    for run_id, log in replayable(final):
        decided = state.runs.get(run_id)
        if decided is None:
            continue
        places = _Places(log)
        what = [_not_first(each.decision, places, final) for each in decided]
        what += _disagreeing(state.context, run_id, decided, log)
        if not timeless(state.context):
            what += [_late_timer(state.context, each.decision, places, final) for each in decided]
        for each in what:
            if each is not None:
                race, kind, message = each
                place = at(f"race#{race}", run_label(final, run_id))
                found.append(Anomaly("I-20", kind, f"race#{race}: {message}", place, final.turn))
    return found


Wrong: TypeAlias = "tuple[int, str, str]"
"""(race, kind, words)."""


def _not_first(decision: Decision, places: _Places, final: Final) -> Wrong | None:
    """A branch that the final log decides before the one that has won.

    Where the log has decided several before the race was even called, the first argument wins.
    """
    won = places.of.get(decision.event_id)
    if won is None:
        return None
    called = places.of.get(decision.called_id, -1)
    for index, part in enumerate(decision.parts):
        place = places.part(part)
        if index != decision.winner and place < won and not (place <= called and won <= called):
            told = (
                f"{_branch(decision, decision.winner, final)} has won by event {won + 1} of the "
                f"log, and {_branch(decision, index, final)} was decided by event {place + 1}"
            )
            return decision.race, "winner-not-first", told
    return None


def _late_timer(
    context: Context, decision: Decision, places: _Places, final: Final
) -> Wrong | None:
    """A sleep that was due long before what has won (the ideal time of R-10, R-12)."""
    won = places.of.get(decision.event_id)
    if won is None:
        return None
    grain_ms = EPSILON_MS + (SLACK_MS + again_ms(context) if context.faults else 0)
    won_ms = places.log[won].created_at_ms
    ideal_ms = places.due_ms(decision.parts[decision.winner])
    if 0 <= ideal_ms < won_ms:
        won_ms = ideal_ms
    for index, part in enumerate(decision.parts):
        due_ms = places.due_ms(part)
        if index != decision.winner and 0 <= due_ms < won_ms - grain_ms:
            told = (
                f"{_branch(decision, decision.winner, final)} has won, {won_ms - due_ms} ms after "
                f"{_branch(decision, index, final)} was due; {grain_ms} ms would do"
            )
            return decision.race, "late-timer", told
    return None


def _disagreeing(
    context: Context, run_id: str, decided: Sequence[Decided], log: Sequence[Event]
) -> list[Wrong | None]:
    """Races that two passes over prefixes have decided otherwise, or a pass and a cold replay."""
    first: dict[int, Decision] = {}
    found: list[Wrong | None] = []
    for each in decided:
        if each.length == each.position:
            known = first.setdefault(each.decision.race, each.decision)
            found.append(_differs(known, each.decision, "another pass"))
    if context.cold_replay is not None:
        for decision in context.cold_replay(run_id, before_end(log)).decisions:
            if decision.race in first:
                found.append(_differs(first[decision.race], decision, "a cold replay"))
    return found


def _differs(one: Decision, other: Decision, where: str) -> Wrong | None:
    """Only races of the same branches are the same race."""
    if one.parts != other.parts or one.winner == other.winner:
        return None
    told = f"argument {one.winner + 1} has won in one pass, argument {other.winner + 1} in {where}"
    return one.race, "passes-disagree", told


def _branch(decision: Decision, index: int, final: Final) -> str:
    entity, number = decision.parts[index]
    if not entity:
        return f"argument {index + 1}"
    label = final.labels.get(entity, entity)
    return f"payload {number} of {label}" if number else label


I_20 = Law(
    id="I-20",
    title="The winner of a race is the branch that the log decides first, in every pass.",
    on={Decided: _i20_decided},
    start=_Decisions,
    end=_i20_end,
)

# --- L-04: decided races go on --------------------------------------------------------------------


class _Continued:
    """When deciding events were recorded, and when a pass first saw what they decide."""

    __slots__ = ("context", "first", "recorded_ms")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.recorded_ms: dict[tuple[str, str], int] = {}
        """(run id, event id) → when."""
        self.first: dict[RaceKey, Decided] = {}


def _l04_recorded(state: _Continued, record: Committed) -> None:
    event = record.event
    state.recorded_ms[event.run_id, event.event_id] = record.now_ms


def _l04_decided(state: _Continued, record: Decided) -> None:
    state.first.setdefault((record.run_id, record.decision.race), record)


def _l04_end(state: _Continued, final: Final) -> list[Anomaly]:
    context = state.context
    if timeless(context):
        return []
    calm = calm_ms(context, final)
    found: list[Anomaly] = []
    for (run_id, race), record in state.first.items():
        recorded_ms = state.recorded_ms.get((run_id, record.decision.event_id))
        if recorded_ms is None:
            continue
        late_ms = record.now_ms - max(recorded_ms, calm)
        if late_ms <= CONTINUE_MS:
            continue
        winner = _branch(record.decision, record.decision.winner, final)
        message = (
            f"race#{race} was decided by {winner}, and no pass has seen that for {late_ms} ms "
            f"(or as long after the last fault); {CONTINUE_MS} ms would do"
        )
        place = at(f"race#{race}", run_label(final, run_id))
        found.append(Anomaly("L-04", "late-continuation", message, place, record.turn))
    return found


L_04 = Law(
    id="L-04",
    title="Once an event has decided a race its run goes on, whatever the losers still do.",
    on={**dict.fromkeys(_DECIDING, _l04_recorded), Decided: _l04_decided},
    start=_Continued,
    end=_l04_end,
)
