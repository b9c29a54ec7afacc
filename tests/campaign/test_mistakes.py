"""An author's mistakes: each is told with its place and the way out, and none passes for a PASS."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from simworld.campaign import (
    Case,
    Hunter,
    Scenario,
    hunt,
    load_scenarios,
    prepared,
    preset,
    replay,
    run_trial,
)
from simworld.engine import StepContext, create_hook, step, workflow
from simworld.entropy import Stream
from simworld.errors import UncontrolledNondeterminism, UsageError
from simworld.explore import make_explorer
from simworld.records import FaultBudget, Profile, Result, Workload
from simworld.runtime import Client
from simworld.sim import NoFaults

FIXED = preset("fixed")


@step
async def work(ctx: StepContext, number: int) -> int:
    """The number again."""
    return number


@step(max_retries=1)
async def broken(ctx: StepContext) -> int:
    """Never works."""
    raise ValueError("boom")


@workflow
async def one(number: int = 1) -> int:
    """One step."""
    return await work(number)


@workflow
async def breaks() -> int:
    """A step that fails."""
    return await broken()


@workflow
async def waits() -> int:
    """A payload."""
    return await create_hook("token-7", payload=int)


def case(**changed: Any) -> Case:
    return attrs.evolve(
        Case("only", "only", draw=lambda stream: Workload(), budget=FaultBudget(), expect={}),
        **changed,
    )


def scenario(**changed: Any) -> Scenario:
    base = Scenario(
        name="mine",
        title="",
        law="I-18",
        workflow=one,
        steps=(work,),
        args=lambda workload: (),
        cases=(case(),),
    )
    return attrs.evolve(base, **changed)


def hunted(trials: int = 3, **changed: Any) -> Result:
    return hunt(scenario(**changed), FIXED, trials=trials)


def said(**changed: Any) -> str:
    """What a hunt refuses it with."""
    with pytest.raises(UsageError) as caught:
        hunted(**changed)
    return str(caught.value)


# --- steps and bodies that fail -------------------------------------------------------------------


def test_a_step_that_the_program_does_not_have_is_no_pass() -> None:
    result = hunted(steps=(broken,))
    assert str(result.verdict) == "FAIL I-18"
    (found,) = result.findings
    assert found.anomaly.kind == "step-failed-without-body"
    assert "no step is called 'work'" in found.anomaly.message
    assert str(hunted(steps=(broken,), may_fail=True).verdict) == "PASS"


def test_a_body_that_fails_says_why() -> None:
    result = hunted(workflow=breaks, steps=(broken,))
    (found,) = [each for each in result.findings if each.anomaly.law == "I-18"]
    assert "body 1 of broken#1 failed with ValueError: boom" in found.anomaly.message
    story = replay(found.repro, {"mine": scenario(workflow=breaks, steps=(broken,))})
    assert story is not None
    assert any("error, ValueError: boom" in turn.outcome for turn in story.turns)


def test_each_step_has_its_own_retries_unless_they_are_drawn() -> None:
    own = scenario(workflow=breaks, steps=(broken,), may_fail=True, laws=("I-12", "I-13", "I-13a"))
    drawn = attrs.evolve(own, cases=(case(draw=lambda stream: Workload(max_retries=3)),))
    for each, bodies in ((own, 2), (drawn, 4)):
        trial = run_trial(Hunter(each, FIXED).setup(0))
        assert str(trial.verdict) == "PASS"
        assert next(iter(trial.final.steps.values())).attempt == bodies


# --- what a scenario brings of its own code -------------------------------------------------------


def test_an_error_names_its_trial() -> None:
    assert said(args=wrong).startswith("trial 0 of mine on fixed: ")


def wrong(*anything: object) -> Any:
    raise KeyError("mine")


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("args", {"args": wrong}),
        ("oracle", {"oracle": wrong}),
        ("cost", {"cost": wrong}),
        ("targets", {"targets": wrong}),
        ("draw of case only", {"cases": (case(draw=wrong),)}),
    ],
)
def test_a_function_that_fails_is_named_with_its_line(what: str, changed: dict[str, Any]) -> None:
    line = f"{__file__}:{wrong.__code__.co_firstlineno + 1}"
    assert f"{what} of scenario mine fails at {line}: KeyError: 'mine'" in said(**changed)


def test_a_function_that_cannot_be_called_so_is_named_with_its_first_line() -> None:
    def lonely() -> tuple[object, ...]:
        return ()

    line = f"{__file__}:{lonely.__code__.co_firstlineno}"
    assert f"args of scenario mine fails at {line}: TypeError" in said(args=lonely)


def test_an_answer_of_another_kind_is_refused() -> None:
    assert "returns a tuple" in said(args=lambda workload: [1])
    assert "returns a Workload, not None" in said(cases=(case(draw=lambda stream: None),))


def test_a_script_that_is_no_coroutine_function_is_refused() -> None:
    def script(client: Client, workload: Workload) -> None:
        """Not async."""

    line = f"{__file__}:{script.__code__.co_firstlineno}"
    assert f"the client script at {line} is no coroutine function; write async def" in said(
        client=script
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: scenario(workflow=one.function), "decorate the function with @workflow"),
        (lambda: scenario(steps=(work.function,)), "decorate each function with @step"),
        (lambda: scenario(steps=work), "steps of scenario mine is a tuple"),
        (lambda: scenario(cases=()), "mine has no cases"),
        (lambda: scenario(cases=(case(), case())), "two cases called 'only'"),
        (lambda: scenario(turns_max=0), "turns_max of scenario mine is 0; at least 1"),
        (lambda: case(budget=None), "the budget of case only is a FaultBudget, not None"),
        (lambda: FaultBudget(crashes=-1), "crashes of a FaultBudget cannot be negative: -1"),
    ],
)
def test_a_scenario_is_checked_when_it_is_made(make: Callable[[], object], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        make()
    assert words in str(caught.value)


@pytest.mark.parametrize("failure", [("nobody#1", 1), ("work", 1), ("work#1", 0)])
def test_a_planned_failure_of_nobody_is_refused(failure: tuple[str, int]) -> None:
    drawn = case(draw=lambda stream: Workload(failures=(failure,)))
    assert "label of one of its steps (work#1, …)" in said(cases=(drawn,))


# --- loading --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("\n1 / 0\n", "2: ZeroDivisionError"),
        ("\n\nimport nobody_has_this\n", "3: ModuleNotFoundError"),
        ("def\n", "1: SyntaxError"),
        ("import sys\nsys.exit(3)\n", "2: SystemExit: 3"),
        (
            "from simworld.records import FaultBudget\nFaultBudget(crashes=-1)\n",
            "2: crashes of a FaultBudget",
        ),
    ],
)
def test_a_file_that_cannot_be_executed_is_named_with_its_line(
    tmp_path: pathlib.Path, source: str, words: str
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(source)
    with pytest.raises(UsageError) as caught:
        load_scenarios(str(file))
    assert f"{file}:{words}" in str(caught.value)


# --- what nobody knows, and why -------------------------------------------------------------------


def test_runs_that_wait_say_what_for() -> None:
    reason = hunted(workflow=waits, steps=()).verdict.reason
    assert reason == (
        "only 0 of 3 runs ended; in trial 0 run waits for a payload for the hook 'token-7'"
    )


def test_a_script_that_starts_nothing_is_told() -> None:
    async def script(client: Client, workload: Workload) -> None:
        """Goes home."""

    verdict = hunted(client=script).verdict
    assert str(verdict) == "UNKNOWN the client script has started no run"


def test_a_script_that_never_ends_is_no_pass() -> None:
    async def script(client: Client, workload: Workload) -> None:
        run_id = await client.start()
        async for _ in client.read_stream(run_id, "nobody writes this"):
            pass

    verdict = hunted(client=script).verdict
    assert verdict.outcome == "UNKNOWN"
    assert "never ends (client waits to see more of stream nobody writes this)" in verdict.reason


def test_a_scenario_has_its_own_bound_of_turns() -> None:
    small = scenario(workflow=waits, steps=(), turns_max=5)
    verdict = hunt(small, FIXED, trials=1).verdict
    assert "turns_max was reached before the trial was drained (run waits for" in verdict.reason
    assert "raise Scenario.turns_max" in verdict.reason
    setup = prepared(small, small.cases[0], FIXED, Workload(), _stay(), NoFaults())
    assert setup.turns_max == Hunter(small, FIXED).setup(0).turns_max == 5


def _stay() -> Any:
    explorer = make_explorer("default")
    explorer.begin(Stream(0), Profile())
    return explorer


# --- what the same schedule does not repeat -------------------------------------------------------


def test_a_failure_that_its_own_schedule_does_not_repeat_is_uncontrolled() -> None:
    """The body fails at its second call in the life of the process; the first is the profile's."""
    fails: Iterator[bool] = iter([False, True])

    @step(name="work", max_retries=0)
    async def moody(ctx: StepContext, number: int) -> int:
        if next(fails, False):
            raise ValueError("only once")
        return number

    with pytest.raises(UncontrolledNondeterminism, match="--run-twice"):
        hunted(trials=1, steps=(moody,))


def test_a_failure_of_a_child_run_has_the_childs_place() -> None:
    @workflow
    async def child() -> int:
        raise ValueError("mine")

    @step
    async def delegate(ctx: StepContext) -> str:
        """Start the child and let it be."""
        return await ctx.start_child(child)

    @workflow
    async def parent() -> str:
        return await delegate()

    whole = scenario(workflow=parent, steps=(delegate,), children=(child,))
    (found,) = hunt(whole, FIXED, trials=1).findings
    assert found.anomaly.place == "run:delegate#1"
    story = replay(found.repro, {"mine": whole})
    assert story is not None
    assert {story.labels[event.run_id] for event in story.log} == {"run:delegate#1"}
