"""The legality matrix that the lifecycles give is the one that was written from the spec."""

from __future__ import annotations

import pytest

from simworld.engine import (
    HOOK_MOVES,
    RUN_ENDED,
    RUN_ENDED_410,
    RUN_MOVES,
    STEP_MOVES,
    WAIT_MOVES,
    Refusal,
    legality_matrix,
)
from tests.engine.legality import cells


@pytest.mark.parametrize(("ended", "create"), [(RUN_ENDED, "409"), (RUN_ENDED_410, "410")])
def test_every_cell_is_what_the_spec_says(ended, create):
    generated = legality_matrix(ended)
    found = {(cell.event, cell.state, cell.run): cell.answer for cell in generated}
    assert len(found) == len(generated)
    assert found == cells(terminal_create=create)


def test_every_cell_of_every_table_is_in_the_matrix():
    written = {(event, state) for event, state, _ in cells()}
    for moves in (RUN_MOVES, STEP_MOVES, HOOK_MOVES, WAIT_MOVES):
        for event, states in moves.items():
            line = "hook_created, token taken" if event == "hook_conflict" else event
            assert {(line, state) for state in states} <= written


def test_every_kind_of_refusal_is_in_the_matrix():
    answers = {*cells().values(), *cells(terminal_create="410").values()}
    for refusal in Refusal:
        status, reason = refusal.value
        assert f"{status} {reason}" in answers
