"""Pages that need no script: a run without a step, and a run with one."""

from __future__ import annotations

from simworld.campaign import page
from simworld.engine import StepContext, step, workflow


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
    page(
        "smoke-no-step",
        "a run without a step completes at once",
        nothing,
        laws=("I-01", "I-18", "L-02"),
        oracle=lambda workload, log: "done",
    ),
    page(
        "smoke-one-step",
        "a run with one step runs its body once and completes",
        one_step,
        greet,
        laws=("I-13", "I-18", "L-02"),
        oracle=lambda workload, log: "hello world",
    ),
)
