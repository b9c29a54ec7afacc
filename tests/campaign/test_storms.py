"""The storms and drawn sessions: ``fixed`` weathers them, and a faulty variant does not."""

from __future__ import annotations

import attrs
import pytest

from simworld.campaign import (
    Hunter,
    Scenario,
    Trial,
    claimed_variant,
    load_scenarios,
    placed,
    preset,
)
from simworld.engine import HookReceived, RunCompleted, decode
from simworld.records import Workload

GENERATED = {
    name: scenario for name, scenario in load_scenarios(deep=True).items() if scenario.generated
}
STORMS = sorted(set(GENERATED) - {"generated_programs", "generated_sessions"})
FAULTY = (
    ("step_storm", "fixed ids=monotonic log_position=mint_at_start", {"I-18", "I-19"}),
    ("hook_storm", "v2_merge", {"I-19", "I-09"}),
    ("blocked_branch", "v2_merge", {"I-19"}),
    ("inline_hang", "v2_merge inline_with_wait=true", {"L-02", "L-03"}),
    ("hook_sleep_control", "v2_merge", {"I-20", "I-09"}),
    ("wake_loop", "v2_merge", {"I-06"}),
    ("generated_sessions", "v2_merge", {"I-16", "I-21", "I-23"}),
)
TRIALS_MAX = 60


def sized(name: str, **values: int) -> Scenario:
    """The storm, in its first case, of this size."""
    workload = Workload(steps=0, extra=tuple(values.items()))
    case = attrs.evolve(GENERATED[name].cases[0], draw=lambda stream: workload)
    return attrs.evolve(GENERATED[name], cases=(case,))


def outputs(trial: Trial) -> list[object]:
    """What the runs came to, in the order of their creation."""
    facts = [event.fact for log in trial.logs.values() for event in log]
    return [decode(fact.output) for fact in facts if isinstance(fact, RunCompleted)]


def test_there_are_all_storms_and_only_hunts_by_name_draw_them() -> None:
    first = ["blocked_branch", "hook_sleep_control", "hook_storm", "inline_hang"]
    assert [*first, "step_storm", "wake_loop"] == STORMS
    assert not set(STORMS) & set(load_scenarios())


@pytest.mark.slow
@pytest.mark.parametrize("world", ["atomic", "local", "postgres", "hosted"])
@pytest.mark.parametrize("name", sorted(GENERATED))
def test_fixed_weathers_them(name: str, world: str) -> None:
    hunter = Hunter(GENERATED[name], placed(preset("fixed"), world))
    for number in range(6 if world == "atomic" else 2):
        trial = hunter.trial(number)
        assert str(trial.verdict) == "PASS", (number, trial.anomalies)
        assert trial.ended_count == trial.runs_count >= 1


@pytest.mark.parametrize(("name", "key", "laws"), FAULTY, ids=[each[0] for each in FAULTY])
def test_a_faulty_variant_does_not(name: str, key: str, laws: set[str]) -> None:
    hunter = Hunter(GENERATED[name], claimed_variant(key))
    broken: set[str] = set()
    for number in range(TRIALS_MAX):
        broken |= {each.law for each in hunter.trial(number).anomalies}
        if broken & laws:
            return
    pytest.fail(f"{name} on {key} breaks only {broken} in {TRIALS_MAX} trials")


# --- what they come to ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rounds", "loses"),
    [("step_storm", 6, True), ("hook_storm", 2, True), ("blocked_branch", 2, False)],
)
def test_the_ledger_of_a_large_storm_is_complete(name: str, rounds: int, loses: bool) -> None:
    trial = Hunter(sized(name, rounds=rounds, width=8), preset("fixed")).trial(0)
    assert str(trial.verdict) == "PASS"
    (ledger,) = outputs(trial)
    assert isinstance(ledger, list)
    assert [len(winners) for winners, _ in ledger] == [8] * rounds
    stragglers = [winners.count("watchdog") for winners, _ in ledger]
    assert [followed - 2 for _, followed in ledger] == stragglers
    assert (sum(stragglers) > 0) is loses
    assert sum(stragglers) < 8 * rounds


def test_the_wakes_of_the_field_are_told_by_several_runs() -> None:
    trial = Hunter(sized("wake_loop", wakes=12, cycles=80), preset("fixed")).trial(0)
    assert str(trial.verdict) == "PASS"
    sent = [
        decode(event.fact.payload)["wake"]
        for log in trial.logs.values()
        for event in log
        if isinstance(event.fact, HookReceived)
    ]
    assert len(sent) == 12
    assert trial.runs_count > 1
    told = [wake for output in outputs(trial) if isinstance(output, list) for wake in output]
    assert sorted(told) == [each for each in sorted(told) if each in sent]
    assert len(told) >= 5


def test_a_hanging_step_holds_nobody_up() -> None:
    trial = Hunter(sized("inline_hang", rounds=8, hangs=2), preset("fixed")).trial(0)
    assert str(trial.verdict) == "PASS"
    (told,) = outputs(trial)
    assert isinstance(told, list)
    assert len(told) == 8
