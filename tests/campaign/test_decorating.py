"""``@simworld.scenario``: what it makes of a workflow or of a client's script, and mistakes."""

from __future__ import annotations

import pytest

import simworld
from simworld.campaign import Case, Scenario, hunt, preset
from simworld.engine import StepContext, gather, step, workflow
from simworld.entropy import Stream
from simworld.errors import UsageError
from simworld.records import FaultBudget, Workload
from simworld.runtime import Client


@step(max_retries=3)
async def charge(ctx: StepContext, amount: int) -> int:
    """Take a while."""
    await ctx.sleep(200)
    return amount


@workflow
async def order(amounts: list[int]) -> int:
    """Every order is charged.

    And so on.
    """
    return sum(await gather(*[charge(each) for each in amounts]))


async def paid(client: Client, workload: Workload) -> None:
    await client.start([10] * workload.steps)


def test_a_workflow_becomes_a_scenario_that_holds() -> None:
    made = simworld.scenario(steps=[charge], args=([10, 20],), oracle=lambda workload, log: 30)(
        order
    )
    assert isinstance(made, Scenario)
    assert (made.name, made.title) == ("order", "Every order is charged")
    (case,) = made.cases
    assert case.marks == ("delivery.duplicate", "handler.crashed")
    result = hunt(made, preset("fixed"), trials=100)
    assert str(result.verdict) == "PASS", result.findings
    assert result.as_expected
    assert result.marks.keys() >= set(case.marks)
    wrong = simworld.scenario(steps=[charge], args=([10, 20],), oracle=lambda *given: 31)(order)
    assert str(hunt(wrong, preset("fixed"), trials=20).verdict) == "FAIL I-18"


def test_what_a_client_does_becomes_a_scenario_that_holds() -> None:
    made = simworld.scenario(
        workflow=order,
        steps=[charge],
        draw=lambda stream: Workload(steps=stream.between(1, 3)),
        oracle=lambda workload, log: 10 * workload.steps,
        budget=FaultBudget(duplicates=2),
        expect={"fixed": "PASS", "v2_merge": "-"},
        knobs=["lease_ms=1000"],
    )(paid)
    assert (made.name, made.title, made.client) == ("paid", "paid", paid)
    (case,) = made.cases
    assert (case.marks, case.knobs) == (("delivery.duplicate",), ("lease_ms=1000",))
    assert made.victims(made.drawn(case, Stream(1)))[0] == "charge#1"
    result = hunt(made, preset("fixed"), trials=100)
    assert str(result.verdict) == "PASS", result.findings


def test_every_step_may_be_a_victim() -> None:
    @step
    async def refund(ctx: StepContext) -> None:
        """Give it back."""

    made = simworld.scenario(steps=[charge, refund], args=lambda workload: ([],))(order)
    assert made.victims(Workload()) == ["charge#1", "refund#1"]
    assert made.given(Workload()) == ([],)


def test_marks_may_be_named() -> None:
    made = simworld.scenario(marks=["timer.fired"])(order)
    (case,) = made.cases
    assert isinstance(case, Case)
    assert case.marks == ("timer.fired",)


def test_mistakes_are_told() -> None:
    with pytest.raises(UsageError, match=r"in parentheses: @simworld.scenario\(steps=\[…\]\)"):
        simworld.scenario(order)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="put @workflow below it, or name the workflow"):
        simworld.scenario()(paid)
    with pytest.raises(UsageError, match="decorates what a client does, not the workflow order"):
        simworld.scenario(workflow=order)(order)
    with pytest.raises(UsageError, match=r"args of @simworld.scenario is a tuple .* not 3"):
        simworld.scenario(args=3)(order)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="the budget of case rough is a FaultBudget, not 3"):
        simworld.scenario(budget=3)(order)  # type: ignore[arg-type]
