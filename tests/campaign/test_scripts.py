"""Client scripts, further values, child runs and streams: what a trial makes of them."""

from __future__ import annotations

import functools
import pathlib
import re
from typing import Any

import attrs
import pytest

from simworld.campaign import (
    Hunter,
    Scenario,
    Trial,
    load_repro,
    preset,
    run_trial,
    save_repro,
)
from simworld.engine import Suspension, step, workflow
from simworld.errors import UsageError
from simworld.explore import Candidate, Replay, shrink
from simworld.records import Committed, FaultBudget, Schedule, Workload
from simworld.runtime import Client
from tests.campaign import wide
from tests.render import samples


def changed(**changes: Any) -> Scenario:
    return attrs.evolve(wide.scenario, **changes)


def trial(scenario: Scenario, variant: str = "fixed", number: int = 0) -> Trial:
    return run_trial(Hunter(scenario, preset(variant)).setup(number))


@functools.cache
def undisturbed(variant: str) -> Trial:
    return trial(wide.scenario, variant)


@pytest.mark.parametrize("variant", ["v1", "v2_merge", "b37", "fixed"])
def test_a_script_may_use_everything(variant: str) -> None:
    found = undisturbed(variant)
    assert str(found.verdict) == "PASS"
    assert (found.runs_count, found.ended_count) == (2, 2)
    runs = {found.final.labels[run_id] for run_id in found.final.runs}
    assert len(runs) == 2
    assert all(label == "run" or re.fullmatch(r"run:delegate#\d", label) for label in runs)
    assert next(iter(found.final.streams.values()))[0][0] == b"0"
    assert {row.token for row in found.final.hooks.values()} >= {"go"}
    kinds = {each.event.type for each in found.records if isinstance(each, Committed)}
    assert kinds >= {"hook_received", "hook_disposed", "wait_completed", "attr_set"}


def test_every_commit_is_recorded_also_one_that_comes_with_another() -> None:
    for number in range(60):
        found = trial(wide.scenario, "v2_merge", number)
        for run_id, log in found.logs.items():
            told = [
                each.event
                for each in found.records
                if isinstance(each, Committed) and each.event.run_id == run_id
            ]
            assert told == list(log)


def test_the_digest_covers_what_is_in_streams() -> None:
    @step(name="produce")
    async def otherwise(ctx: Any, stream: Any, count: int) -> int:
        """Writes as much, but not the same."""
        writer = ctx.get_writable(stream)
        for _ in range(count):
            await writer.write(b"x")
        await writer.close()
        return count

    _, *others = wide.scenario.steps
    other = trial(changed(steps=(otherwise, *others)))
    same = undisturbed("fixed")
    assert other.turns == same.turns
    assert other.logs == same.logs
    assert other.digest != same.digest


def test_an_error_that_leaves_a_script_names_its_line() -> None:
    async def script(client: Client, workload: Workload) -> None:
        await client.start(1)
        await client.resume_hook("nobody has this", 1)

    said = r"lets an error out at \S*test_scripts\.py:\d+: HookNotFoundError: .*nobody has this"
    with pytest.raises(UsageError, match=said):
        trial(changed(client=script))


def test_a_usage_error_of_a_script_is_told_as_it_is() -> None:
    async def script(client: Client, workload: Workload) -> None:
        await client.start_run(wide.small, 1)
        await client.sleep(-1)

    with pytest.raises(UsageError, match=r"^a client cannot sleep for a negative time"):
        trial(changed(client=script))


def test_a_child_that_the_scenario_does_not_name_is_unknown() -> None:
    with pytest.raises(UsageError, match="unknown workflow 'small'; known: large"):
        trial(changed(children=()))


def test_the_steps_a_nemesis_aims_at_are_those_the_scenario_names() -> None:
    workload = Workload(steps=2, failures=(("delegate#4", 1),))
    named = ["produce#3", "delegate#4"]
    assert wide.scenario.victims(workload) == [*named, "delegate#4", "delegate#4"]
    assert changed(targets=None).victims(Workload(steps=2)) == ["produce#1", "produce#2"]


def test_a_workflow_without_steps_has_no_bodies_to_kill() -> None:
    @workflow
    async def nothing() -> None:
        """Returns."""

    budget = FaultBudget(kill_bodies=3, duplicates=2)
    cases = tuple(attrs.evolve(case, budget=budget) for case in wide.scenario.cases)
    bare = changed(workflow=nothing, steps=(), children=(), client=None, targets=None, cases=cases)
    for number in range(20):
        assert str(trial(bare, number=number).verdict) == "PASS"


def test_a_finished_log_can_be_replayed_cold() -> None:
    """What ``Context.cold_replay`` gives to laws."""
    setup = Hunter(wide.scenario, preset("fixed")).setup(0)
    seen: list[Any] = []

    def look(laws: Any, context: Any, records: Any, final: Any) -> list[Any]:
        for run_id, log in final.logs.items():
            seen.append(context.cold_replay(run_id, log[:-1]).outcome)
            seen.append(context.cold_replay(run_id, log[:2]).outcome)
        assert context.workflow == "large"
        assert not context.minted
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simworld.campaign.trial.judge", look)
        run_trial(setup)
    outputs = [getattr(each, "output", None) for each in seen]
    assert [isinstance(each, Suspension) for each in seen] == [False, True, False, True]
    count = setup.workload.value("count", 3)
    assert outputs == [[count, 2 * count, 7], None, 2 * count, None]


def test_further_values_are_drawn_have_defaults_and_shrink_away() -> None:
    workload = Workload(extra=(("pause_ms", 700), ("count", 3)))
    assert [workload.value(name, 9) for name in ("pause_ms", "count", "other")] == [700, 3, 9]

    def attempt(candidate: Candidate) -> Candidate | None:
        return candidate if candidate.workload.value("pause_ms", 0) >= 700 else None

    small = shrink(Candidate(Schedule(), (), workload), attempt)
    assert small.workload.extra == (("pause_ms", 700),)

    def any_pause(candidate: Candidate) -> Candidate | None:
        return candidate if candidate.workload.value("pause_ms", 500) < 900 else None

    assert shrink(Candidate(Schedule(), (), workload), any_pause).workload.extra == ()


def test_a_schedule_of_a_script_replays() -> None:
    """Names of jobs, parts and messages are the same in every schedule."""
    hunter = Hunter(wide.scenario, preset("v2_merge"), seed=4)
    for number in range(10):
        setup = hunter.setup(number)
        first = run_trial(setup)
        again = run_trial(attrs.evolve(setup, explorer=Replay(first.schedule, strict=True)))
        assert again.digest == first.digest


def test_further_values_travel_in_repros(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "repro.json"
    repro = samples.repro(workload=Workload(steps=0, extra=(("pause_ms", -5), ("count", 3))))
    save_repro(repro, path)
    assert load_repro(path) == repro
    save_repro(samples.repro(workload=Workload(extra=(("pause_ms", 10**13),))), path)
    with pytest.raises(UsageError, match="a count in it is too large"):
        load_repro(path)


def test_held_workers_are_told_with_what_they_wait_for() -> None:
    cases = tuple(attrs.evolve(case, knobs=("workers=1",)) for case in wide.scenario.cases)
    found = trial(changed(cases=cases))
    assert not found.final.drained
    (busy,) = found.final.workers_busy
    assert re.fullmatch(r"client/\S+delegate#4 waits to (wake up|read run:delegate#4)", busy)
    assert found.final.workers_wanted
    assert set(found.final.workers_wanted) <= {name for name, _, _ in found.blocks} | {
        each.partition(" waits to ")[0] for each in found.final.waiting
    }
