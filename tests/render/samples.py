"""Hand-made results and stories, small enough to check by eye."""

from __future__ import annotations

from typing import Any

import attrs

from simworld.engine import (
    Event,
    RunCompleted,
    RunCreated,
    RunStarted,
    StepCreated,
    StepFailed,
    StepStarted,
    encode,
)
from simworld.records import (
    Advance,
    Anomaly,
    Fault,
    Finding,
    RacingPair,
    Repro,
    Result,
    Schedule,
    Story,
    Turn,
    Twin,
    TwinSearch,
    Verdict,
    Workload,
)

EPOCH_MS = 1_750_000_000_000
FLOW, STEP = "start/flow", "start/flow/work#3"
AGAIN = f"{STEP}~2"
LABELS = {"wrun_1": "run", **{f"step_{n}": f"work#{n}" for n in range(1, 6)}}


def anomaly(**changed: Any) -> Anomaly:
    base = Anomaly(
        law="I-12",
        kind="retries-not-exhausted",
        message="work#3 was given up after 1 of 4 failed bodies.",
        place="run/work#3",
        turn=31,
    )
    return attrs.evolve(base, **changed)


def repro(**changed: Any) -> Repro:
    base = Repro(
        scenario="inflated_attempts",
        case="duplicates",
        variant="v2_merge",
        knobs={"attempt_guard": "G1"},
        world="atomic",
        workload=Workload(steps=5, max_retries=3, failures=(("work#3", 2),)),
        faults=(Fault("duplicate", STEP, 3),),
        schedule=Schedule((Advance(STEP, 2, "deliver work#3"),)),
        turns_max=2_000,
        law="I-12",
        kind="retries-not-exhausted",
        place="run/work#3",
        message="work#3 was given up after 1 of 4 failed bodies.",
        seed=7,
        trial=131,
        explorer="portfolio",
        moves_before=145,
        engine="e1",
        trace="t1",
    )
    return attrs.evolve(base, **changed)


def finding(**changed: Any) -> Finding:
    base = Finding(anomaly(), 131, 12, 145, 4, 0.25, repro())
    return attrs.evolve(base, **changed)


def result(**changed: Any) -> Result:
    """A failing one, as declared."""
    base = Result(
        scenario="inflated_attempts",
        case="",
        variant="v2_merge",
        world="atomic",
        seed=7,
        explorer="portfolio",
        trials=2_000,
        turns=104_000,
        deliveries=14_200,
        seconds=1.6,
        verdict=Verdict("FAIL", "I-12"),
        expected=Verdict("FAIL", "I-12"),
        findings=(finding(),),
        marks={"start.accepted_while_running": 9, "delivery.duplicate": 40},
        digest="d1",
        ended_share=1.0,
        overlap_share=0.6,
    )
    return attrs.evolve(base, **changed)


def passing(**changed: Any) -> Result:
    base = result(variant="fixed", verdict=Verdict("PASS"), expected=Verdict("PASS"), findings=())
    return attrs.evolve(base, **changed)


def event(position: int, ms: int, fact: Any) -> Event:
    step = getattr(fact, "correlation_id", "")
    return Event("wrun_1", f"evnt_{position}", position, EPOCH_MS + ms, fact.type, step, fact)


def turns() -> tuple[Turn, ...]:
    """A client, a flow handler that makes five steps, and two deliveries that race."""
    rows: list[tuple[int, str, str, str]] = [
        (0, "start", "record run_created", "event 1"),
        (0, "start", "send flow", f"queued as {FLOW}"),
        (0, FLOW, "deliver flow", ""),
        (0, FLOW, "record run_started", "event 2"),
    ]
    rows += [(0, FLOW, f"record step_created of work#{n}", f"event {n + 2}") for n in (1, 2, 4, 5)]
    rows += [
        (0, f"{FLOW}/create.3", "record step_created of work#3", "event 7"),
        (0, FLOW, "send work#3", f"queued as {STEP}, delivered 4 times"),
        (0, STEP, "deliver work#3", ""),
        (0, STEP, "read the run", "the run is running"),
        (5, AGAIN, "deliver work#3", ""),
        (5, AGAIN, "record step_started of work#3", "event 8, attempt 1"),
        (5, AGAIN, "read the log", "8 events, up to position 8"),
        (1_005, STEP, "record step_started of work#3", "event 9, attempt 2"),
        (1_005, STEP, "record step_failed of work#3", "event 10"),
    ]
    return tuple(
        Turn(number, EPOCH_MS + ms, task, op, outcome, _labels(op))
        for number, (ms, task, op, outcome) in enumerate(rows, start=1)
    )


def _labels(op: str) -> tuple[tuple[str, bool], ...]:
    step = op.rpartition(" ")[2]
    return ((f"step run/{step}", True),) if op.startswith("record step") else ()


def log() -> tuple[Event, ...]:
    made = [(position, f"step_{n}") for position, n in ((3, 1), (4, 2), (5, 4), (6, 5), (7, 3))]
    return (
        event(1, 0, RunCreated("five", b"")),
        event(2, 0, RunStarted()),
        *(event(position, 0, StepCreated(step, "work", b"")) for position, step in made),
        event(8, 5, StepStarted("step_3", "work")),
        event(9, 1_005, StepStarted("step_3", "work")),
        event(10, 1_005, StepFailed("step_3", b"")),
    )


def twin(**changed: Any) -> Twin:
    """The same trial, the two starts in the other order; the step is tried again, and succeeds."""
    turns_of = turns()
    started, failing, failed = turns_of[13], turns_of[15], turns_of[16]
    later = (
        failing._replace(turn=14, now_ms=EPOCH_MS + 5, outcome="event 8, attempt 1"),
        started._replace(turn=15, outcome="event 9, attempt 2"),
        failed._replace(turn=16, op="record step_retrying of work#3", outcome="event 10"),
        started._replace(turn=17, op="record step_completed of work#3", outcome="event 11"),
    )
    ended = event(12, 9, RunCompleted(encode(["done", 5])))
    base = Twin(
        repro=repro(),
        turns=(*turns_of[:13], *later),
        log=(*log()[:8], ended),
        labels=LABELS,
        race=RacingPair(started, failing, "step run/work#3"),
    )
    return attrs.evolve(base, **changed)


def story(**changed: Any) -> Story:
    trace = turns()
    base = Story(
        repro=repro(),
        turns=trace,
        log=log(),
        labels=LABELS,
        anomaly=anomaly(turn=17),
        twins=TwinSearch(twin(), 9),
    )
    return attrs.evolve(base, **changed)
