"""Goal: a pool of workers makes progress although step bodies keep theirs while they poll a child.

Method: recursive Fibonacci by child runs (spec §3.11, R-72): every call is a run, and a step polls
its child for the child's whole life.  Right outcome: with 50 workers the run completes; with 10 all
of them come to be held by parents, no child can run, and that is reported (L-09, naming who holds
the workers) instead of hanging.  No engine mends it: a larger pool only moves the limit.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.campaign import Case, Scenario
from simworld.engine import Event, StepContext, gather, step, workflow
from simworld.records import FaultBudget, Workload

DEPTH = 6


@step
async def child(ctx: StepContext, n: int) -> int:
    """Start ``fib(n)`` as a run of its own and wait for it."""
    run_id = await ctx.start_child(fib, n)
    result: int = await ctx.await_run(run_id)
    return result


@workflow
async def fib(n: int) -> int:
    """The n-th Fibonacci number, a run for every call."""
    if n < 2:
        return n
    left, right = await gather(child(n - 1), child(n - 2))
    return left + right


def oracle(workload: Workload, log: Sequence[Event]) -> int:
    """The number itself."""
    below, above = 0, 1
    for _ in range(DEPTH):
        below, above = above, below + above
    return below


def _case(workers: int, verdict: str) -> Case:
    return Case(
        name=f"{workers} workers",
        title=f"fib({DEPTH}) by child runs on {workers} workers",
        races=("R-72",),
        draw=lambda stream: Workload(steps=0),
        budget=FaultBudget(),
        knobs=(f"workers={workers}",),
        expect=dict.fromkeys(("v1", "v2_merge", "fixed"), verdict),
        marks=("worker.awaited",),
    )


scenario = Scenario(
    name="child_pool",
    title="step bodies poll child runs: with too few workers nobody can go on",
    law="L-09",
    laws=("I-16", "L-02"),
    workflow=fib,
    steps=(child,),
    args=lambda workload: (DEPTH,),
    trials_max=40,
    cases=(_case(10, "FAIL L-09"), _case(50, "PASS")),
)
