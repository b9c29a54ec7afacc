"""Data drawn pick by pick: read again it is the same, and it becomes simpler step by step."""

from __future__ import annotations

import json

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from simworld.campaign import (
    Drawing,
    draw_program,
    drawn_session,
    load_scenarios,
    program_text,
    reading,
    session_of,
    session_text,
    sessions,
    simpler_picks,
)
from simworld.campaign.sessions import ACTS_MAX, draw_session
from simworld.entropy import Stream
from simworld.records import Workload

PICKS = st.lists(st.integers(0, 30), max_size=80)


# --- picks ---------------------------------------------------------------------------------------


@given(seed=st.integers(0, 10_000))
def test_picks_read_again_give_the_same(seed: int) -> None:
    drawing = Drawing(Stream(seed).below)
    program = draw_program(drawing)
    assert draw_program(reading(drawing.picks)) == program


@given(picks=PICKS)
def test_any_numbers_are_picks_of_something(picks: list[int]) -> None:
    session = session_of(picks)
    assert json.loads(json.dumps(session)) == [session.program, session.acts]
    assert session_of([*picks, *[0] * 200]) == session


@given(seed=st.integers(0, 10_000))
def test_what_is_simpler_is_smaller_and_reads_as_it_is(seed: int) -> None:
    picks = drawn_session(Stream(seed))
    for simpler in simpler_picks(picks, draw_session):
        assert (sum(simpler), len(simpler)) < (sum(picks), len(picks))
        again = reading(simpler)
        draw_session(again)
        assert tuple(again.picks) == simpler


@pytest.mark.parametrize("verb", ["race", "child", "listen", "doze"])
def test_a_program_is_made_as_small_as_what_matters(verb: str) -> None:
    smallest = {
        "race": ["sequence", ["race", ["work", 0], ["work", 0]]],
        "child": ["sequence", ["child", ["work", 1]]],
        "listen": ["sequence", ["listen", 0, 10, 1]],
        "doze": ["sequence", ["doze", 1]],
    }

    def matters(picks: tuple[int, ...]) -> bool:
        return f"'{verb}'" in str(session_of(picks).program)

    seeds = [seed for seed in range(200) if matters(drawn_session(Stream(seed)))]
    assert len(seeds) > 10
    for seed in seeds[:10]:
        picks = drawn_session(Stream(seed))
        while fewer := next(filter(matters, simpler_picks(picks, draw_session)), None):
            picks = fewer
        assert session_of(picks) == (smallest[verb], [])


# --- sessions ------------------------------------------------------------------------------------


def test_every_act_is_drawn() -> None:
    verbs = {act[1] for seed in range(300) for act in session_of(drawn_session(Stream(seed))).acts}
    assert sorted(verbs) == ["again", "both", "cancel", "resume", "start", "twice", "wake"]


@given(picks=sessions())
def test_hypothesis_draws_sessions(picks: tuple[int, ...]) -> None:
    assert len(session_of(picks).acts) <= ACTS_MAX


def test_hypothesis_shrinks_scripts_too() -> None:
    def cancels(picks: tuple[int, ...]) -> bool:
        return any(act[1] == "cancel" for act in session_of(picks).acts)

    found = session_of(find(sessions(), cancels, settings=settings(max_examples=2_000)))
    assert found == (["sequence", ["work", 0]], [[0, "cancel", 0]])


def test_programs_and_scripts_are_told_in_words() -> None:
    node = ["sequence", ["race", ["work", 3], ["listen", 1, 1_000, 2]], ["child", ["random"]]]
    assert program_text(node) == [
        "sequence",
        "  race",
        "    step work 3",
        "    hook client-1, up to 2 payloads within 1000 ms",
        "  child run of",
        "    step work, given a random number",
    ]
    texts = ["\n".join(session_text(Workload(picks=drawn_session(Stream(n))))) for n in range(200)]
    for said in (
        "after 1000 ms resume client-0 with 3",
        "with 0, twice",
        "at once ",
        "end all sleeps of run 1",
        "have a look at run",
        "cancel run 2",
        "start another run",
    ):
        assert any(said in text for text in texts), said


def test_a_repro_of_a_program_is_told_by_it() -> None:
    known = load_scenarios(deep=True)
    for name in ("generated_programs", "generated_sessions"):
        told = known[name].told
        assert told is not None
        assert told(Workload(picks=(1, 2)))[0] == "The program:"
