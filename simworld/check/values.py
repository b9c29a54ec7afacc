"""Laws of what workflow code is given: results of its own calls (I-19), a clock that is one (I-23).

An id says nothing about what asked for it.  Two passes that disagree about an order may give one id
to two calls, and then a result that was made for one of them is handed over for the other: "same
badge, different person" (R-46, R-81).
"""

from __future__ import annotations

from typing import TypeAlias

from simworld.check.law import MAIN_RUN, Context, Law, at, read_output, run_label
from simworld.check.walk import before_end, replayable
from simworld.engine import StepCompleted, StepCreated, StepStarted
from simworld.records import (
    Anomaly,
    BodyBegan,
    BodyEnded,
    Committed,
    Final,
    HandedOver,
    Passed,
)

# --- I-19: results belong to their calls ----------------------------------------------------------

Call: TypeAlias = tuple[str, bytes]
"""Name of a step, its encoded arguments."""


class _Calls:
    """What each step was created for, and what its bodies have returned."""

    __slots__ = ("context", "created", "results")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.created: dict[tuple[str, str], Call] = {}
        """(run id, correlation id) → the call that its creation has recorded."""
        self.results: dict[tuple[str, str], list[bytes]] = {}
        """(run id, label) → what the bodies of the step have returned."""


def told(call: Call) -> str:
    """A call, for people."""
    name, data = call
    readable, value = read_output(data)
    if not (readable and isinstance(value, list | tuple) and len(value) == 2):
        return f"{name} with {data!r}"
    args, kwargs = value
    parts = [repr(each) for each in args]
    parts += [f"{key}={each!r}" for key, each in kwargs.items()]
    return f"{name}({', '.join(parts)})"


def _i19(kind: str, step: str, what: str, turn: int, run: str = MAIN_RUN) -> Anomaly:
    return Anomaly("I-19", kind, f"{step}: {what}", at(step, run), turn)


def _i19_created(state: _Calls, record: Committed) -> None:
    event, fact = record.event, record.event.fact
    assert isinstance(fact, StepCreated | StepStarted)
    if isinstance(fact, StepCreated) or fact.input:  # or created by its start
        key = (event.run_id, event.correlation_id)
        state.created.setdefault(key, (fact.step_name, fact.input))


def _i19_began(state: _Calls, record: BodyBegan) -> Anomaly | None:
    created = state.created.get((record.run_id, record.step_id))
    if created is None or created == (record.name, record.input):
        return None
    what = (
        f"body {record.number} runs {told((record.name, record.input))}, and the step was created "
        f"as {told(created)}"
    )
    return _i19("body-of-another-call", record.step, what, record.turn)


def _i19_ended(state: _Calls, record: BodyEnded) -> None:
    if record.outcome == "ok":
        state.results.setdefault((record.run_id, record.step), []).append(record.result)


def _i19_completed(state: _Calls, record: Committed) -> Anomaly | None:
    """Where bodies have told what they return, one of them has returned this."""
    fact, step = record.event.fact, record.step
    assert isinstance(fact, StepCompleted)
    results = state.results.get((record.event.run_id, step), [])
    if not all(results) or not results or fact.result in results:
        return None
    what = (
        f"its recorded result is {read_output(fact.result)[1]!r}; its bodies have returned "
        f"{', '.join(repr(read_output(each)[1]) for each in results)}"
    )
    return _i19("result-of-no-body", step, what, record.turn)


def _i19_handed(state: _Calls, record: HandedOver) -> Anomaly | None:
    created = state.created.get((record.run_id, record.step_id))
    call = record.name, record.input
    if created is None or created == call:
        return None
    what = f"what was made for {told(created)} was handed over for {told(call)}"
    return _i19("result-of-another-call", record.step, what, record.turn)


def _i19_end(state: _Calls, final: Final) -> list[Anomaly]:
    """The same for a pass from scratch over the final log."""
    replay = state.context.cold_replay
    if replay is None:
        return []
    found: list[Anomaly] = []
    for run_id, log in replayable(final):
        for request in replay(run_id, before_end(log)).handed:
            created = state.created.get((run_id, request.correlation_id))
            if created is None or created == (request.step_name, request.input):
                continue
            step = final.labels.get(request.correlation_id, request.label)
            what = (
                f"a cold replay hands over what was made for {told(created)} for "
                f"{told((request.step_name, request.input))}"
            )
            run = run_label(final, run_id)
            found.append(_i19("result-of-another-call", step, what, final.turn, run))
    return found


I_19 = Law(
    id="I-19",
    title="What a call is given was made by a body that ran that very call.",
    on={
        "step_created": _i19_created,
        "step_started": _i19_created,
        BodyBegan: _i19_began,
        BodyEnded: _i19_ended,
        "step_completed": _i19_completed,
        HandedOver: _i19_handed,
    },
    start=_Calls,
    end=_i19_end,
)

# --- I-23: the workflow's clock -------------------------------------------------------------------


def _i23_start(context: Context) -> dict[str, list[int]]:
    """Run id → all that its passes have read so far."""
    return {}


def _i23_passed(runs: dict[str, list[int]], record: Passed) -> Anomaly | None:
    """Of passes over prefixes of one log, one has read what the other has, or the beginning of it.

    A pass that has missed an event shows something else, and is judged by other laws.
    """
    if not record.readings or record.length != record.position:
        return None
    known = runs.setdefault(record.run_id, [])
    if record.read_before > len(known):
        return None  # the earlier ones were read in passes that are not judged
    for place, reading in enumerate(record.readings, record.read_before):
        if place < len(known):
            if known[place] != reading:
                what = f"{known[place]} in one pass and {reading} in another, over {record.length}"
                message = f"reading {place + 1} of the workflow's clock is {what} events"
                return Anomaly("I-23", "reading-changed", message, at(""), record.turn)
            continue
        if known and reading < known[-1]:
            message = f"the workflow's clock has gone back from {known[-1]} to {reading}"
            return Anomaly("I-23", "clock-went-back", message, at(""), record.turn)
        known.append(reading)
    return None


I_23 = Law(
    id="I-23",
    title="now_ms of a workflow never goes back, and depends on the log before it alone.",
    on={Passed: _i23_passed},
    start=_i23_start,
)
