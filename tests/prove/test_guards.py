"""The table of decisions §2 over 20 000 trials a cell; resumable, results in reports/guards.json.

``make prove`` runs it (some ten minutes on two cores).  A cell that was proved for the same
source, seed and size is not run again, so it may be stopped at any time.
"""

from __future__ import annotations

import json
import multiprocessing
import pathlib
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor

import attrs
import pytest

from tests.campaign.cells import ATTEMPTS, GUARDS, Cell, Outcome, cells, check_outcome, run_cell
from tests.prove.digests import SHELL, source_digest

TRIALS = 20_000
REPORTS = pathlib.Path("reports")
PROVED = REPORTS / "guards.json"
TABLE = REPORTS / "guards.md"
CELLS = cells()

pytestmark = pytest.mark.prove


ELSEWHERE = (
    *SHELL,
    "simworld/substrates/",
    "simworld/worlds/__init__.py",
    "simworld/worlds/hosted.py",
    "simworld/worlds/local/",
    "simworld/worlds/postgres/",
    "simworld/worlds/queue/job_",
    "simworld/worlds/queue/tables",
)
"""What no trial on the atomic world gets to see."""
OWN = "tests/campaign/cells.py"


def proved() -> dict[str, Outcome]:
    """What was proved before, for the source as it is now."""
    if not PROVED.exists():
        return {}
    stored = json.loads(PROVED.read_text())
    if (stored["source"], stored["trials"]) != (source_digest(ELSEWHERE, OWN), TRIALS):
        return {}
    return {
        name: Outcome(**{**fields, "missing_marks": tuple(fields["missing_marks"])})
        for name, fields in stored["cells"].items()
    }


def store(outcomes: dict[str, Outcome]) -> None:
    """Write both reports anew."""
    REPORTS.mkdir(exist_ok=True)
    document = {
        "command": "make prove",
        "source": source_digest(ELSEWHERE, OWN),
        "trials": TRIALS,
        "cells": {name: attrs.asdict(each) for name, each in sorted(outcomes.items())},
    }
    PROVED.write_text(json.dumps(document, indent=1) + "\n")
    TABLE.write_text("\n".join(_table(outcomes)) + "\n")


def _table(outcomes: dict[str, Outcome]) -> Iterator[str]:
    yield "# Attempt guards, case by case"
    yield ""
    yield (
        f"Made by `make prove`: {TRIALS} trials a cell, seed 0, default portfolio, atomic world, "
        "max_retries 3; G0–G8 are `v2_merge` with that guard.  A failing cell names the broken law "
        "and the number of trials until it was found; a clean one was clean for all of them, with "
        "at least 99 % of its runs ended, overlapping deliveries in at least 30 % of its trials "
        "and the marks of its case reached.  An empty cell makes no claim (decisions §2)."
    )
    yield ""
    yield f"| case | {' | '.join(GUARDS)} |"
    yield f"|---|{'---|' * len(GUARDS)}"
    for case in dict.fromkeys(cell.case for cell in CELLS if cell.scenario in ATTEMPTS):
        row = []
        for guard in GUARDS:
            row.append(_told(outcomes.get(f"{case}-{guard}")))
        yield f"| {case} | {' | '.join(row)} |"
    yield ""
    yield "The claims of the other scenarios (`child_pool`: four trials in a thousand):"
    yield ""
    yield "| scenario | case | variant | outcome |"
    yield "|---|---|---|---|"
    for cell in CELLS:
        if cell.scenario not in ATTEMPTS:
            told = _told(outcomes.get(cell.name))
            yield f"| {cell.scenario} | {cell.case} | {cell.key} | {told} |"


def _told(outcome: Outcome | None) -> str:
    if outcome is None:
        return ""
    if outcome.verdict == "PASS":
        return "✓"
    return f"✗ {outcome.verdict.removeprefix('FAIL ')} ({outcome.trials})"


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[str, Outcome | Future[Outcome]]]:
    """Known outcomes, and futures of the others."""
    known: dict[str, Outcome | Future[Outcome]] = dict(proved())
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        for cell in CELLS:
            if cell.name not in known:
                known[cell.name] = pool.submit(run_cell, cell, TRIALS)
        try:
            yield known
        finally:
            pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_cell(cell: Cell, outcomes: dict[str, Outcome | Future[Outcome]]) -> None:
    outcome = outcomes[cell.name]
    if isinstance(outcome, Future):
        outcome = outcome.result()
        store({**proved(), cell.name: outcome})
    check_outcome(cell, outcome)
