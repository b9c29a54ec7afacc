"""A tape of records, written by hand: every verb appends what a trial would have recorded.

Rows follow the engine's own lifecycle, so a tape is healthy unless a test says otherwise.  Illegal
events are written too: then the rows stay as a careless world would leave them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from simworld.check import LAWS, Context, judge
from simworld.engine import (
    RUN_TERMINAL,
    AttrSet,
    Event,
    Fact,
    HookConflict,
    HookCreated,
    HookDisposed,
    HookFact,
    HookReceived,
    HookRow,
    HookStatus,
    RunCancelled,
    RunCompleted,
    RunCreated,
    RunFact,
    RunFailed,
    RunRow,
    RunStarted,
    StepCompleted,
    StepCreated,
    StepFailed,
    StepRetrying,
    StepRow,
    StepStarted,
    StepStatus,
    WaitCompleted,
    WaitCreated,
    WaitFact,
    WaitRow,
    WaitStatus,
    apply_hook,
    apply_run,
    apply_step,
    apply_wait,
    encode,
    release_hook,
)
from simworld.errors import WorldError
from simworld.records import (
    BodyBegan,
    BodyEnded,
    Committed,
    Crash,
    Delivered,
    Final,
    HandedOver,
    LostAnswer,
    PassChecked,
    Passed,
    Record,
    Sent,
)

RUN = "wrun_1"
FLOW = "start/flow"
"""The task of the flow message's first delivery."""
EPOCH_MS = 1_750_000_000_000


def error_bytes(kind: str, name: str = "FlakeError") -> bytes:
    """A recorded error."""
    return encode({"kind": kind, "message": "planned", "name": name})


class Tape:
    """Records of one trial; each verb is one record, one turn and one virtual millisecond."""

    def __init__(self, run_id: str = RUN) -> None:
        self.run_id = run_id
        self.turn = 0
        self.now_ms = EPOCH_MS
        self.records: list[Record] = []
        self.runs: dict[str, RunRow] = {}
        self.steps: dict[tuple[str, str], StepRow] = {}
        self.hooks: dict[tuple[str, str], HookRow] = {}
        self.waits: dict[tuple[str, str], WaitRow] = {}
        self.logs: dict[str, list[Event]] = {}
        self.labels: dict[str, str] = {}
        self.bodies: dict[str, int] = {}

    # --- events -----------------------------------------------------------------------------------

    def commit(self, fact: Fact, *, label: str = "", task: str = FLOW) -> Tape:
        """Record ``fact``, legal or not."""
        self._tick()
        what: str = getattr(fact, "correlation_id", "")
        if label:
            self.labels[what] = label
        key = (self.run_id, what)
        self._move(fact, key)
        log = self.logs.setdefault(self.run_id, [])
        event = Event(
            self.run_id, f"evnt_{self.turn}", len(log) + 1, self.now_ms, fact.type, what, fact
        )
        log.append(event)
        run_row = self.runs.get(self.run_id) or _no_run(self.run_id)
        self.records.append(
            Committed(
                self.turn,
                self.now_ms,
                task,
                event,
                label,
                run_row,
                self.steps.get(key),
                self.hooks.get(key),
                self.waits.get(key),
            )
        )
        return self

    def _move(self, fact: Fact, key: tuple[str, str]) -> None:
        """The rows, as the fact leaves them."""
        if isinstance(fact, RunFact):
            try:
                run = apply_run(self.runs.get(self.run_id), self.run_id, fact, self.now_ms)
            except WorldError:
                return
            if run is not None:
                self.runs[self.run_id] = run
                if run.status in RUN_TERMINAL:
                    self._let_go()
        elif isinstance(fact, HookFact):
            hook = self.hooks.get(key) or HookRow(*key, "", HookStatus.LIVE, self.now_ms)
            self.hooks[key] = apply_hook(hook, self.run_id, fact, self.now_ms)
        elif isinstance(fact, WaitFact):
            wait = self.waits.get(key) or WaitRow(*key, WaitStatus.WAITING, 0, self.now_ms)
            self.waits[key] = apply_wait(wait, self.run_id, fact, self.now_ms)
        elif not isinstance(fact, AttrSet):
            row = self.steps.get(key)
            if row is None and not isinstance(fact, StepCreated | StepStarted):
                row = StepRow(*key, "work", StepStatus.PENDING, b"", self.now_ms)
            self.steps[key] = apply_step(row, self.run_id, fact, self.now_ms)

    def _let_go(self) -> None:
        for key, hook in self.hooks.items():
            if key[0] == self.run_id and hook.status is HookStatus.LIVE:
                self.hooks[key] = release_hook(hook)
        for key in [each for each in self.waits if each[0] == self.run_id]:
            del self.waits[key]

    def run_created(self) -> Tape:
        return self.commit(RunCreated("order", encode([])))

    def run_started(self) -> Tape:
        return self.commit(RunStarted())

    def run_completed(self, output: object = "done") -> Tape:
        return self.commit(RunCompleted(encode(output)))

    def run_failed(self, name: str = "ValueError", code: str = "USER_ERROR") -> Tape:
        return self.commit(RunFailed(error_bytes("run", name), code))

    def run_cancelled(self) -> Tape:
        return self.commit(RunCancelled())

    def created(self, step: str) -> Tape:
        return self.commit(StepCreated(step_id(step), "work", encode([])), label=step)

    def started(self, step: str, *, task: str = FLOW, lazy: bool = False) -> Tape:
        fact = StepStarted(step_id(step), "work", input=encode([]) if lazy else b"")
        return self.commit(fact, label=step, task=task)

    def completed(self, step: str, result: object = 1) -> Tape:
        return self.commit(StepCompleted(step_id(step), encode(result)), label=step)

    def retrying(self, step: str) -> Tape:
        return self.commit(StepRetrying(step_id(step), error_bytes("error")), label=step)

    def failed(self, step: str, kind: str = "exhausted", name: str = "FlakeError") -> Tape:
        return self.commit(StepFailed(step_id(step), error_bytes(kind, name)), label=step)

    def hooked(self, hook: str, token: str = "t") -> Tape:
        return self.commit(HookCreated(hook_id(hook), token), label=hook)

    def conflict(self, hook: str, owner: str, token: str = "t") -> Tape:
        return self.commit(HookConflict(hook_id(hook), token, owner), label=hook)

    def received(self, hook: str, token: str = "t") -> Tape:
        return self.commit(HookReceived(hook_id(hook), token, encode(1)), label=hook, task="resume")

    def disposed(self, hook: str, token: str = "t") -> Tape:
        return self.commit(HookDisposed(hook_id(hook), token), label=hook)

    def sleeps(self, wait: str, until_ms: int) -> Tape:
        """A wait that ends so many milliseconds from now."""
        return self.commit(WaitCreated(wait_id(wait), self.now_ms + until_ms), label=wait)

    def wakes(self, wait: str, *, resume_at_ms: int = 0, task: str = FLOW) -> Tape:
        return self.commit(WaitCompleted(wait_id(wait), resume_at_ms), label=wait, task=task)

    def attrs_set(self) -> Tape:
        """By a step body: without a correlation id."""
        return self.commit(AttrSet("", encode({"a": 1})))

    # --- everything else --------------------------------------------------------------------------

    def began(
        self,
        step: str,
        *,
        task: str = FLOW,
        host: str = "",
        start: int | None = None,
        lease_until_ms: int = 0,
    ) -> Tape:
        """A body begins, by default on the latest start and on its task's own host."""
        self._tick()
        number = self.bodies[step] = self.bodies.get(step, 0) + 1
        if start is None:
            start = self.steps[self.run_id, step_id(step)].attempt
        self.records.append(
            BodyBegan(
                self.turn,
                self.now_ms,
                task,
                host or task,
                self.run_id,
                step,
                number,
                start,
                start,
                lease_until_ms,
                step_id(step),
                "work",
                encode([]),
            )
        )
        return self

    def ends(
        self, step: str, outcome: str = "ok", *, number: int | None = None, task: str = FLOW
    ) -> Tape:
        """A body ends by itself, by default the latest."""
        self._tick()
        if number is None:
            number = self.bodies[step]
        self.records.append(
            BodyEnded(self.turn, self.now_ms, task, self.run_id, step, number, outcome)
        )
        return self

    def sent(self, step: str = "", *, delay_ms: int = 0) -> Tape:
        self._tick()
        name = f"{FLOW}/{step or 'flow'}"
        self.records.append(
            Sent(self.turn, self.now_ms, FLOW, self.run_id, name, step, delay_ms=delay_ms)
        )
        return self

    def delivered(self, step: str = "", *, task: str = FLOW, number: int = 1) -> Tape:
        self._tick()
        self.records.append(Delivered(self.turn, self.now_ms, task, self.run_id, step, number))
        return self

    def crash(self, host: str, *tasks: str) -> Tape:
        """The host dies, by default with the one task that is named as it is."""
        self._tick()
        self.records.append(Crash(self.turn, self.now_ms, host, tasks or (host,)))
        return self

    def lost_answer(self) -> Tape:
        self._tick()
        self.records.append(LostAnswer(self.turn, self.now_ms, FLOW, "record step_completed"))
        return self

    def checked(self, difference: str = "") -> Tape:
        self._tick()
        length = len(self.logs[self.run_id])
        self.records.append(
            PassChecked(self.turn, self.now_ms, FLOW, self.run_id, length, difference)
        )
        return self

    def adds(self, kind: Callable[..., Record], *fields: object) -> Tape:
        """A record of any kind: what follows its turn and time."""
        self._tick()
        self.records.append(kind(self.turn, self.now_ms, *fields))
        return self

    def passed(self, position: int = 0, *, run: str = "", ended: str = "suspended") -> Tape:
        """A pass that has seen the log up to a position, by default all of it."""
        run_id = run or self.run_id
        position = position or len(self.logs[run_id])
        return self.adds(Passed, FLOW, run_id, position, position, ended)

    def given(self, step: str) -> Tape:
        """A pass has given the workflow what the step came to."""
        return self.adds(HandedOver, FLOW, self.run_id, step, step_id(step), "work", b"")

    def wait(self, ms: int) -> Tape:
        """Let virtual time pass."""
        self.now_ms += ms
        return self

    # --- stories ----------------------------------------------------------------------------------

    def opened(self, *steps: str) -> Tape:
        """A run that has been started, with these steps created."""
        self.run_created().delivered().run_started()
        for step in steps:
            self.created(step)
        return self

    def body(self, step: str, outcome: str = "ok", *, task: str = FLOW) -> Tape:
        """One start and one whole body."""
        return self.started(step, task=task).began(step, task=task).ends(step, outcome, task=task)

    def works(self, step: str, *, task: str = FLOW) -> Tape:
        """The step does what it should."""
        return self.body(step, task=task).completed(step)

    # --- spoiling ---------------------------------------------------------------------------------

    def shows_run(self, **changes: Any) -> Tape:
        """The run row of the last Committed was another."""
        last = self.records[-1]
        assert isinstance(last, Committed)
        self.records[-1] = last._replace(run_row=attrs.evolve(last.run_row, **changes))
        return self

    def shows_step(self, **changes: Any) -> Tape:
        """The step row of the last Committed was another."""
        last = self.records[-1]
        assert isinstance(last, Committed)
        assert last.step_row is not None
        self.records[-1] = last._replace(step_row=attrs.evolve(last.step_row, **changes))
        return self

    def shows_owned(self, **changes: Any) -> Tape:
        """The hook's or wait's row of the last Committed was another."""
        last = self.records[-1]
        assert isinstance(last, Committed)
        if last.hook_row is not None:
            self.records[-1] = last._replace(hook_row=attrs.evolve(last.hook_row, **changes))
        else:
            assert last.wait_row is not None
            self.records[-1] = last._replace(wait_row=attrs.evolve(last.wait_row, **changes))
        return self

    def run_becomes(self, **changes: Any) -> Tape:
        """The run's row changes, and no event says so."""
        self.runs[self.run_id] = attrs.evolve(self.runs[self.run_id], **changes)
        return self

    def step_becomes(self, step: str, **changes: Any) -> Tape:
        """The step's row changes, and no event says so."""
        key = (self.run_id, step_id(step))
        self.steps[key] = attrs.evolve(self.steps[key], **changes)
        return self

    def final(self, **changes: Any) -> Final:
        """The state at the end."""
        final = Final(
            self.turn,
            self.now_ms,
            True,
            self.runs,
            self.steps,
            self.logs,
            self.labels,
            (),
            -1,
            self.hooks,
            self.waits,
        )
        return final._replace(**changes)

    def _tick(self) -> None:
        self.turn += 1
        self.now_ms += 1


def step_id(step: str) -> str:
    """The correlation id of a label."""
    return f"step_{step}"


def hook_id(hook: str) -> str:
    """The correlation id of a hook's label."""
    return f"hook_{hook}"


def wait_id(wait: str) -> str:
    """The correlation id of a wait's label."""
    return f"wait_{wait}"


def _no_run(run_id: str) -> RunRow:
    blank = apply_run(None, run_id, RunCreated("order", b""), EPOCH_MS)
    assert blank is not None
    return blank


def context(**changes: Any) -> Context:
    """max_retries 3 and a crash budget of 4, as the presets have it."""
    return Context(**{"max_retries": 3, "crashes_max": 4, **changes})


def broken(law: str, tape: Tape, final: Final | None = None, **promises: Any) -> list[str]:
    """How a tape breaks one law, as ``kind place``; all laws are judging."""
    found = judge(tuple(LAWS.values()), context(**promises), tape.records, final or tape.final())
    return [f"{each.kind} {each.place}" for each in found if each.law == law]


def healthy(steps: int = 10) -> Tape:
    """An undisturbed run: the first step runs inline, the others in the background."""
    names = [f"work#{number}" for number in range(1, steps + 1)]
    tape = Tape().opened(*names)
    for name in names[1:]:
        tape.sent(name)
    tape.works(names[0])
    for name in names[1:]:
        task = f"{FLOW}/{name}"
        tape.delivered(name, task=task).works(name, task=task)
    return tape.run_completed()
