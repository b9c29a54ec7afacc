"""Pages that need no script: a run without a step, and a run with one."""

from __future__ import annotations

from simworld.campaign import Case, Page, Scenario
from simworld.engine import StepContext, step, workflow
from simworld.records import FaultBudget, Workload

EVERYWHERE = dict.fromkeys(("v1", "v2_draft", "v2_merge", "b12", "b30", "b37", "fixed"), "PASS")
"""What must come out on every preset."""


@step
async def greet(ctx: StepContext, name: str) -> str:
    """The only step."""
    return f"hello {name}"


@workflow
async def nothing() -> str:
    """A run without a step."""
    return "done"


@workflow
async def one_step() -> str:
    """A run with one step."""
    return await greet("world")


pages = (
    Page(
        id="smoke-no-step",
        title="a run without a step completes at once",
        scenario=Scenario(
            name="book_smoke_no_step",
            title="a run without a step completes at once",
            law="I-01",
            laws=("I-18", "L-02"),
            workflow=nothing,
            steps=(),
            args=lambda workload: (),
            oracle=lambda workload, log: "done",
            cases=(
                Case("smoke-no-step", "", lambda stream: Workload(), FaultBudget(), EVERYWHERE),
            ),
        ),
    ),
    Page(
        id="smoke-one-step",
        title="a run with one step runs its body once and completes",
        scenario=Scenario(
            name="book_smoke_one_step",
            title="a run with one step runs its body once and completes",
            law="I-13",
            laws=("I-18", "L-02"),
            workflow=one_step,
            steps=(greet,),
            args=lambda workload: (),
            oracle=lambda workload, log: "hello world",
            cases=(
                Case("smoke-one-step", "", lambda stream: Workload(), FaultBudget(), EVERYWHERE),
            ),
        ),
    ),
)
