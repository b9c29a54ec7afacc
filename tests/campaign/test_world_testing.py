"""The workflows of the field's world-testing suite (spec §8.6), in the boring order.

Nothing is reordered, duplicated or crashed: then every engine, the merged one included, completes
every one of them and breaks no law at all.
"""

from __future__ import annotations

import attrs
import pytest

from simworld.campaign import Case, Scenario, prepared, preset, run_trial
from simworld.check import LAWS
from simworld.engine import (
    FatalError,
    RetryableError,
    StepFailedError,
    create_hook,
    decode,
    gather,
    race,
    sleep,
    step,
    workflow,
)
from simworld.errors import HookNotFoundError
from simworld.explore import Default
from simworld.records import PASS, FaultBudget, Workload
from simworld.sim import NoFaults


@step
async def add(ctx, left, right):
    return left + right


@workflow
async def addition(left, right):
    return await add(left, right)


@workflow
async def idempotency(count):
    """Twenty numbers, one after the other, each by the sum so far."""
    total = 0
    for number in range(count):
        total = await add(total, number)
    return total


@workflow
async def hooks(token):
    """Three payloads, then the hook is disposed of."""
    seen = []
    async with create_hook(token) as hook:
        async for payload in hook:
            seen.append(await add(payload, 0))
            if len(seen) == 3:
                break
    return seen


async def three_payloads(user, workload):
    await user.start("door")
    for payload in range(3):
        await user.sleep(50)
        await user.resume_hook("door", payload)
    await user.sleep(50)
    with pytest.raises(HookNotFoundError):
        await user.resume_hook("door", 9)


@step
async def fatal(ctx):
    raise FatalError("no use")


@step
async def second_time(ctx):
    if ctx.attempt < 2:
        raise RetryableError("not yet", retry_after=2_000)
    return ctx.attempt


@workflow
async def errors():
    try:
        await fatal()
    except StepFailedError as error:
        told = error.kind
    return [told, await second_time()]


@step
async def echo(ctx, text):
    return text


@workflow
async def null_byte():
    return await echo("a\0b")


@workflow
async def inline_execution():
    first = await add(1, 1)
    await sleep(1_000)
    return await add(first, 1)


@workflow
async def batches():
    """Three batches of five."""
    totals = []
    for batch in range(3):
        totals.append(sum(await gather(*[add(batch, index) for index in range(5)])))
    return totals


@step
async def call(ctx, left, right):
    return await ctx.await_run(await ctx.start_child(addition, left, right))


@workflow
async def lineage():
    return await call(1, await call(2, 3))


@workflow
async def race_stress():
    running = {index: add(index, 0) for index in range(5)}
    finished = []
    while running:
        winner = (await race(*running.values())).value
        del running[winner]
        finished.append(winner)
    return sorted(finished)


@step
async def fib_child(ctx, n):
    return await ctx.await_run(await ctx.start_child(fibonacci, n))


@workflow
async def fibonacci(n):
    if n < 2:
        return n
    return sum(await gather(fib_child(n - 1), fib_child(n - 2)))


@attrs.frozen
class Row:
    flow: object
    args: tuple = ()
    output: object = None
    client: object = None


VARIANTS = ("v1", "v2_merge", "b12", "b30", "b37", "fixed")
"""All but the draft, which runs bodies twice by design."""
STEPS = (add, fatal, second_time, echo, call, fib_child)
ROWS = (
    Row(addition, (2, 3), 5),
    Row(idempotency, (20,), sum(range(20))),
    Row(hooks, ("door",), [0, 1, 2], three_payloads),
    Row(errors, (), ["fatal", 2]),
    Row(null_byte, (), "a\0b"),
    Row(inline_execution, (), 3),
    Row(batches, (), [10, 15, 20]),
    Row(lineage, (), 6),
    Row(race_stress, (), [0, 1, 2, 3, 4]),
    Row(fibonacci, (6,), 8),
)


def trial_of(row, variant):
    children = tuple(each for each in (addition, fibonacci) if each is not row.flow)
    scenario = Scenario(
        name=f"world_testing_{row.flow.name}",
        title="the boring order",
        law="L-01",
        laws=tuple(LAWS),
        workflow=row.flow,
        steps=STEPS,
        children=children,
        args=lambda workload: row.args,
        client=row.client,
        oracle=None,
        may_fail=row.flow is errors,
        cases=(
            Case(
                name="boring",
                title="nothing happens",
                draw=lambda stream: Workload(),
                budget=FaultBudget(),
                expect={},
            ),
        ),
    )
    setup = prepared(
        scenario,
        scenario.cases[0],
        preset(variant),
        Workload(),
        Default(),
        NoFaults(),
        turns_max=20_000,
    )
    return run_trial(setup)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.flow.name)
def test_nothing_is_wrong_where_nothing_happens(row, variant):
    trial = trial_of(row, variant)
    assert [str(each.message) for each in trial.anomalies] == []
    assert trial.verdict.outcome == PASS
    run = trial.final.runs["wrun_1"]
    assert run.status == "completed"
    assert decode(run.output) == row.output
    if row.flow is errors:
        assert run.completed_at_ms - run.created_at_ms >= 2_000
