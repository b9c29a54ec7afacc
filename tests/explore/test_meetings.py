"""Meetings: who could have gone first, and the schedule in which they do."""

from __future__ import annotations

from simworld.explore import Meeting, exchanged, meetings, overtakings, turned_round
from simworld.explore.meetings import common_object
from simworld.records import Advance, Turn


def turn(task: str, op: str, *labels: str, now_ms: int = 0, outcome: str = "") -> Turn:
    """One turn; a label with an exclamation mark is written."""
    touched = tuple((label.rstrip("!"), label.endswith("!")) for label in labels)
    return Turn(0, now_ms, task, op, outcome, touched)


def told(trace: list[Turn]) -> list[tuple[str, str]]:
    """The operations of each meeting."""
    return [(trace[each.first].op, trace[each.second].op) for each in meetings(trace)]


def test_two_that_touch_one_object_meet_if_one_of_them_writes_it() -> None:
    trace = [turn("a", "a1", "x"), turn("b", "b1", "x"), turn("c", "c1", "y!")]
    assert told(trace) == []
    assert told([*trace, turn("d", "d1", "x!")]) == [("b1", "d1"), ("a1", "d1")]
    (meeting,) = meetings([turn("a", "a1", "x!"), turn("b", "b1", "x")])
    assert meeting == Meeting(0, 1, "x", {})


def test_one_task_never_meets_itself() -> None:
    assert told([turn("a", "a1", "x!"), turn("a", "a2", "x!")]) == []


def test_what_lies_between_them_orders_two() -> None:
    """a1 before b1, b1 before b2: a1 and b2 could not be exchanged alone."""
    trace = [turn("a", "a1", "x!"), turn("b", "b1", "x"), turn("b", "b2", "x!")]
    assert told(trace) == [("a1", "b1")]
    trace = [turn("a", "a1", "x!"), turn("b", "b1", "x!"), turn("c", "c1", "x!")]
    assert told(trace) == [("a1", "b1"), ("b1", "c1")]


def test_at_another_time_nobody_meets() -> None:
    assert told([turn("a", "a1", "x!"), turn("b", "b1", "x!", now_ms=5)]) == []


def test_a_message_comes_after_its_sending() -> None:
    sent = turn("a", "send", "x!", outcome="queued as a/b, delivered 2 times")
    later = turn("a", "a2", "x")
    first, second = turn("a/b", "b1", "x!"), turn("a/b~2", "b2", "x!")
    assert told([sent, first]) == []
    assert told([sent, second]) == []
    assert told([sent, later, second]) == [("a2", "b2")]


def test_a_branch_comes_between_its_beginning_and_what_waits_for_it() -> None:
    begun, branch = turn("a", "a1", "x!"), turn("a/create.1", "c1", "x!")
    assert told([begun, branch]) == []
    assert told([begun, branch, turn("a", "a2", "x!")]) == [("c1", "a2")]
    assert told([begun, branch, turn("a", "go on: all are done", "x!")]) == []


def test_a_fine_object_says_more_than_a_whole_log() -> None:
    left = turn("a", "a1", "log run!", "step run/work#1!")
    right = turn("b", "b1", "log run!", "step run/work#1!")
    assert common_object(left, right) == "step run/work#1"
    assert common_object(left, turn("b", "b1", "log run")) == "log run"
    assert common_object(turn("a", "a1", "x"), turn("b", "b1", "x")) == ""


def test_exchanged_lets_the_second_and_all_it_needs_go_first() -> None:
    trace = [
        turn("a", "a1"),
        turn("a", "a2", "x!"),
        turn("c", "c1", "y!"),
        turn("d", "d1"),
        turn("b", "b1", "y"),
        turn("b", "b2", "x!"),
        turn("a", "a3"),
    ]
    meeting = next(each for each in meetings(trace) if each.object == "x")
    schedule = exchanged(trace, meeting)
    blocks = [("a", 1), ("c", 1), ("b", 2), ("a", 2), ("d", 1), ("a", 3)]
    assert schedule.entries == tuple(Advance(*block) for block in blocks)
    on = exchanged(trace, meeting, running_on=True)
    assert on.entries == (*schedule.entries[:3], Advance("b", 8), *schedule.entries[3:])


def test_only_what_both_have_in_another_order_is_turned_round() -> None:
    one = [turn("a", "a1", "x!"), turn("b", "b1", "x!"), turn("c", "c1", "x!")]
    other = [one[1], one[0], one[2]]
    (meeting,) = turned_round(one, other)
    assert (meeting.first, meeting.second) == (0, 1)
    assert turned_round(one, one) == []
    assert turned_round(one, [one[1], one[2]]) == [], "without a1 nothing is exchanged with it"


def test_what_is_done_anew_is_the_same_operation() -> None:
    """b does without one of its operations when it comes first."""
    one = [turn("a", "read", "x"), turn("b", "look", "y"), turn("b", "write", "x!")]
    (meeting,) = turned_round(one, [one[2], one[0]])
    assert (meeting.first, meeting.second) == (0, 2)


def test_one_task_is_never_turned_round() -> None:
    one = [turn("a", "a1", "x!"), turn("a", "a2", "x!")]
    assert turned_round(one, one[::-1]) == []


def test_a_file_is_named_only_where_there_is_no_other_name() -> None:
    left = turn("a", "a1", "log run", "events/run", "files")
    right = turn("b", "b1", "events/run!", "log run!", "files!")
    assert common_object(left, right) == "log run"
    assert common_object(turn("a", "a1", "files"), right) == "files"


def test_an_overtaking_is_a_conflict_that_is_ordered_by_what_lies_between() -> None:
    """a has read x and written y before b sees y: they do not meet, but b could have come first."""
    read, wrote = turn("a", "read", "x"), turn("a", "write", "y!")
    looked, written = turn("b", "look", "y"), turn("b", "write", "x!")
    trace = [read, wrote, looked, written]
    assert told(trace) == [("write", "look")]
    (meeting,) = overtakings(trace)
    assert (meeting.first, meeting.second, meeting.object) == (0, 3, "x")
    schedule = exchanged(trace, meeting)
    assert schedule.entries == (Advance("b", 2), Advance("a", 2))


def test_nobody_overtakes_who_has_caused_it_or_at_another_time() -> None:
    begun, branch = turn("a", "a1", "x!"), turn("a/create.1", "c1", "x!")
    assert overtakings([begun, branch]) == []
    later = turn("b", "b1", "x!", now_ms=5)
    assert overtakings([begun, later]) == []
