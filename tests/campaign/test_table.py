"""Every claim of every scenario, at gate size (``make prove`` runs 20 000 trials a cell)."""

from __future__ import annotations

import pytest

from tests.campaign.cells import ATTEMPTS, Cell, cells, check_outcome, run_cell

pytestmark = pytest.mark.slow

TRIALS, CLEAN_TRIALS = 1_000, 500
"""Of a cell that must fail, which ends at its first failure, and of one that must not."""
CELLS = cells()


def test_the_table_is_complete() -> None:
    claims = {(cell.case, cell.key): cell.claim for cell in CELLS}
    assert len(claims) == len(CELLS)
    assert sum(cell.scenario in ATTEMPTS for cell in CELLS) == 67
    # the three sentences below the table
    assert claims["R-01", "v2_merge"] == claims["R-01", "fixed"] == "PASS"
    assert claims["R-01", "G0"] == claims["R-02", "v2_merge"] == "FAIL I-12"
    assert claims["R-06", "v2_merge"] == "FAIL I-13a"
    fixed = {cell.claim for cell in CELLS if cell.key == "fixed" and cell.case != "10 workers"}
    assert fixed == {"PASS"}


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_cell(cell: Cell) -> None:
    check_outcome(cell, run_cell(cell, CLEAN_TRIALS if cell.claim == "PASS" else TRIALS))
