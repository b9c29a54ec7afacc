"""Confirmation: what is tried for real, what is refused, and how far a claim goes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs
import pytest

from simworld.campaign import Scenario, confirm, hunt, load_scenarios, placed, preset
from simworld.campaign.conducting import Names, plain
from simworld.errors import UsageError
from simworld.records import Blame, Fault, Level, Repro, Sent, Workload
from simworld.subjects import SubjectClient, installed_version
from tests.render import samples

NAME = "vercel-workflow"
try:
    VERSION = installed_version(NAME)
except UsageError as error:
    pytest.skip(f"there is no subject here: {error}", allow_module_level=True)

FLOWS = """
import asyncio

from vercel.workflow import Workflows

wf = Workflows()

@wf.step
async def part(number: int) -> int:
    return number

@wf.step(max_retries=0)
async def last(total: int) -> int:
    return total

@wf.workflow
async def fan() -> int:
    return await last(sum(await asyncio.gather(*[part(each) for each in range(3)])))
"""
MODULE = "confirmed_flows"
WHERE = f"{NAME}:{MODULE}"


@pytest.fixture(autouse=True)
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / f"{MODULE}.py").write_text(FLOWS)
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    yield
    sys.path[:] = before


@pytest.fixture
def scenarios() -> Mapping[str, Scenario]:
    return load_scenarios(WHERE)


def _found(scenarios: Mapping[str, Scenario], law: str, case: str, *, trials: int) -> Repro:
    """A finding of the SDK on its own world."""
    result = hunt(scenarios["fan"], placed(preset(NAME), "sdk-local"), trials=trials, case=case)
    found = [each.repro for each in result.findings if each.repro.law == law]
    assert found, str(result.verdict)
    return found[0]


def test_a_finding_is_shown_by_a_script_alone(
    scenarios: Mapping[str, Scenario], tmp_path: Path
) -> None:
    repro = _found(scenarios, "I-12", "quiet", trials=4)
    told: list[tuple[str, int, int]] = []
    confirmation = confirm(
        repro,
        scenarios,
        attempts=1,
        keep=tmp_path / "kept",
        tell=lambda *each: told.append(each),
    )
    assert str(confirmation) == "confirmed (1 of 1)", confirmation
    (attempt,) = confirmation.attempts
    assert attempt.followed > 30
    assert "failed for good" in attempt.seen
    assert told == [("attempt", 1, 1), ("plain", 1, 1)]
    script = tmp_path / "kept" / "show.py"
    assert script.read_text() == confirmation.script
    assert str(tmp_path) not in confirmation.script
    assert confirmation.again.endswith(f" {script}")
    assert confirmation.added[0] == "delays of calls"
    assert "import simworld" not in confirmation.script
    assert "from simworld" not in confirmation.script


def test_what_does_not_show_is_simulated_only(scenarios: Mapping[str, Scenario]) -> None:
    repro = _found(scenarios, "I-12", "quiet", trials=4)
    other = attrs.evolve(scenarios["fan"], oracle=None)
    generous = attrs.evolve(repro, kind="step-forgotten")  # the same law, broken in another way
    confirmation = confirm(generous, {"fan": other}, attempts=1)
    assert confirmation.level is Level.SIMULATED_ONLY
    assert confirmation.failures == 0
    assert "I-12 retries-not-exhausted run/last instead" in confirmation.attempts[0].seen


async def _start_and_cancel(client: SubjectClient, workload: Workload) -> None:
    await client.sleep(40)
    run_id = await client.start()
    await client.cancel(run_id)


def test_a_message_that_nobody_gets_rid_of(
    scenarios: Mapping[str, Scenario], tmp_path: Path
) -> None:
    cancelled = attrs.evolve(
        scenarios["fan"], client=_start_and_cancel, turns_max=300, may_fail=True
    )
    found = _found({"fan": cancelled}, "L-07", "quiet", trials=30)
    confirmation = confirm(found, {"fan": cancelled}, attempts=1, keep=tmp_path / "kept")
    assert confirmation.level is Level.CONFIRMED, confirmation
    seen = confirmation.attempts[0].seen
    assert "has ended, and all 4 deliveries" in seen
    assert "(3 of them sent by the script) fail alike" in seen
    assert "failed deliveries sent again at once" in confirmation.added[-1]
    output = (tmp_path / "kept" / "attempt-1" / "output.txt").read_text()
    assert "expected: cancelled" in output
    assert "after run_cancelled fail alike" in output
    assert "['client', 'sleep', 40]" in confirmation.script
    other = attrs.evolve(found, kind="message-storm")
    assert confirm(other, {"fan": cancelled}).untried == "the script does not judge L-07"


def test_our_own_engine_has_nothing_to_confirm(scenarios: Mapping[str, Scenario]) -> None:
    with pytest.raises(UsageError, match="nothing to confirm"):
        confirm(samples.repro(), scenarios)


def _repro(**changed: object) -> Repro:
    known: dict[str, object] = {
        "scenario": "fan",
        "variant": NAME,
        "subject": NAME,
        "subject_version": VERSION,
        "blame": None,
    }
    return samples.repro(**{**known, **changed})


def test_another_version_is_refused(scenarios: Mapping[str, Scenario]) -> None:
    with pytest.raises(UsageError, match=r"0\.0\.1.*installed here"):
        confirm(_repro(subject_version="0.0.1"), scenarios)


def test_a_world_that_breaks_its_word_says_nothing(scenarios: Mapping[str, Scenario]) -> None:
    stale = (Fault("stale_read", "start/flow/get", 1),)
    for repro in (
        _repro(faults=stale),
        _repro(faults=stale, blame=Blame("world", ("stale_read",))),
    ):
        confirmation = confirm(repro, scenarios)
        assert confirmation.level is Level.WORLD_CONTRACT, repro
        assert str(confirmation) == "world contract"


@pytest.mark.parametrize(
    ("faults", "needs"),
    [
        ((Fault("crash", "start/flow", 3),), ("crash",)),
        (
            (Fault("clock_ahead", "start/flow", 9), Fault("kill_bodies", "part#1", 1)),
            ("clock_ahead", "kill_bodies"),
        ),
        (
            (Fault("server_error", "start/flow@3", 1), Fault("lost_answer", "start", 1)),
            ("2 failed calls",),
        ),
    ],
)
def test_what_no_script_can_do_is_named(
    scenarios: Mapping[str, Scenario], faults: tuple[Fault, ...], needs: tuple[str, ...]
) -> None:
    confirmation = confirm(_repro(faults=faults), scenarios)
    assert confirmation.level is Level.SIMULATED_ONLY
    assert confirmation.needs == needs
    assert confirmation.script == ""
    assert confirmation.attempts == ()


@pytest.mark.parametrize("law", ["L-03", "I-10"])
def test_laws_that_a_script_cannot_judge(scenarios: Mapping[str, Scenario], law: str) -> None:
    confirmation = confirm(_repro(law=law, faults=(), world="atomic"), scenarios)
    assert confirmation.level is Level.SIMULATED_ONLY
    assert confirmation.needs == ()
    assert str(confirmation) == f"simulated only (not tried: the script does not judge {law})"


def test_a_timeout_that_leaves_no_time_is_refused(scenarios: Mapping[str, Scenario]) -> None:
    with pytest.raises(UsageError, match=r"15 s is too short.*give 16 s or more"):
        confirm(_repro(), scenarios, timeout_s=15)


async def _side_by_side(client: SubjectClient, workload: Workload) -> None:
    await client.start()
    await client.together(client.sleep(5))


def test_a_script_does_one_thing_after_the_other(scenarios: Mapping[str, Scenario]) -> None:
    both = attrs.evolve(scenarios["fan"], client=_side_by_side)
    found = _found({"fan": both}, "I-12", "quiet", trials=4)
    assert confirm(found, {"fan": both}).needs == ("calls of one client side by side",)


# --- names ----------------------------------------------------------------------------------------


def test_deliveries_are_named_by_their_messages() -> None:
    names = Names()
    for task, message, step in (
        ("start", "start/flow", ""),
        ("start/flow/part", "start/flow/part/work#1", "work#1"),
        ("start/flow/part.2", "start/flow/part.2/work#2", "work#2"),
        ("start/flow/part.2/work#2~2", "start/flow/part.2/work#2~2/flow", ""),
        ("start/flow/part.2/work#2", "", "work#2"),
        ("start/flow/part", "start/flow/part/flow", ""),
        ("start/flow", "start/flow/flow", ""),
    ):
        names.learn(Sent(1, 0, task, "wrun_1", message, step))
    assert names.doing("start") == "start"
    assert names.doing("client/part.3") == "client"
    assert names.doing("start/flow~2/part") == "start/flow~2"
    assert names.doing("start/flow/part.2/work#2~3/part") == "start/flow/#2~3"
    assert names.doing("start/flow/part.2/work#2~2/flow/part") == "start/flow/#2~2/flow"
    assert names.message("start/flow/flow") == "start/flow/flow.2"
    assert names.message("nobody/flow") == ""


def test_steps_are_named_by_their_numbers() -> None:
    assert plain("record step_created of work#3") == "record step_created of #3"
    assert plain("read the log of run:work#3") == "read the log of run:#3"
    assert plain("begin the body of run.2/work#3") == "begin the body of run.2/#3"
