"""Cells: which line of which table an operation is about, and the short path that leads to each.

A cell of spec §1.3 is *event, state of its entity, state of its run*, written ``step_started |
pending | running``; its answers are ``engine.legality_matrix``.  Beside them stand the cells of
starts under a condition, of failures told by an owner, and of names that are no names.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from simworld.conformance.names import BAD_CURSORS, BAD_NAMES
from simworld.conformance.operations import (
    CloseStream,
    Create,
    Operation,
    ReadFrom,
    ReadHook,
    WriteStream,
)
from simworld.engine import (
    RUN_TERMINAL,
    AttrSet,
    Fact,
    HookCreated,
    HookDisposed,
    HookReceived,
    RunCancelled,
    RunCompleted,
    RunCreated,
    RunFailed,
    RunStarted,
    StepCompleted,
    StepCreated,
    StepFailed,
    StepRetrying,
    StepStarted,
    WaitCompleted,
    WaitCreated,
    legality_matrix,
)
from simworld.worlds import AtomicWorld

MISSING, EARLY, LEASED, OWN, OVER = "missing", "early", "leased", "leased, own", "lease over"
BAD = "bad name"
LATER_MS = 3_600_000
"""What is due later is due so much later: drawn pauses between operations do not reach it."""
LONG_AGO_MS = 1
MINE, THEIRS = "msg_1.1", "msg_2.1"
CONDITIONS = ("not_running", "lease_free")
LEASES = (MISSING, "pending", EARLY, "running", LEASED, OWN, OVER, "completed")


@attrs.frozen
class Target:
    """A cell."""

    event: str
    state: str
    run: str

    @property
    def name(self) -> str:
        """As reports write it."""
        return (
            BAD_CELL.format(self.event)
            if self.state == BAD
            else (f"{self.event} | {self.state} | {self.run}")
        )

    @property
    def about_the_run(self) -> bool:
        """Its event changes the run, so nothing else may be aimed at in this run."""
        return self.event.startswith("run_") or self.state == BAD


BAD_CELL = "{} | " + BAD


def unreachable() -> dict[str, str]:
    """The cells of §1.3 that no history leads to, each with the reason."""
    found = {}
    for cell in legality_matrix():
        target = Target(cell.event, cell.state, cell.run)
        reason = _unreachable(target)
        if reason:
            found[target.name] = reason
    return found


def _unreachable(target: Target) -> str:
    kind = target.event.partition("_")[0]
    if kind in ("run", "attr"):
        return ""
    if target.run == MISSING and target.state != MISSING:
        return "nothing belongs to a run that does not exist"
    if target.run in RUN_TERMINAL and kind == "hook" and target.state == "live":
        return "the end of a run lets go of its hooks"
    if target.run in RUN_TERMINAL and kind == "wait" and target.state != MISSING:
        return "the end of a run removes its waits"
    return ""


def targets(*, with_streams: bool) -> list[Target]:
    """Every cell that some history leads to: those of §1.3 first."""
    every = [Target(cell.event, cell.state, cell.run) for cell in legality_matrix()]
    found = [each for each in every if not _unreachable(each)]
    for run in ("running", "completed"):
        for condition in CONDITIONS:
            found += [Target(f"step_started, {condition}", state, run) for state in LEASES]
        for event in ("step_failed", "step_retrying"):
            found += [Target(f"{event}, owner", state, run) for state in ("own", "another's")]
    entrances = [each for each in ENTRANCES if with_streams or each != "stream"]
    return found + [Target(each, BAD, "") for each in entrances]


ENTRANCES = (
    "run_created",
    "run_started, data",
    "step_created",
    "step_started, lazy",
    "hook_created",
    "wait_created",
    "events",
    "stream",
)
"""Where a name comes into a world."""


# --- the way there ------------------------------------------------------------------------------


@attrs.frozen
class Way:
    """How to get to a cell in a run: before the run's end, and then the operation itself."""

    before: list[Operation]
    aim: list[Operation]


@attrs.frozen
class Names:
    """The names one way uses."""

    run: str
    entity: str
    """Ends the ids of its step, hook and wait."""
    token: str
    holder: str
    """A run that owns tokens others want."""

    @property
    def step(self) -> str:
        """The step's id."""
        return f"step_{self.entity}"

    @property
    def hook(self) -> str:
        """The hook's id."""
        return f"hook_{self.entity}"

    @property
    def wait(self) -> str:
        """The wait's id."""
        return f"wait_{self.entity}"


CREATED = RunCreated("order", b"in")


def run_way(run: str, run_id: str, *, resilient: bool) -> tuple[list[Operation], list[Operation]]:
    """(the operations that make a living run, the one that ends it) for a state of it."""
    if run in (MISSING, ""):
        return [], []
    born: list[Operation]
    if resilient and run != "pending":
        born = [Create(run_id, RunStarted("order", b"in"))]
    else:
        born = [Create(run_id, CREATED)]
        if run != "pending":
            born.append(Create(run_id, RunStarted()))
    end = RUN_FACTS.get(run)
    return born, [] if end is None else [Create(run_id, end)]


RUN_FACTS: dict[str, Fact] = {
    "completed": RunCompleted(b"out"),
    "failed": RunFailed(b"why", "USER_ERROR"),
    "cancelled": RunCancelled(),
}


def way(target: Target, names: Names, now_ms: int) -> Way:
    """How to get to ``target`` in a run that is made and ended by ``run_way``."""
    if target.state == BAD:
        return Way([], list(_bad_names(target.event, names)))
    kind = target.event.partition("_")[0]
    before: list[Operation] = []
    if kind == "step":
        facts = _step_facts(target.state, names.step, now_ms)
        before = [Create(names.run, fact) for fact in facts]
    elif kind == "hook":
        before = _hook_ways(target, names)
    elif kind == "wait" and target.state != MISSING:
        before = [Create(names.run, WaitCreated(names.wait, now_ms + LATER_MS))]
        if target.state == "completed":
            before.append(Create(names.run, WaitCompleted(names.wait)))
    return Way(before, [Create(names.run, _fact(target, names, now_ms))])


def _step_facts(state: str, step_id: str, now_ms: int) -> list[Fact]:
    later = now_ms + LATER_MS
    created = StepCreated(step_id, "work", b"in")
    started = StepStarted(step_id, "work")
    ways: dict[str, list[Fact]] = {
        MISSING: [],
        "pending": [created],
        EARLY: [created, started, StepRetrying(step_id, b"why", later)],
        "running": [created, started],
        "completed": [created, started, StepCompleted(step_id, b"out")],
        "failed": [created, started, StepFailed(step_id, b"why")],
        LEASED: [created, StepStarted(step_id, "work", THEIRS, later)],
        OWN: [created, StepStarted(step_id, "work", MINE, later)],
        OVER: [created, StepStarted(step_id, "work", THEIRS, LONG_AGO_MS)],
        "own": [created, StepStarted(step_id, "work", MINE, LONG_AGO_MS)],
        "another's": [created, StepStarted(step_id, "work", THEIRS, LONG_AGO_MS)],
    }
    return ways[state]


def _hook_ways(target: Target, names: Names) -> list[Operation]:
    """The hook in its state; the token of a conflict, or of a taken one, is the holder's."""
    found: list[Operation] = []
    if target.state == "conflict" or target.event.endswith("taken"):
        held = HookCreated(names.hook, f"{names.token}, held")
        found = [Create(names.holder, CREATED), Create(names.holder, held)]
    if target.state == "conflict":
        found.append(Create(names.run, HookCreated(names.hook, f"{names.token}, held")))
    elif target.state != MISSING:
        found.append(Create(names.run, HookCreated(names.hook, names.token, b"meta")))
        if target.state == "disposed":
            found.append(Create(names.run, HookDisposed(names.hook, names.token)))
    return found


def _fact(target: Target, names: Names, now_ms: int) -> Fact:
    event, _, form = target.event.partition(", ")
    later = now_ms + LATER_MS
    token = f"{names.token}, held" if form == "token taken" else names.token
    facts: dict[str, Fact] = {
        "run_created": CREATED,
        "run_started": RunStarted("order", b"in") if form else RunStarted(),
        "run_completed": RunCompleted(b"out"),
        "run_failed": RunFailed(b"why", "USER_ERROR"),
        "run_cancelled": RunCancelled(),
        "attr_set": AttrSet(f"attr_{names.entity}", b"changes"),
        "step_created": StepCreated(names.step, "work", b"in"),
        "step_started": StepStarted(names.step, "work"),
        "step_completed": StepCompleted(names.step, b"out"),
        "step_failed": StepFailed(names.step, b"why", MINE if form else ""),
        "step_retrying": StepRetrying(names.step, b"why", 0, MINE if form else ""),
        "hook_created": HookCreated(names.hook, token),
        "hook_received": HookReceived(names.hook, names.token, b"payload"),
        "hook_disposed": HookDisposed(names.hook, names.token),
        "wait_created": WaitCreated(names.wait, later),
        "wait_completed": WaitCompleted(names.wait, later),
    }
    if form in CONDITIONS:
        return StepStarted(names.step, "work", MINE, later, form)
    if form == "lazy":
        return StepStarted(names.step, "work", MINE, later, input=b"in")
    return facts[event]


def _bad_names(entrance: str, names: Names) -> Iterator[Operation]:
    """Each bad name at one entrance."""
    yield Create(names.run, CREATED)
    if entrance == "events":
        yield from (ReadFrom(names.run, each) for each in BAD_CURSORS)
        return
    for bad in BAD_NAMES:
        if entrance == "run_created":
            yield Create(bad, CREATED)
            yield Create(f"{names.run} of {entrance}", RunCreated(bad, b"in"))
        elif entrance == "run_started, data":
            yield Create(bad, RunStarted("order", b"in"))
            if bad:  # without a name it is another event
                yield Create(f"{names.run} of {entrance}", RunStarted(bad, b"in"))
        elif entrance == "step_created":
            yield Create(names.run, StepCreated(bad, "work", b"in"))
            yield Create(names.run, StepCreated(names.step, bad, b"in"))
        elif entrance == "step_started, lazy":
            yield Create(names.run, StepStarted(bad, "work", input=b"in"))
            yield Create(names.run, StepStarted(names.step, bad, input=b"in"))
        elif entrance == "hook_created":
            yield Create(names.run, HookCreated(bad, names.token))
            yield Create(names.run, HookCreated(names.hook, bad))
            yield ReadHook(bad)
        elif entrance == "wait_created":
            yield Create(names.run, WaitCreated(bad, LATER_MS))
        else:
            yield WriteStream(names.run, bad, (b"chunk",))
            yield WriteStream(bad, "out", (b"chunk",))
            yield CloseStream(bad, bad)


# --- the way back: which cell an operation is about -----------------------------------------------


def cell_of(model: AtomicWorld, run_id: str, fact: Fact, now_ms: int) -> str:
    """The cell of a fact, in the model's state just before it is recorded."""
    run = model.runs.get(run_id)
    run_state = MISSING if run is None else str(run.status)
    kind = fact.type.partition("_")[0]
    key = (run_id, getattr(fact, "correlation_id", ""))
    event, state = fact.type, run_state
    if isinstance(fact, RunStarted) and fact.workflow_name:
        event = "run_started, data"
    elif kind == "step":
        event, state = _step_cell(model, key, fact, now_ms)
    elif kind == "hook":
        hook = model.hooks.get(key)
        state = MISSING if hook is None else str(hook.status)
        if isinstance(fact, HookCreated):
            owner = model.tokens.get(fact.token)
            if owner is not None and (owner.run_id, owner.correlation_id) != key:
                event = "hook_created, token taken"
    elif kind == "wait":
        wait = model.waits.get(key)
        state = MISSING if wait is None else str(wait.status)
    return Target(event, state, run_state).name


def _step_cell(
    model: AtomicWorld, key: tuple[str, str], fact: Fact, now_ms: int
) -> tuple[str, str]:
    row = model.steps.get(key)
    if row is None:
        state = MISSING
    else:
        state = EARLY if row.retry_after_ms > now_ms else str(row.status)
        state = str(row.status) if row.status not in ("pending", "running") else state
    if isinstance(fact, StepStarted):
        if fact.input:
            return "step_started, lazy", state
        if fact.admit != "always":
            if row is not None and state == "running" and row.lease_until_ms:
                live = row.lease_until_ms > now_ms
                state = OVER if not live else OWN if row.owner == fact.owner else LEASED
            return f"step_started, {fact.admit}", state
    elif isinstance(fact, StepFailed | StepRetrying) and fact.owner and state == "running":
        assert row is not None
        return f"{fact.type}, owner", "own" if row.owner == fact.owner else "another's"
    return fact.type, state
