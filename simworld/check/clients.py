"""Laws of payloads: a resume that was answered is recorded once (I-25), and payloads are seen in
time (L-05).

A call that failed half-way (``info``) may have recorded its payload; one that was refused has not.
"""

from __future__ import annotations

import attrs

from simworld.check.law import (
    EPSILON_MS,
    SLACK_MS,
    Context,
    Law,
    at,
    calm_ms,
    run_label,
    timeless,
)
from simworld.engine import RUN_TERMINAL, TERMINAL_RUN_EVENTS, HookReceived
from simworld.records import Anomaly, ClientCall, Committed, Final, LogRead, Passed

SEEN_MS = EPSILON_MS + SLACK_MS
"""How long after it was recorded a payload may wait for a pass that has it in its log."""

RESUMES = ("resume_hook", "resume_webhook")
RECORDED = {"ok": (1, 1), "fail": (0, 0), "info": (0, 1)}
"""How a resume was answered → how many payloads of it are recorded, at least and at most."""


@attrs.define
class _Resume:
    """A client's call, and what it has brought about."""

    call: ClientCall
    recorded: list[Committed] = attrs.Factory(list)
    most: int = 1
    """Payloads of it that may be recorded."""


class _Resumes:
    """The resumes of a trial."""

    def __init__(self, context: Context) -> None:
        self.minted = context.minted
        self.foreign = context.foreign
        self.under_way: dict[str, _Resume] = {}
        """Task → the resume that it is in."""
        self.over: dict[str, _Resume] = {}
        """Task → the last resume that it was in: a request may arrive behind its answer."""
        self.answered: list[_Resume] = []
        self.positions: dict[str, int] = {}
        """Run id → the last event that a pass has seen."""
        self.read: dict[str, int] = {}
        """Run id → the turn in which its log was last read."""

    def unseen(self, record: Committed) -> bool:
        """Whether no pass has had the payload; where nothing is told of passes, no reader has."""
        event = record.event
        if self.foreign:
            return self.read.get(event.run_id, -1) < record.turn
        return self.positions.get(event.run_id, 0) < event.position


def _i25_called(state: _Resumes, record: ClientCall) -> Anomaly | None:
    if record.verb not in RESUMES:
        return None
    if record.phase == "invoke":
        state.under_way[record.task] = _Resume(record)
        return None
    resume = state.over[record.task] = state.under_way.pop(record.task)
    resume.most = RECORDED[record.phase][1]
    count, target = len(resume.recorded), resume.call.target
    if record.phase == "ok":
        state.answered.append(resume)
    least, most = RECORDED[record.phase]
    if least <= count <= most:
        return _changed(resume, record)
    kind = "resume-lost" if count < least else "resume-doubled" if most else "refused-yet-recorded"
    message = (
        f"{record.verb} of {target!r} was answered {record.phase}, and {count} payloads of it are "
        "recorded"
    )
    return Anomaly("I-25", kind, message, _place(resume), record.turn)


def _changed(resume: _Resume, record: ClientCall) -> Anomaly | None:
    """What is recorded is what was sent; a webhook's request travels in a form of its own."""
    for each in resume.recorded:
        fact = each.event.fact
        assert isinstance(fact, HookReceived)
        sent = resume.call.payload
        if fact.token not in ("", resume.call.target) or (sent and fact.payload != sent):
            message = f"another payload, or for another hook, is recorded than {record.verb} sent"
            return Anomaly("I-25", "payload-changed", message, _place(resume), record.turn)
    return None


def _place(resume: _Resume) -> str:
    return at(resume.recorded[0].step) if resume.recorded else at(f"hook {resume.call.target}")


def _i25_received(state: _Resumes, record: Committed) -> Anomaly | None:
    task, _, last = record.task.rpartition("/")
    # On a wire the request of a task records, and is named below it.
    who = task if last.startswith("hook_received") else record.task
    resume = state.under_way.get(who)
    if resume is not None:
        resume.recorded.append(record)
        return None
    resume = state.over.get(who)
    if resume is None:
        return None
    resume.recorded.append(record)
    count, target = len(resume.recorded), resume.call.target
    if count <= resume.most:
        return None
    kind = "resume-doubled" if resume.most else "refused-yet-recorded"
    message = f"{resume.call.verb} of {target!r} was over, and payload {count} of it is recorded"
    return Anomaly("I-25", kind, message, _place(resume), record.turn)


def _i25_passed(state: _Resumes, record: Passed) -> None:
    run = record.run_id
    state.positions[run] = max(record.position, state.positions.get(run, 0))


def _i25_read(state: _Resumes, record: LogRead) -> None:
    state.read[record.run_id] = record.turn


def _i25_end(state: _Resumes, final: Final) -> list[Anomaly]:
    found: list[Anomaly] = []
    for resume in state.answered:
        for record in resume.recorded:
            event = record.event
            log = final.logs.get(event.run_id, ())
            run = final.runs.get(event.run_id)
            over = run is None or run.status in RUN_TERMINAL
            if all(each.event_id != event.event_id for each in log):
                kind, what = "resume-forgotten", "is not in the log any more"
            elif final.drained and not over and not state.minted and state.unseen(record):
                kind, what = "payload-unseen", "never reaches the workflow, whose run goes on"
            else:
                continue
            message = f"a payload for {resume.call.target!r} was accepted and {what}"
            place = at(record.step, run_label(final, event.run_id))
            found.append(Anomaly("I-25", kind, message, place, final.turn))
    return found


I_25 = Law(
    id="I-25",
    title="A resume that was answered has recorded its payload once, and the workflow gets it.",
    on={
        ClientCall: _i25_called,
        "hook_received": _i25_received,
        Passed: _i25_passed,
        LogRead: _i25_read,
    },
    start=_Resumes,
    end=_i25_end,
)

# --- L-05: payloads are seen in time --------------------------------------------------------------


class _Payloads:
    """The payloads of a trial, and when a pass first had each in its log."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.unseen: dict[str, list[Committed]] = {}
        """Run id → its payloads that no pass has seen."""
        self.ended: set[str] = set()
        """Runs that have ended; membership only."""
        self.seen: list[tuple[Committed, int]] = []
        """(payload, when it was seen or its run ended)."""


def _l05_received(state: _Payloads, record: Committed) -> None:
    run_id, hook = record.event.run_id, record.hook_row
    aborts = hook is not None and hook.is_system  # who aborts knows it already
    if not aborts and run_id not in state.ended:
        state.unseen.setdefault(run_id, []).append(record)


def _l05_passed(state: _Payloads, record: Passed) -> None:
    unseen = state.unseen.get(record.run_id)
    if unseen:
        for payload in unseen[:]:
            if payload.event.position <= record.position:
                unseen.remove(payload)
                state.seen.append((payload, record.now_ms))


def _l05_ended(state: _Payloads, record: Committed) -> None:
    state.ended.add(record.event.run_id)
    for payload in state.unseen.pop(record.event.run_id, ()):
        state.seen.append((payload, record.now_ms))


def _l05_end(state: _Payloads, final: Final) -> list[Anomaly]:
    context = state.context
    if timeless(context):
        return []
    calm = calm_ms(context, final)
    found: list[Anomaly] = []
    left = [each for payloads in state.unseen.values() for each in payloads]
    for payload, until_ms in [*state.seen, *[(each, -1) for each in left]]:
        late_ms = (final.now_ms if until_ms < 0 else until_ms) - max(payload.now_ms, calm)
        for_ever = until_ms < 0 and final.drained
        if late_ms <= SEEN_MS and not for_ever:
            continue
        run = run_label(final, payload.event.run_id)
        what = f"the payload that {payload.task} sent to {payload.step}"
        message = (
            f"{what} is seen by no pass, and no message is left that would bring one"
            if for_ever
            else f"{what} waits for {late_ms} ms; {SEEN_MS} ms would do"
        )
        kind = "unseen-payload" if for_ever else "late-payload"
        found.append(Anomaly("L-05", kind, message, at(payload.step, run), final.turn))
    return found


L_05 = Law(
    id="L-05",
    title="A payload is seen by a pass soon after it was recorded, unless its run has ended.",
    on={
        "hook_received": _l05_received,
        Passed: _l05_passed,
        **dict.fromkeys(sorted(TERMINAL_RUN_EVENTS), _l05_ended),
    },
    start=_Payloads,
    end=_l05_end,
)
