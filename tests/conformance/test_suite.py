"""The suite: right worlds pass it, wrong ones do not, and what it says about them is of use."""

from __future__ import annotations

import attrs
import pytest

from simworld import conformance, engine
from simworld.conformance import (
    Create,
    ReadHook,
    Reopen,
    check_reopen,
    check_same,
    check_world,
    compare,
    deviations,
)
from simworld.engine import RunCreated, StepCreated, legality_matrix
from simworld.errors import UsageError
from simworld.records import TerminalCreate, WorldProfile
from tests.conformance import own_world
from tests.conformance.worlds import (
    WRONG_STREAMS,
    WRONG_WORLDS,
    ForgetsTokens,
    NewestFirst,
    NullLastCursor,
    TakesStragglers,
    atomic,
)

SMALL = WorldProfile(page_max=3)


@pytest.fixture(scope="module")
def report():
    return check_world(atomic(page_max=3), profile=SMALL)


# --- right worlds ---------------------------------------------------------------------------------


def test_the_atomic_world_is_a_world(report):
    assert report.ok, str(report)
    assert report.sequences == 100
    assert str(report).startswith("100 sequences, ")


def test_a_hundred_sequences_visit_every_cell_that_can_be_reached(report):
    assert report.least_hit[1] >= 1
    cells = {f"{each.event} | {each.state} | {each.run}" for each in legality_matrix()}
    assert cells == {each for each in report.hits if each in cells} | set(report.unreachable)
    assert not report.unreachable.keys() & report.hits.keys()


def test_a_good_part_of_what_is_asked_is_illegal(report):
    assert 0.2 <= report.refused_share <= 0.6


def test_every_cell_that_is_not_reached_has_a_reason(report):
    assert all(report.unreachable.values())
    assert report.unreachable["hook_received | live | failed"] == (
        "the end of a run lets go of its hooks"
    )


def test_the_same_seed_does_the_same_and_another_one_does_not(report):
    again = check_world(atomic(page_max=3), profile=SMALL)
    assert again == report
    assert check_world(atomic(page_max=3), profile=SMALL, seed=1) != report


def test_a_world_may_answer_410_to_a_creation_if_its_profile_says_so():
    gone = {"terminal_create": TerminalCreate.GONE}
    assert check_world(atomic(**gone), profile=WorldProfile(**gone)).ok
    assert not check_world(atomic(**gone)).ok


def test_a_world_of_somebodys_own(capsys):
    assert own_world.main() == 0
    assert capsys.readouterr().out.count("100 sequences") == 2


def test_no_sequences_show_nothing():
    with pytest.raises(UsageError, match="at least 1"):
        check_world(atomic(), sequences=0)


def test_streams_that_are_not_there_have_to_be_left_out(tmp_path):
    new_place = own_world.places(tmp_path)
    with pytest.raises(UsageError, match="streams=False"):
        check_world(new_place(), sequences=20)


# --- wrong worlds ---------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", WRONG_WORLDS, ids=lambda each: each.__name__)
def test_a_wrong_world_is_found(wrong):
    report = check_world(atomic(wrong, page_max=3), profile=SMALL)
    assert not report.ok
    assert len(report.difference.operations) <= 6


@pytest.mark.parametrize("wrong", WRONG_STREAMS, ids=lambda each: each.__name__)
def test_wrong_streams_are_found_unless_they_are_left_out(wrong):
    report = check_world(atomic(streams_class=wrong))
    assert len(report.difference.operations) <= 4
    assert check_world(atomic(streams_class=wrong), streams=False, sequences=20).ok


def test_a_world_that_breaks_is_found():
    class Breaks(ForgetsTokens):
        async def hook(self, token):
            raise KeyError(token)

    difference = check_world(atomic(Breaks)).difference
    assert [part[:2] for part in difference.parts] == [
        ("refused", "'404 HookNotFoundError'"),
        ("raised", "None"),
    ]
    assert "test_suite.py:" in difference.parts[1][2]
    assert [type(each) for each in difference.operations] == [ReadHook]


@pytest.fixture(scope="module")
def difference():
    return check_world(atomic(ForgetsTokens)).difference


class TestWhatIsSaid:
    """A difference is short, names both sides, and can be pasted."""

    def test_it_is_minimal(self, difference):
        facts = [each.fact.type for each in difference.operations if isinstance(each, Create)]
        assert facts[:2] == ["run_created", "hook_created"]
        assert len(difference.operations) == 4
        for left_out in range(4):
            rest = [each for at, each in enumerate(difference.operations) if at != left_out]
            assert compare(atomic(ForgetsTokens), rest) is None

    def test_it_names_both_sides(self, difference):
        told = str(difference)
        assert "the model: '404 HookNotFoundError'" in told
        assert "the world: HookRow(" in told

    def test_its_snippet_shows_it_again(self, difference):
        found = []

        def again(make_world, operations):
            found.append(compare(make_world, operations))

        names = {
            name: getattr(part, name) for part in (engine, conformance) for name in part.__all__
        }
        lines = [each for each in difference.snippet().splitlines() if "import" not in each]
        exec("\n".join(lines), {**names, "compare": again, "make_world": atomic(ForgetsTokens)})
        assert found == [difference]

    def test_its_snippet_imports_what_it_needs(self, difference):
        scope = {"make_world": atomic(ForgetsTokens)}
        exec(difference.snippet(), scope)
        assert {"Create", "ReadHook", "RunCreated", "compare"} <= scope.keys()

    def test_long_names_are_written_short(self):
        difference = attrs.evolve(
            compare(atomic(NewestFirst), [Create("x" * 1_000_000, RunCreated("order", b""))])
            or check_world(atomic(NewestFirst)).difference,
            operations=(Create("x" * 1_000_000, RunCreated("order", b"")),),
        )
        assert "run_id='x' * 1000000" in difference.snippet()


# --- deviations -----------------------------------------------------------------------------------

STRAGGLERS = {f"step_created | missing | {run}" for run in ("completed", "failed", "cancelled")}


def test_deviations_are_listed_each_by_its_shortest_sequence():
    found = deviations(atomic(TakesStragglers), each=1)
    assert {each.cell for each in found} == STRAGGLERS
    assert all(len(each.operations) == 3 for each in found)


def test_a_world_without_deviations_has_none():
    assert deviations(atomic(), each=1) == []


def test_allowed_deviations_are_let_pass_and_counted():
    allowed = dict.fromkeys(STRAGGLERS, "stragglers are welcome")
    report = check_world(atomic(TakesStragglers), allowed=allowed)
    assert report.ok, str(report)
    assert set(report.shown) == STRAGGLERS
    assert not check_world(atomic(TakesStragglers), allowed={}).ok


def test_an_allowed_deviation_that_never_shows_is_an_error():
    report = check_world(atomic(), allowed={"ReadLog": "it has no cursors"})
    assert not report.ok
    assert str(report) == "allowed, but never shown: ReadLog"


# --- against another world, and reopened ----------------------------------------------------------


def test_two_worlds_that_are_wrong_in_the_same_way_are_the_same():
    assert check_same(atomic(NullLastCursor), atomic(NullLastCursor), sequences=30).ok
    report = check_same(atomic(NullLastCursor), atomic(), sequences=30)
    assert report.difference.cell == "ReadLog"


class Forgetful(own_world.JournalWorld):
    """Keeps no journal of steps."""

    async def create(self, run_id, fact):
        if fact.type == "step_created":
            return await own_world.AtomicWorld.create(self, run_id, fact)
        return await super().create(run_id, fact)


def test_a_world_that_forgets_is_found_when_it_is_opened_again(tmp_path):
    new_place = own_world.places(tmp_path, Forgetful)
    report = check_reopen(new_place, profile=own_world.PROFILE, streams=False)
    facts = [getattr(each, "fact", None) for each in report.difference.operations]
    assert any(isinstance(each, StepCreated) for each in facts)
    assert any(isinstance(each, Reopen) for each in report.difference.operations)
