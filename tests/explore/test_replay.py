"""Following a schedule: the same trace, or a sentence that says where it stops fitting."""

from __future__ import annotations

import pytest

from simworld.entropy import Stream
from simworld.errors import DidNotReproduce
from simworld.explore import EXPLORERS, Replay, Uniform
from simworld.records import Advance, Profile, Schedule
from tests.explore.planted import PLANTED
from tests.explore.toy import Lowest, op, trial


def _letters(toy):
    """Three tasks of four operations."""

    def body(name):
        for number in range(1, 5):
            yield op(f"{name}{number}")

    for name in "abc":
        toy.spawn(name, body(name))
    return lambda: False


def _follow(*entries, strict):
    replay = Replay(Schedule(entries), strict=strict)
    return trial(_letters, replay), replay


def _texts(toy):
    return " ".join(text for _, text in toy.path)


@pytest.mark.parametrize("name", PLANTED)
def test_recorded_blocks_replay_to_the_same_trace(name):
    program, _ = PLANTED[name]
    for explorer in EXPLORERS.values():
        for seed in range(8):
            recorded = trial(program, explorer(), seed)
            replay = Replay(recorded.schedule, strict=True)
            again = trial(program, replay)
            assert again.path == recorded.path
            assert again.failed == recorded.failed
            assert tuple(replay.applied) == recorded.schedule.entries
            assert replay.unfollowed() is None


@pytest.mark.parametrize("name", PLANTED)
def test_a_loose_replay_yields_a_strict_schedule(name):
    program, _ = PLANTED[name]
    skipped = 0
    for seed in range(60):
        stream = Stream(seed)
        entries = trial(program, Uniform(), seed).schedule.entries
        some = tuple(entry for entry in entries if stream.chance(0.6))
        if seed % 2:  # then many a mark has been passed when its entry comes to the head
            some = tuple(stream.shuffled(some))
        loose = Replay(Schedule(some), strict=False)
        first = trial(program, loose)
        skipped += len(loose.applied) < len(some)
        strict = Replay(Schedule(tuple(loose.applied)), strict=True)
        assert trial(program, strict).path == first.path
        assert strict.applied == loose.applied
        assert strict.unfollowed() is None
    assert skipped > 0


def test_the_empty_schedule_is_the_default_one():
    toy, replay = _follow(strict=True)
    assert toy.path == trial(_letters, Lowest()).path
    assert replay.applied == []
    assert replay.unfollowed() is None


def test_entries_are_followed_in_order_and_then_the_default():
    toy, replay = _follow(Advance("b", 2), Advance("a", 1), Advance("c", 3), strict=True)
    assert _texts(toy) == "b1 b2 a1 c1 c2 c3 c4 a2 a3 a4 b3 b4"
    assert replay.applied == [Advance("b", 2, "b1"), Advance("a", 1, "a1"), Advance("c", 3, "c1")]


def test_a_task_that_ends_before_its_mark_makes_room_for_the_next_entry():
    toy, replay = _follow(Advance("b", 99), Advance("c", 1), Advance("a", 1), strict=True)
    assert _texts(toy) == "b1 b2 b3 b4 c1 a1 a2 a3 a4 c2 c3 c4"
    assert replay.applied[0] == Advance("b", 99, "b1")


def test_loose_skips_what_is_past_or_over():
    entries = (Advance("b", 2), Advance("b", 1), Advance("a", 9), Advance("a", 5), Advance("c", 1))
    toy, replay = _follow(*entries, strict=False)
    assert _texts(toy).startswith("b1 b2 a1 a2 a3 a4 c1")
    assert replay.applied == [Advance("b", 2, "b1"), Advance("a", 9, "a1"), Advance("c", 1, "c1")]


def test_an_entry_waits_until_its_task_can_run():
    """The default goes on until then, so nothing before it has to be spelled out."""

    def program(toy):
        def late():
            yield op("late1")
            yield op("late2")

        def first():
            yield op("a1")
            yield op("a2")
            toy.spawn("late", late())
            yield op("a3")

        toy.spawn("a", first())
        return lambda: False

    for strict in (True, False):
        replay = Replay(Schedule((Advance("late", 1, "late1"),)), strict=strict)
        toy = trial(program, replay)
        assert _texts(toy) == "a1 a2 late1 late2 a3"
        assert replay.unfollowed() is None


def test_loose_does_not_compare_operations():
    _, replay = _follow(Advance("b", 2, "something else"), strict=False)
    assert replay.applied == [Advance("b", 2, "b1")]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (Advance("b", 1), r"entry 2 of 2 wants 'b'.*it has performed 2 operations already"),
        (Advance("c", 2, "c2"), r"wants 'c', about to 'c2', .*but it is about to 'c1'"),
    ],
)
def test_strict_says_what_does_not_fit(entry, message):
    with pytest.raises(DidNotReproduce, match=message):
        _follow(Advance("b", 2, "b1"), entry, strict=True)


def test_strict_names_a_task_that_has_ended():
    with pytest.raises(DidNotReproduce, match=r"entry 2 of 2.*it has ended after 4 operations"):
        _follow(Advance("b", 9), Advance("b", 10, "b5"), strict=True)


def test_an_entry_for_nobody_is_never_followed():
    _, replay = _follow(Advance("b", 2, "b1"), Advance("nobody", 1, "x"), strict=True)
    assert replay.unfollowed() == Advance("nobody", 1, "x")


def test_strict_accepts_an_entry_without_a_text():
    toy, _ = _follow(Advance("b", 2), strict=True)
    assert _texts(toy).startswith("b1 b2 b3")


def test_unfollowed_names_the_first_entry_the_trial_never_came_to():
    late = Advance("a", 9, "a5")
    entries = (Advance("b", 9), Advance("c", 9), Advance("a", 4), late, Advance("b", 10))
    _, replay = _follow(*entries, strict=True)
    assert replay.unfollowed() == late
    replay.begin(Stream(0), Profile())
    assert replay.unfollowed() == entries[0], "begin starts afresh"
    assert replay.applied == []
