"""The run's log of a replayed trial: who noted what, in readable words, in the story's turns."""

from __future__ import annotations

from simworld.campaign import hunt, load_scenarios, preset, run_log, tell
from simworld.render import log_text

SCENARIOS = load_scenarios()


def test_a_replayed_failure_tells_what_the_runtime_noted() -> None:
    scenario = SCENARIOS["inflated_attempts"]
    result = hunt(scenario, preset("v2_merge"), trials=100)
    repro = result.findings[0].repro
    lines = run_log(repro, SCENARIOS)
    failed = [line for line in lines if line.message == "step failed"]
    step = result.findings[0].anomaly.place.rpartition("/")[2]
    assert step in {line.fields["step"] for line in failed}
    turns = {turn.turn: turn for turn in tell(repro, SCENARIOS).turns}
    for line in lines:
        assert (line.run, line.task) == ("run", turns[line.turn].task)
        assert line.now_ms == turns[line.turn].now_ms
    assert "step_0" not in log_text(lines), "ids are told as labels"
    assert run_log(repro, SCENARIOS) == lines
