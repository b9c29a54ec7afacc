"""Whose clock says that a sleep is over: the host's, which may be ahead, or the world's (R-42)."""

from __future__ import annotations

import pytest

from simworld import marks
from simworld.campaign import Hunter, load_scenarios, preset, with_knob

CLOCKS = load_scenarios("scenarios/catalogue/clocks.py")["sleep_is_one_instant"]


@pytest.mark.parametrize(("clock", "ends_early"), [("host", True), ("server", False)])
def test_a_sleep_under_clocks_that_are_wrong(clock: str, ends_early: bool) -> None:
    variant = with_knob(preset("fixed"), f"handler_clock={clock}")
    hunter, before = Hunter(CLOCKS, variant, case="R-42"), marks.snapshot()
    found = {each.law for number in range(150) for each in hunter.trial(number).anomalies}
    assert found == ({"I-18"} if ends_early else set())
    assert marks.since(before)["clock.wrong"] > 50
