"""Laws of replay: equal logs, equal requests (I-16), and no log that its workflow disowns (I-17).

I-16 has three parts.  A retained pass must ask for what one from scratch asks for: the trial
compares them at random points and writes down each comparison.  A run that has ended must end in
the same way when nobody but the engine replays its log: that is the cold replay.  And a pass over
a log must have asked for all that one over a beginning of it asks for: short logs are replayed from
each of their prefixes.  That is promised where results are handed over one at a time (D4) and a
sleep counts from the workflow's own clock: D0 to D3 consume ahead, and a host's clock goes on
between two passes.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.check.law import ColdReplay, Context, Law, at, read_error, read_output, run_label
from simworld.check.walk import before_end, replayable
from simworld.engine import (
    TERMINAL_RUN_EVENTS,
    Completed,
    Event,
    Failed,
    Outcome,
    PassResult,
    RunCompleted,
    RunFailed,
    Suspension,
    encode,
    encode_error,
    taken_back,
)
from simworld.records import Anomaly, Committed, Final, PassChecked

# --- I-16: determinism ----------------------------------------------------------------------------


def _i16(kind: str, message: str, turn: int) -> Anomaly:
    return Anomaly("I-16", kind, message, at(""), turn)


def _i16_checked(context: Context, record: PassChecked) -> Anomaly | None:
    if not record.difference:
        return None
    message = (
        f"after {record.length} events the retained pass and one from scratch disagree: "
        f"{record.difference}"
    )
    return _i16("retained-pass-differs", message, record.turn)


def _i16_end(context: Context, final: Final) -> list[Anomaly]:
    replay = context.cold_replay
    if replay is None:
        return []
    found = _prefixes(replay, context.prefix_events_max, final)
    for run_id, log in replayable(final):
        length = _prefix(log)
        if length < 0:
            continue
        end = log[length].fact
        assert isinstance(end, RunCompleted | RunFailed)
        kind, what = _replayed(end, replay(run_id, log[:length]).outcome)
        if kind:
            message = f"a cold replay of its {length} events {what}"
            found.append(_i16(kind, message, final.turn))
    return found


def _prefixes(replay: ColdReplay, events_max: int, final: Final) -> list[Anomaly]:
    """Where a longer log has a pass ask otherwise than a shorter one."""
    found: list[Anomaly] = []
    for run_id, log in replayable(final):
        whole = before_end(log)
        if len(whole) > events_max:
            continue
        before: PassResult | None = None
        for length in range(1, len(whole) + 1):
            result = replay(run_id, whole[:length])
            what = taken_back(before, result) if before is not None else ""
            if what:
                message = f"over {length - 1} and over {length} events of the log: {what}"
                place = run_label(final, run_id)
                found.append(Anomaly("I-16", "request-taken-back", message, place, final.turn))
                break
            before = result
    return found


def _prefix(log: Sequence[Event]) -> int:
    """The place of the end that a replay must reach; -1 where the workflow has not made the end."""
    for place, event in enumerate(log):
        if event.type in TERMINAL_RUN_EVENTS:
            fact = event.fact
            ours = isinstance(fact, RunCompleted) or (
                isinstance(fact, RunFailed) and fact.code == "USER_ERROR"
            )
            return place if ours else -1
    return -1


def _replayed(end: RunCompleted | RunFailed, outcome: Outcome) -> tuple[str, str]:
    """How the replay differs from the recorded end: kind and words, both empty if it does not."""
    if isinstance(outcome, Suspension):
        waits = ", ".join(each.label for each in outcome.requests) or "nothing"
        return "cold-replay-suspends", f"waits for {waits}; the run had ended with {end.type}"
    if isinstance(outcome, Completed):
        if not isinstance(end, RunCompleted):
            return "cold-replay-ends-otherwise", "completes; the run had failed"
        output = encode(outcome.output)
        if output == end.output:
            return "", ""
        return "cold-replay-differs", f"returns {_shown(output)}, the run {_shown(end.output)}"
    if isinstance(outcome, Failed):
        error = read_error(encode_error(outcome.error, kind="run"))
        told = f"fails with {error['name']}: {error['message']}"
        if not isinstance(end, RunFailed):
            return "cold-replay-ends-otherwise", f"{told}; the run had completed"
        recorded = read_error(end.error)
        if (error["name"], error["message"]) == (recorded["name"], recorded["message"]):
            return "", ""
        what = f"{told}, the run with {recorded['name']}: {recorded['message']}"
        return "cold-replay-differs", what
    return "cold-replay-diverges", f"disagrees with the log: {outcome.message}"


def _shown(output: bytes) -> str:
    readable, value = read_output(output)
    return repr(value) if readable else f"unreadable bytes {output!r}"


I_16 = Law(
    id="I-16",
    title="Passes over the same log make the same requests, and a cold replay ends the same way.",
    on={PassChecked: _i16_checked},
    end=_i16_end,
)

# --- I-17: no divergence --------------------------------------------------------------------------

_DIVERGED = frozenset(
    {"CORRUPTED_EVENT_LOG", "NondeterminismError", "REPLAY_DIVERGENCE", "RUNTIME_ERROR"}
)


def _i17_run_failed(context: Context, record: Committed) -> Anomaly | None:
    fact = record.event.fact
    assert isinstance(fact, RunFailed)
    if context.may_diverge or fact.code not in _DIVERGED:
        return None
    error = read_error(fact.error)
    message = f"the run failed with {fact.code} ({error['name']}: {error['message']})"
    return Anomaly("I-17", "run-diverged", message, at(""), record.turn)


I_17 = Law(
    id="I-17",
    title="A deterministic workflow and a log nobody tampered with never disagree.",
    on={"run_failed": _i17_run_failed},
)
