"""I-16 and I-17: passes that disagree, runs that end otherwise when replayed, and divergence."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from simworld.check import ColdReplay
from simworld.engine import (
    Completed,
    Decision,
    Diverged,
    Event,
    Failed,
    Outcome,
    PassResult,
    StepRequest,
    Suspension,
    Unconsumed,
    WaitRequest,
)
from simworld.records import Decided
from tests.check.build import FLOW, RUN, Tape, broken, step_id

WORK = "work#1"


def ended(output: object = "done") -> Tape:
    return Tape().opened(WORK).works(WORK).run_completed(output)


def always(outcome: Outcome) -> ColdReplay:
    return lambda run_id, log: PassResult(outcome, ())


def test_i16_every_difference_counts() -> None:
    tape = Tape().opened(WORK).checked()
    assert broken("I-16", tape) == []
    assert broken("I-16", tape.checked("step work#1 | sleep#1")) == ["retained-pass-differs run"]


OUTCOMES: dict[str, tuple[Outcome, list[str]]] = {
    "the same": (Completed("done"), []),
    "another output": (Completed("other"), ["cold-replay-differs run"]),
    "an error": (Failed(ValueError("x")), ["cold-replay-ends-otherwise run"]),
    "it waits": (Suspension((WaitRequest("w", 2, 5),)), ["cold-replay-suspends run"]),
    "unconsumed": (Unconsumed("e", "nobody asked"), ["cold-replay-diverges run"]),
    "diverged": (Diverged("e", "two stories"), ["cold-replay-diverges run"]),
}


@pytest.mark.parametrize("case", OUTCOMES)
def test_i16_a_completed_run_completes_again(case: str) -> None:
    outcome, expected = OUTCOMES[case]
    assert broken("I-16", ended(), cold_replay=always(outcome)) == expected


def test_i16_a_failed_run_fails_again() -> None:
    tape = Tape().opened().run_failed("ValueError")  # its message is "planned"
    assert broken("I-16", tape, cold_replay=always(Failed(ValueError("planned")))) == []
    for error in (ValueError("other"), TypeError("planned")):
        assert broken("I-16", tape, cold_replay=always(Failed(error))) == [
            "cold-replay-differs run"
        ]
    assert broken("I-16", tape, cold_replay=always(Completed(1))) == [
        "cold-replay-ends-otherwise run"
    ]


@pytest.mark.parametrize("law", ["I-16", "I-19", "I-20", "I-22"])
def test_a_run_whose_row_is_lost_is_replayed_by_nobody(law: str) -> None:
    """A replay asks its row for its workflow; that it is lost is for I-10 to say."""
    tape = Tape().opened(WORK).works(WORK)
    decision = Decision(1, 0, tape.logs[RUN][-1].event_id, "", ((step_id(WORK), 0),))
    tape.adds(Decided, FLOW, RUN, 4, 4, decision).run_failed(code="RUNTIME_ERROR")
    asked: list[str] = []

    def replay(run_id: str, log: Sequence[Event]) -> PassResult:
        asked.append(run_id)
        return PassResult(Suspension(()), ())

    promises = {"cold_replay": replay, "prefix_events_max": 24}
    assert broken(law, tape, tape.final(runs={}), **promises) == []
    assert asked == []
    broken(law, tape, **promises)
    assert set(asked) == {RUN}
    assert "event-without-row run" in broken("I-10", tape, tape.final(runs={}))


@pytest.mark.parametrize("tape", [Tape().opened().run_cancelled(), Tape().opened(WORK)])
def test_i16_asks_nothing_of_runs_that_others_end(tape: Tape) -> None:
    assert broken("I-16", tape, cold_replay=always(Suspension(()))) == []


@pytest.mark.parametrize("code", ["RUNTIME_ERROR", "MAX_DELIVERIES_EXCEEDED", "REPLAY_TIMEOUT"])
def test_i16_asks_nothing_of_runs_that_the_engine_ends(code: str) -> None:
    tape = Tape().opened().run_failed("ValueError", code)
    assert broken("I-16", tape, cold_replay=always(Suspension(()))) == []


def test_i16_replays_what_came_before_the_end() -> None:
    seen: list[tuple[str, list[str]]] = []

    def replay(run_id: str, log: Sequence[Event]) -> PassResult:
        seen.append((run_id, [event.type for event in log]))
        return PassResult(Completed("done"), ())

    tape = Tape().opened(WORK, "work#2").started("work#2").run_completed().completed("work#2")
    assert broken("I-16", tape, cold_replay=replay) == []
    steps = ["step_created", "step_created", "step_started"]
    assert seen[0] == (RUN, ["run_created", "run_started", *steps])
    assert seen == seen[:1] * len(seen)  # other laws ask for the same


def growing(*, again: int) -> ColdReplay:
    """Asks for one more step every two events; the pass over ``again`` events asks for another."""

    def replay(run_id: str, log: Sequence[Event]) -> PassResult:
        names = ["work"] * (len(log) // 2)
        if len(log) == again:
            names[0] = "other"
        asked = [StepRequest(f"step_{n}", n, name, (), {}) for n, name in enumerate(names)]
        return PassResult(Suspension(tuple(asked)), asked)

    return replay


def test_i16_a_longer_log_only_adds_requests() -> None:
    tape = Tape().opened(WORK).works(WORK).run_cancelled()  # five events before its end
    for again, expected in ((0, []), (4, ["request-taken-back run"]), (6, [])):
        replay = growing(again=again)
        assert broken("I-16", tape, cold_replay=replay, prefix_events_max=5) == expected
        assert broken("I-16", tape, cold_replay=replay, prefix_events_max=4) == []


# --- I-17 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["CORRUPTED_EVENT_LOG", "REPLAY_DIVERGENCE", "RUNTIME_ERROR"])
def test_i17_a_deterministic_run_does_not_diverge(code: str) -> None:
    tape = Tape().opened().run_failed("ReplayDivergence", code)
    assert broken("I-17", tape) == ["run-diverged run"]
    assert broken("I-17", tape, may_diverge=True) == []


@pytest.mark.parametrize("code", ["USER_ERROR", "MAX_DELIVERIES_EXCEEDED", "REPLAY_TIMEOUT"])
def test_i17_other_failures_are_no_divergence(code: str) -> None:
    assert broken("I-17", Tape().opened().run_failed("ValueError", code)) == []
