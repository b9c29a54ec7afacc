"""Which turns are told of what came too late, or raced with nobody."""

from __future__ import annotations

import attrs

from simworld.records import RacingPair, Schedule, Story, Turn, TwinSearch
from simworld.render.timeline import FOLD_MIN, ROWS_MAX, Shown, timeline
from tests.render import samples

FLOW, QUICK, OTHER = samples.FLOW, "start/flow/work#2", "start/flow/work#9"


def _late(*, beside: int = 0, law: str = "L-03") -> Story:
    """A sleep that nobody ends though work#2 has; ``beside`` other steps end before that."""
    rows = [
        (0, "start", "start a run", ""),
        (0, "start", "send flow", f"queued as {FLOW}"),
        (0, FLOW, "record wait_created of sleep#5", "event 1"),
    ]
    rows += [(0, OTHER, f"record step_completed of x#{n}", f"event {n + 1}") for n in range(beside)]
    rows += [
        (0, QUICK, "deliver work#2", ""),
        (0, QUICK, "read the run", "the run is running"),
        (0, QUICK, "look for leases", ""),
        (0, QUICK, "look for timers", ""),
        (0, QUICK, "record step_started of work#7", "refused: 409 step work#7 is completed"),
        (0, QUICK, "record step_completed of work#2", f"event {beside + 2}"),
        (0, QUICK, "acknowledge", ""),
        *[(9, FLOW, f"think {n}", "") for n in range(4)],
        (9, FLOW, "read the log", ""),
    ]
    turns = [Turn(0, samples.EPOCH_MS + ms, task, op, out, ()) for ms, task, op, out in rows]
    anomaly = samples.anomaly(
        law=law,
        message="sleep#5 is open though work#2 has ended.",
        place="run/sleep#5",
        turn=len(turns),
    )
    calm = samples.repro(faults=(), schedule=Schedule())
    return samples.story(
        repro=calm, turns=_numbered(turns), log=(), anomaly=anomaly, twins=TwinSearch(None, 3)
    )


def _numbered(turns: list[Turn]) -> tuple[Turn, ...]:
    return tuple(turn._replace(turn=number) for number, turn in enumerate(turns, start=1))


def _told(story: Story) -> list[str]:
    return [each.turn.op for each in timeline(story) if isinstance(each, Shown)]


def test_what_decides_is_told_and_who_has_dealt_with_it() -> None:
    ops = _told(_late())
    wanted = [
        "record wait_created of sleep#5",
        "deliver work#2",
        "record step_started of work#7",  # a refusal decides, too
        "record step_completed of work#2",
        "acknowledge",
        "read the log",
    ]
    assert [op for op in ops if op in wanted] == wanted
    assert "think 1" not in ops
    assert "look for timers" not in ops


def test_an_invariant_with_a_twin_does_without_all_that() -> None:
    late = _late()
    twin = samples.twin(race=RacingPair(late.turns[0], late.turns[-1], "log run"))
    explained = TwinSearch(twin, 3)
    assert "acknowledge" in _told(attrs.evolve(late, twins=explained))
    assert "acknowledge" in _told(_late(law="I-14"))
    assert "acknowledge" not in _told(attrs.evolve(_late(law="I-14"), twins=explained))


def test_of_many_events_only_the_last_are_told() -> None:
    ops = _told(_late(beside=200))
    assert len(ops) <= ROWS_MAX + 2 * FOLD_MIN
    assert "record step_completed of work#2" in ops
    assert "record step_completed of x#199" in ops
    assert "record step_completed of x#1" not in ops


def test_what_the_failure_names_is_told_however_long_ago_it_was() -> None:
    late = _late(beside=200)
    (quick,) = [turn for turn in late.turns if turn.op == "record step_completed of work#2"]
    others = [turn for turn in late.turns if turn != quick]
    early = attrs.evolve(late, turns=_numbered([*others[:3], quick, *others[3:]]))
    assert quick.op in _told(early)
