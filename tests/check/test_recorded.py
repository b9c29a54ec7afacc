"""Recorded logs: each law that a log can break has one that does, and the nearest that does not."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from simworld.campaign import load_scenarios, preset
from simworld.campaign.hunt import Hunter
from simworld.check import LAWS, LOG_LAWS, LogJudge, check_log
from simworld.check.recorded import forms, judging
from simworld.errors import UsageError
from tests.check.exported import Log, exported, iso, judged, kinds, lines

STEP, WAIT, HOOK = "step_A", "wait_A", "hook_A"
DUE_MS = 60_000


def waiting() -> Log:
    """A run that sleeps for a minute."""
    log = Log().opened()
    return log.has("wait_created", WAIT, resumeAt=iso(log.now_ms + DUE_MS))


def hooked() -> Log:
    """A run with a live hook."""
    return Log().opened().has("hook_created", HOOK, token="t")


def retrying(ms: int) -> Log:
    """A step that may be tried again in so many milliseconds."""
    log = Log().opened().step("created", "started")
    return log.has("step_retrying", STEP, error="boom", retryAfter=iso(log.now_ms + ms))


def failing(starts: int, kind: str = "exhausted") -> Log:
    """A step that is given up after so many starts."""
    log = Log().opened().step("created", *["started"] * starts)
    return log.has("step_failed", STEP, error={"kind": kind, "message": "boom"})


def swapped() -> Log:
    """A log with two events in the wrong order."""
    log = Log().opened().step("created", "started")
    log.events[2:4] = log.events[3:1:-1]
    return log


CASES: dict[str, tuple[Log, Log, str, dict[str, Any]]] = {
    "I-01 created first": (
        Log().has("run_started"),
        Log().has("run_created").has("run_started"),
        "I-01 run-not-created-first run",
        {},
    ),
    "I-01 created once": (
        Log().has("run_created").has("run_created"),
        Log().has("run_created").has("noop"),
        "I-01 run-created-twice run",
        {},
    ),
    "I-01 started at once": (
        Log().has("run_created").step("created").has("run_started"),
        Log().has("run_created").has("run_started").step("created"),
        "I-01 run-started-late run",
        {},
    ),
    "I-01 ended once": (
        Log().opened().has("run_completed").has("run_failed", error="x"),
        Log().opened().has("run_cancelled").has("run_cancelled"),
        "I-01 second-terminal-event run",
        {},
    ),
    "I-02 nothing after the end": (
        hooked().has("run_completed").has("hook_received", HOOK, payload=1),
        Log().opened().step("created", "started").has("run_completed").step("completed"),
        "I-02 event-after-run-end run/hook_A",
        {},
    ),
    "I-02 no new start after the end": (
        Log().opened().step("created").has("run_completed").step("started"),
        Log().opened().step("created", "started").has("run_completed").step("started", "completed"),
        "I-02 event-after-run-end run/step_A",
        {},
    ),
    "I-03 a step that has ended": (
        Log().opened().step("created", "started", "completed", "retrying"),
        Log().opened().step("created", "started", "retrying", "started", "completed"),
        "I-03 terminal-status-changed run/step_A",
        {},
    ),
    "I-03 a run that has ended": (
        Log().opened().has("run_completed").has("run_cancelled"),
        Log().opened().has("run_cancelled").has("run_cancelled"),
        "I-03 terminal-status-changed run",
        {},
    ),
    "I-04 steps": (
        Log().opened().step("created", "created"),
        Log().opened().step("created").step("created", about="step_B"),
        "I-04 created-twice run/step_A",
        {},
    ),
    "I-04 hooks": (
        hooked().has("hook_conflict", HOOK, token="u"),
        hooked().has("hook_conflict", "hook_B", token="u"),
        "I-04 created-twice run/hook_A",
        {},
    ),
    "I-05 created before started": (
        Log().opened().step("started"),
        Log().opened().has("step_started", STEP, stepName="charge", input=[1]),
        "I-05 step-not-created run/step_A",
        {},
    ),
    "I-05 ended once": (
        Log().opened().step("created", "started", "failed", "completed"),
        Log().opened().step("created", "started", "started", "completed"),
        "I-05 event-after-step-end run/step_A",
        {},
    ),
    "I-06 created": (
        Log().opened().has("wait_completed", WAIT),
        waiting().has("wait_completed", WAIT),
        "I-06 wait-not-created run/wait_A",
        {},
    ),
    "I-06 completed once": (
        waiting().has("wait_completed", WAIT).has("wait_completed", WAIT),
        waiting().has("wait_completed", WAIT),
        "I-06 wait-completed-twice run/wait_A",
        {},
    ),
    "I-06 one instant": (
        waiting().has("wait_completed", WAIT, resumeAt="2026-05-05T10:00:00Z"),
        waiting().has("wait_completed", WAIT, resumeAt=iso(waiting().now_ms - 10 + DUE_MS)),
        "I-06 resume-at-changed run/wait_A",
        {},
    ),
    "I-07 received while it lives": (
        hooked().has("hook_disposed", HOOK).has("hook_received", HOOK, payload=1),
        hooked().has("hook_received", HOOK, payload=1).has("hook_disposed", HOOK),
        "I-07 payload-without-live-hook run/hook_A",
        {},
    ),
    "I-07 disposed once": (
        hooked().has("hook_disposed", HOOK).has("hook_disposed", HOOK),
        hooked().has("hook_disposed", HOOK),
        "I-07 disposed-without-live-hook run/hook_A",
        {},
    ),
    "I-08 two owners in a run": (
        hooked().has("hook_created", "hook_B", token="t"),
        hooked().has("hook_disposed", HOOK).has("hook_created", "hook_B", token="t"),
        "I-08 token-owned-twice run/hook_B",
        {},
    ),
    "I-08 a conflict with itself": (
        Log().opened().has("hook_conflict", HOOK, token="t", conflictingRunId="wrun_1"),
        Log().opened().has("hook_conflict", HOOK, token="t", conflictingRunId="wrun_2"),
        "I-08 conflict-without-owner run/hook_A",
        {},
    ),
    "I-09 ids are unique": (
        Log().opened().step("created").but(3, eventId="evnt_00000000000000000000000001"),
        Log().opened().step("created").but(3, eventId="evnt_00000000000000000000000009"),
        "I-09 event-id-twice run",
        {},
    ),
    "I-09 ids or times rise": (
        swapped(),
        swapped().but(4, createdAt=iso(1_777_000_001_000)),
        "I-09 position-does-not-rise run",
        {"laws": ["I-09"]},
    ),
    "I-12": (
        failing(3),
        failing(4),
        "I-12 retries-not-exhausted run/step_A",
        {"max_retries": 3},
    ),
    "I-17": (
        Log().opened().has("run_failed", error={"message": "x"}, errorCode="REPLAY_DIVERGENCE"),
        Log().opened().has("run_failed", error={"message": "x"}, errorCode="USER_ERROR"),
        "I-17 run-diverged run",
        {"laws": ["I-17"]},
    ),
    "I-26": (
        Log().opened().step("created", "started").has("run_cancelled").step("started"),
        Log().opened().step("created", "started").has("run_cancelled").step("completed"),
        "I-26 body-after-cancel run/step_A",
        {},
    ),
    "L-01 a step": (
        Log().opened().step("created", "started"),
        Log().opened().step("created", "started", "completed").has("run_completed"),
        "L-01 stuck-run run/step_A",
        {"ended": True},
    ),
    "L-01 a hook may wait for ever": (
        hooked().has("hook_disposed", HOOK),
        hooked(),
        "L-01 stuck-run run",
        {"ended": True},
    ),
    "L-03": (
        waiting().has("wait_completed", WAIT, later_ms=DUE_MS + 7_000),
        waiting().has("wait_completed", WAIT, later_ms=DUE_MS + 5_000),
        "L-03 late-wait run/wait_A",
        {"laws": ["L-03"]},
    ),
    "L-06": (
        retrying(5_000).has("step_started", STEP, later_ms=3_000),
        retrying(5_000).has("step_started", STEP, later_ms=5_000),
        "L-06 early-retry run/step_A",
        {},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_log_that_breaks_the_law_and_the_nearest_that_does_not(case: str) -> None:
    breaking, near, expected, options = CASES[case]
    found = kinds(check_log(breaking.events, **options))
    assert expected in found
    assert kinds(check_log(near.events, **options)) == []
    judge = LogJudge([expected[:4]], **{k: v for k, v in options.items() if k != "laws"})
    for event in breaking.events:
        judge.add(event)
    assert kinds(judge.finish()) == [expected]


def test_every_law_is_here() -> None:
    assert {expected[:4] for _, _, expected, _ in CASES.values()} == set(LOG_LAWS)
    assert set(LOG_LAWS) <= {*LAWS, "L-06"}


def test_a_whole_run_passes_and_the_summary_says_by_which_laws() -> None:
    told = check_log(Log().worked().events)
    assert told
    assert str(told) == "PASS"
    assert (told.events_count, told.runs_count, told.open_count) == (6, 1, 0)
    assert set(told.judged) == set(forms.ALONE)
    assert set(told.judged).isdisjoint(told.not_judged)
    assert set(told.judged) | set(told.not_judged) >= set(LAWS)
    assert "--max-retries" in told.not_judged["I-12"]


def test_an_anomaly_names_event_place_and_position() -> None:
    log = Log().opened().step("started").but(3, tenant="acme")
    told = check_log(log.events)
    assert not told
    (found,) = told.anomalies
    assert (found.run_id, found.position, found.event_type) == ("wrun_1", 3, "step_started")
    assert found.event_id == "evnt_00000000000000000000000003"
    assert str(found.place) == "events[3]"
    assert b'"tenant":"acme"' in found.event
    assert "at position 3" in found.anomaly.message
    assert "events[3]: I-05: step_started of step_A at position 3" in str(told)
    assert repr(told).startswith("<LogVerdict FAIL I-05\nevents[3]: I-05: ")


# --- logs that differ lawfully --------------------------------------------------------------------


def test_what_real_logs_may_have() -> None:
    log = Log().opened().has("attr_set", changes=[{"key": "a"}]).has("noop")
    log.has("attr_set", "attr_1", changes=[])
    log.step("created", "started", "started", "retrying", "started")
    log.has("step_started", "step_lazy", input=[], stepName="x")
    log.has("step_started", "step_lazy", input=[], stepName="x")
    log.has("hook_conflict", HOOK, token="t").has("run_cancelled").has("run_cancelled")
    log.step("completed").has("noop")
    assert str(check_log(log.events, ended=True)) == "PASS"


def test_an_open_log_is_judged_as_far_as_it_goes() -> None:
    told = check_log(Log().opened().step("created").events)
    assert told
    assert told.open_count == 1
    assert "had not ended when their logs did: 1 of 1" in told.notes[0]


@pytest.mark.parametrize(
    "created",
    [1_777_000_000_000, "2026-04-24T03:06:40Z", "2026-04-24T05:06:40+02:00", "2026-04-24 03:06:40"],
)
def test_instants_in_their_forms(created: object) -> None:
    log = waiting().but(3, eventData={"resumeAt": created})
    log.has("wait_completed", WAIT, resumeAt="2026-04-24T03:06:40.000Z")
    assert check_log(log.events)


def test_ids_that_do_not_say_their_place_are_only_unique() -> None:
    log = Log().opened().step("created", "started")
    for number, event_id in enumerate(("ev-9", "ev-3", "7f", "0a"), start=1):
        log.but(number, eventId=event_id)
    assert check_log(log.events)


def test_runs_have_slots_of_their_own() -> None:
    """Dense slots begin at 1 in every run."""
    assert check_log([*Log("wrun_1").worked().events, *Log("wrun_2").worked().events])


def test_unknown_types_are_named_and_harmless() -> None:
    log = Log().opened().has("step_dreamed", STEP).has("run_paused").has("step_dreamed", STEP)
    told = check_log(log.has("run_completed").events)
    assert told
    assert [(each.type, each.count, each.first.index) for each in told.unknown_types] == [
        ("step_dreamed", 2, 3),
        ("run_paused", 1, 4),
    ]
    assert told.events_count == 3


def test_positions_count_events_of_every_type() -> None:
    log = Log().opened().has("noop").has("step_dreamed", STEP).step("started")
    (found,) = check_log(log.events).anomalies
    assert found.position == 5
    assert "at position 5" in found.anomaly.message


def test_of_a_large_event_the_small_fields_are_kept() -> None:
    log = Log().opened().has("step_completed", STEP, result="x" * 300_000).but(3, tenant=7)
    (found,) = check_log(log.events).anomalies
    kept = json.loads(found.event)
    assert kept["tenant"] == 7
    assert kept.keys() == log.events[2].keys() - {"eventData"}
    odd = lines(log.events[:2]) + json.dumps(log.events[2]).encode().replace(b'"tenant', b'"\xff')
    assert judged(odd).anomalies[0].event == b""


# --- bounds ---------------------------------------------------------------------------------------


def fed(judge: LogJudge, *portions: list[dict[str, Any]]) -> LogJudge:
    for events in portions:
        for event in events:
            judge.add(event)
    return judge


def test_runs_that_were_let_go_are_not_judged_again() -> None:
    judge = fed(LogJudge(ended_max=2), *[Log(f"wrun_{n}").worked().events for n in range(5)])
    late = Log("wrun_0").worked().events[4:5]
    told = fed(judge, late).finish()
    assert kinds(told) == []
    assert told.verdict.outcome == "UNKNOWN"
    assert told.runs_count == 5
    assert any("events that were not judged: 1;" in note for note in told.notes)


def test_ended_runs_are_bounded_by_their_events_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "ENDED_EVENTS_MAX", 10)
    ends = [Log(f"wrun_{n}").opened().step("created", "started").has("run_failed") for n in "ab"]
    late = [log.step("completed", "completed").events[5:] for log in ends]
    runs = [log.events[:5] for log in ends]
    told = fed(LogJudge(), *runs, *late).finish()
    assert kinds(told)[:1] == ["I-02 event-after-run-end run/step_A"]
    assert {each.run_id for each in told.anomalies} == {"wrun_a", "wrun_b"}
    monkeypatch.setattr(judging, "ENDED_EVENTS_MAX", 9)
    told = fed(LogJudge(), *runs, *late).finish()
    assert {each.run_id for each in told.anomalies} == {"wrun_b"}
    assert any("events that were not judged: 2;" in note for note in told.notes)


def test_open_runs_are_bounded_too() -> None:
    parts = [Log(f"wrun_{n}").opened().events for n in range(5)]
    told = fed(LogJudge(open_max=2, ended=True), *parts).finish()
    assert (told.runs_count, told.open_count) == (5, 5)
    assert {each.run_id for each in told.anomalies} == {f"wrun_{n}" for n in range(5)}
    assert kinds(told) == ["L-01 stuck-run run"] * 5
    late = [Log(f"wrun_{n}").opened().has("run_completed").events[2:] for n in range(5)]
    told = fed(LogJudge(open_max=2, ended=True), *parts, *late).finish()
    assert (kinds(told), told.verdict.outcome) == ([], "UNKNOWN")  # three ended behind our back


def test_ids_are_compared_within_a_bound_and_beyond_it_by_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forms, "IDS_MAX", 4)
    log = Log().opened()
    for number in range(30):
        log.has("attr_set", changes=[number])
    assert check_log(log.events)
    again = {**log.events[3], "createdAt": log.events[-1]["createdAt"]}
    assert kinds(check_log([*log.events, again])) == ["I-09 position-does-not-rise run"]


def test_anomalies_are_kept_within_a_bound_and_all_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(judging, "KEPT_MAX", 3)
    log = Log().opened()
    for number in range(10):
        log.step("started", about=f"step_{number}")
    told = check_log(log.events)
    assert (len(told.anomalies), told.anomalies_count) == (3, 10)


# --- what to judge --------------------------------------------------------------------------------


def test_laws_are_chosen_by_name() -> None:
    broken = Log().opened().step("started").has("run_completed").has("run_failed", error="x")
    assert kinds(check_log(broken.events, laws=["I-05"])) == ["I-05 step-not-created run/step_A"]
    told = check_log(broken.events, laws=["L-03"])
    assert told
    assert told.not_judged["I-05"] == "other laws were asked for"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"laws": ["I-99"]}, "unknown law of recorded logs 'I-99'"),
        ({"laws": ["I-10"]}, "unknown law of recorded logs 'I-10'"),
        ({"laws": ["L-01"]}, "L-01 needs --ended"),
        ({"laws": ["I-12"]}, "I-12 needs --max-retries"),
        ({"max_retries": -1}, "cannot be negative"),
    ],
)
def test_what_cannot_be_judged_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_log([], **options)


# --- trials, exported -----------------------------------------------------------------------------

SCENARIOS = load_scenarios(None)
TRIALS = 6


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["v2_merge", "fixed"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_logs_of_clean_trials_are_clean(name: str, variant: str) -> None:
    hunter = Hunter(SCENARIOS[name], preset(variant))
    clean = 0
    for number in range(TRIALS):
        trial = hunter.trial(number)
        if trial.verdict.outcome != "PASS":
            continue
        clean += 1
        events = [exported(event) for log in trial.logs.values() for event in log]
        told = judged(lines(events), ended=True)
        assert (kinds(told), told.misreads, told.unknown_types) == ([], (), ())
        assert told.events_count == len(events) > 0
        alone = [judged(lines(exported(each) for each in log)) for log in trial.logs.values()]
        assert all(alone)
    assert clean


def test_a_trial_that_breaks_a_law_of_logs_breaks_it_in_its_export() -> None:
    """The log of a healthy trial, and the same one with an event doubled."""
    trial = Hunter(SCENARIOS["inflated_attempts"], preset("fixed")).trial(0)
    log = next(iter(trial.logs.values()))
    step = next(event for event in log if event.type == "step_completed")
    doubled = [*log, attrs.evolve(step, event_id="evnt_999999")]
    found = kinds(judged(lines(exported(each) for each in doubled)))
    assert {each[:4] for each in found} == {"I-02", "I-05"}
