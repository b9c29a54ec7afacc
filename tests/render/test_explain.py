"""A failing run beside its passing twin, for people and as JSON."""

from __future__ import annotations

import json

import attrs
import pytest

from simworld.records import Fault, Story, Turn, TwinSearch
from simworld.render import explanation_json, explanation_text
from tests.render import samples


def _lines(story: Story | None = None, width: int = 100) -> list[str]:
    return explanation_text(story or samples.story(), width=width).splitlines()


def _rows(story: Story | None = None) -> list[tuple[str, str]]:
    """What stands on the left and on the right, below the headings."""
    lines = _lines(story, width=160)
    begin = next(n for n, line in enumerate(lines) if line.startswith("The failing run:")) + 2
    rows = [line.partition(" | ") for line in lines[begin : lines.index("", begin)]]
    return [(left.strip(), right.strip()) for left, _, right in rows]


def test_the_change_is_told_in_a_sentence() -> None:
    text = " ".join(_lines())
    assert (
        "The nearest twin that passes (9 runs tried): handler B's “record step_started of work#3” "
        "comes before handler C's “record step_started of work#3”."
    ) in " ".join(text.split())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"alone": False}, "of work#3”, and whatever hangs on it."),
        (
            {"race": None, "fault": Fault("duplicate", samples.STEP, 3), "left": 2},
            "message 2 (step work#3) is delivered 3 times more, but with 2 instead of 3.",
        ),
        (
            {"race": None, "fault": Fault("kill_bodies", "work#3", 1)},
            "without the fault: the first body of work#3 dies before it ends.",
        ),
        (
            {"race": None, "body": ("work#3", 2)},
            "without the planned failure: the 2nd body of work#3 to begin fails.",
        ),
    ],
)
def test_every_kind_of_change_has_words(change: dict[str, object], said: str) -> None:
    twin = attrs.evolve(samples.twin(), **change)
    story = samples.story(twins=TwinSearch(twin, 9))
    assert said in " ".join(explanation_text(story).split())


def test_what_both_have_in_common_is_told_once() -> None:
    lines = _lines()
    both = lines[
        lines.index("Both:") : lines.index("The failing run:".ljust(48) + " | Its passing twin:")
    ]
    assert "  10  A: send work#3 → queued as B, delivered 4 times" in both
    assert sum("deliver work#3" in line for line in lines) == 2, "once for B, once for C"


def test_of_a_long_beginning_the_last_turns_are_told() -> None:
    first, *rest = samples.turns()
    begun = [
        first._replace(op="record step_created of work#3", outcome=f"try {n}") for n in range(30)
    ]
    story, twin = samples.story(), samples.twin()
    trace = tuple(turn._replace(turn=n) for n, turn in enumerate([*begun, *rest], start=1))
    other = tuple(
        turn._replace(turn=n) for n, turn in enumerate([*begun, *twin.turns[1:]], start=1)
    )
    race = attrs.evolve(twin.race, first=trace[42], second=trace[44])
    twins = TwinSearch(attrs.evolve(twin, turns=other, race=race), 9)
    broken = attrs.evolve(story.anomaly, turn=46)
    lines = _lines(attrs.evolve(story, turns=trace, anomaly=broken, twins=twins))
    assert any("turns that matter less" in line for line in lines)
    assert len(lines) < 60


def test_from_the_first_difference_on_both_stand_side_by_side() -> None:
    rows = _rows()
    assert rows[0] == ("", "> 14  B: record step_started of work#3 → event 8, attempt 1")
    assert rows[1] == (
        "> 14  C: record step_started of work#3 → event 8, attempt 1",
        "> 15  C: record step_started of work#3 → event 9, attempt 2",
    )
    marked = [cell for row in rows for cell in row if cell.startswith(">")]
    assert len(marked) == 4, "both operations, in both runs"


def test_how_both_end_is_told() -> None:
    rows = _lines(width=160)
    at = next(n for n, line in enumerate(rows) if line.startswith("I-12 is broken (turn 17)"))
    left, right = (cell.strip() for cell in rows[at].split(" | "))
    assert left == "I-12 is broken (turn 17); the run did not end"
    assert right == "every law holds; the run completed with ['done', 5]"


def test_it_closes_with_the_sentence_that_a_story_closes_with() -> None:
    last = " ".join(explanation_text(samples.story()).split("\n\n")[-1].split())
    assert last.startswith("The race: on the row of work#3, handler C's “record step_started")
    assert "I-12 wanted: " in last


def _told_twice(count: int, *, same: bool) -> Story:
    """Stories whose runs go on alike for many turns, or the twin's alone."""
    story, twin = samples.story(), samples.twin()
    more = [
        Turn(20 + n, samples.EPOCH_MS, samples.AGAIN, f"tell {n} about work#3", "", ())
        for n in range(count)
    ]
    twin = attrs.evolve(twin, turns=(*twin.turns, *more))
    turns = (*story.turns, *more) if same else story.turns
    broken = attrs.evolve(story.anomaly, turn=99)
    return attrs.evolve(story, turns=turns, anomaly=broken, twins=TwinSearch(twin, 9))


def test_a_long_stretch_that_is_alike_is_folded() -> None:
    assert ("… 7 turns alike", "… 7 turns alike") in _rows(_told_twice(7, same=True))
    few = _rows(_told_twice(2, same=True))
    assert few[-1][0].endswith("C: tell 1 about work#3")
    assert few[-1][1].endswith("C: tell 1 about work#3")


def test_what_only_one_of_them_does_is_cut_short() -> None:
    rows = _rows(_told_twice(40, same=False))
    assert rows[-1][0] == ""
    assert rows[-1][1].startswith("… ")
    assert rows[-1][1].endswith(" turns more")
    assert len(rows) < 20


def test_without_a_twin_it_says_that_nothing_helps() -> None:
    text = explanation_text(samples.story(twins=TwinSearch(None, 9)))
    assert "The failing run" not in text
    assert "No single race or fault: of 9 other runs" in text


@pytest.mark.parametrize("width", [20, 60, 100, 160])
def test_lines_fit(width: int) -> None:
    lines = _lines(width=width)
    assert max(map(len, lines)) <= max(width, 60)
    assert all(line == line.rstrip() for line in lines)


def test_the_same_as_data() -> None:
    story = samples.story()
    told = json.loads(explanation_json("one.json", story.repro, story))["explain"]
    assert told["outcome"] == "explained"
    assert told["replays"] == 9
    assert told["message"].startswith("The race: on the row of work#3")
    assert told["twin"]["race"] == {
        "object": "step run/work#3",
        "first": {"turn": 14, "task": samples.AGAIN, "op": "record step_started of work#3"},
        "second": {"turn": 16, "task": samples.STEP, "op": "record step_started of work#3"},
    }
    assert told["twin"]["fault"] is None
    assert told["twin"]["ending"] == "the run completed with ['done', 5]"


def test_a_fault_as_data() -> None:
    twin = samples.twin(race=None, fault=Fault("duplicate", samples.STEP, 3), left=2)
    story = samples.story(twins=TwinSearch(twin, 9))
    told = json.loads(explanation_json("one.json", story.repro, story))["explain"]
    assert told["twin"]["race"] is None
    assert told["twin"]["fault"] == {
        "kind": "duplicate", "target": samples.STEP, "value": 3, "left": 2,
    }  # fmt: skip


def test_what_cannot_be_explained_as_data() -> None:
    story = samples.story(twins=TwinSearch(None, 9))
    told = json.loads(explanation_json("one.json", story.repro, story))["explain"]
    assert (told["outcome"], told["twin"]) == ("unexplained", None)
    told = json.loads(explanation_json("one.json", story.repro, None, "no such task"))["explain"]
    assert (told["outcome"], told["message"]) == ("did-not-reproduce", "no such task")
