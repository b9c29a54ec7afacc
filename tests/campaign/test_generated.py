"""Drawn programs: what they are made of, how they shrink, and that every run of one ends."""

from __future__ import annotations

import collections
import json
from collections.abc import Iterator

import pytest
from hypothesis import find, given, settings

from simworld.campaign.generated import DEPTH_MAX, GENERATED, Node, drawn_program, programs
from simworld.engine import Completed, RunIdentity, RunStatus, Suspension, decode, run_pass
from simworld.entropy import Stream
from simworld.explore import make_explorer
from simworld.records import Profile
from tests.engine.journal import Journal
from tests.runtime.rig import FIXED, play

VERBS = """
    work risky sleep hook deadline child clock random note attributes
    sequence try loop choose abort gather race
"""


def inside(node: Node) -> Iterator[Node]:
    """The nodes of a program, children's programs left out."""
    yield node
    if node[0] != "child":
        for part in node[1:]:
            if isinstance(part, list):
                yield from inside(part)


def depth(node: Node) -> int:
    """How deep the nodes of a program are nested, children's programs left out."""
    parts = [] if node[0] == "child" else [part for part in node[1:] if isinstance(part, list)]
    return 1 + max(map(depth, parts), default=0)


def verbs(node: Node) -> list[str]:
    """Every node's verb."""
    return [each[0] for each in inside(node)]


# --- drawing -------------------------------------------------------------------------------------


def test_every_verb_is_drawn_often_and_nothing_is_too_deep() -> None:
    seen: collections.Counter[str] = collections.Counter()
    for number in range(300):
        program = drawn_program(Stream(number))
        seen.update(verbs(program))
        assert depth(program) <= DEPTH_MAX
        assert json.loads(json.dumps(program)) == program
    assert sorted(seen) == sorted(VERBS.split())
    assert min(seen.values()) >= 20


def test_equal_streams_draw_equal_programs() -> None:
    assert drawn_program(Stream(7)) == drawn_program(Stream(7))
    assert len({str(drawn_program(Stream(number))) for number in range(50)}) > 40


@given(program=programs())
def test_hypothesis_draws_programs_of_the_same_kind(program: Node) -> None:
    assert set(verbs(program)) <= set(VERBS.split())
    journal = Journal(GENERATED.workflow, program, steps=GENERATED.steps.values())
    assert isinstance(journal.outcome(), Completed | Suspension)


@pytest.mark.parametrize(
    ("outer", "inner", "smallest"),
    [
        ("sequence", "work", ["sequence", ["work", 0]]),
        ("sequence", "race", ["sequence", ["race", ["work", 0], ["work", 0]]]),
        ("loop", "deadline", ["sequence", ["loop", 1, ["deadline", 10, 1]]]),
        ("try", "hook", ["sequence", ["try", ["hook", 1]]]),
    ],
)
def test_programs_shrink_to_what_matters(outer: str, inner: str, smallest: Node) -> None:
    def matters(program: Node) -> bool:
        return any(each[0] == outer and inner in verbs(each) for each in inside(program))

    assert find(programs(), matters, settings=settings(max_examples=2_000)) == smallest


# --- performing ----------------------------------------------------------------------------------


def output(program: Node, **told: object) -> object:
    """What a program comes to where every step returns ``told`` for its label, else 0."""
    journal = Journal(GENERATED.workflow, program, steps=GENERATED.steps.values())
    while isinstance(journal.outcome(), Suspension):
        journal.creates()
        for label in journal.waits_for():
            journal.completes(label, told.get(label.replace("#", "_"), 0))
    outcome = journal.outcome()
    assert isinstance(outcome, Completed)
    return outcome.output


def test_the_output_tells_the_decisions() -> None:
    assert output(["sequence", ["work", 3], ["gather", ["work", 1], ["clock"]]], work_3=5) == [
        0,
        [0, 5],
    ]
    assert output(["race", ["risky", 1], ["work", 2]], risky_1=8) == ["won", 0, 8]
    assert output(["loop", 2, ["child", ["clock"]]], child_2="out") == [0, "out"]


def test_what_a_program_catches_is_told() -> None:
    journal = Journal(GENERATED.workflow, ["risky", 0], steps=GENERATED.steps.values())
    journal.creates().fails("risky#1", kind="fatal", message="no").creates()
    what, text, rescued = journal.completes("work#2", 4).outcome().output
    assert (what, rescued) == ("caught", 4)
    assert "risky#1" in text


def test_a_node_that_nobody_knows_is_refused() -> None:
    journal = Journal(GENERATED.workflow, ["dance"], steps=GENERATED.steps.values())
    assert "['dance'] is no node of a generated program" in str(journal.outcome().error)


@pytest.mark.slow
@pytest.mark.parametrize("explorer", ["oldest", "portfolio"])
def test_every_run_ends_by_itself_and_replays_to_the_same_output(explorer: str) -> None:
    for number in range(60):
        stream = Stream(number).fork(explorer)
        choosing = make_explorer(explorer)
        choosing.begin(stream.fork("explorer"), Profile())
        program = drawn_program(stream.fork("program"))
        played = play(GENERATED, program, policy=FIXED, explorer=choosing, turns_max=20_000)
        run = played.run
        assert run is not None
        assert run.status is RunStatus.COMPLETED, program
        identity = RunIdentity("wrun_1", "generated", run.started_at_ms, run.created_at_ms)
        (output_,) = [each.fact.output for each in played.log if each.type == "run_completed"]
        replayed = run_pass(GENERATED, identity, played.log, FIXED)
        assert replayed.outcome == Completed(decode(output_)), program
