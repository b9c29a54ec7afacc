"""Messages that say no more than: look at the run; and that one stands for several (``wakes``).

One that nobody has begun to handle may stand for others.  One that is being handled may have looked
already: what is recorded after that nobody looks at any more, and the run never ends (L-01).
"""

from __future__ import annotations

import pytest

from simworld import marks
from simworld.campaign import Case, Hunter, Scenario, claimed_variant
from simworld.engine import StepContext, create_hook, gather, step, workflow
from simworld.errors import HookNotFoundError
from simworld.records import FaultBudget, Workload
from simworld.runtime import Client

BRANCHES = 2


@step
async def work(ctx: StepContext, number: int) -> int:
    """Give the number back."""
    return number


async def branch(number: int) -> int:
    told: int = await create_hook(f"branch {number}")
    return await work(told)


@workflow
async def branches() -> list[int]:
    """Branches that wait for what they are told, and then for a step each."""
    return await gather(*[branch(number) for number in range(BRANCHES)])


async def tell(client: Client, number: int) -> None:
    while True:
        try:
            await client.resume_hook(f"branch {number}", number)
        except HookNotFoundError:
            await client.sleep(10)  # not yet created
        else:
            return


async def script(client: Client, workload: Workload) -> None:
    """Start the run, and tell every branch, side by side."""
    await client.start()
    await client.together(*[tell(client, number) for number in range(BRANCHES)])


_BRANCHES = Scenario(
    name="woken_branches",
    title="several things happen to a run at once, and a message is sent for each",
    law="L-01",
    laws=("L-02", "L-05", "I-16", "I-18"),
    workflow=branches,
    steps=(work,),
    args=lambda workload: (),
    client=script,
    oracle=lambda workload, log: [*range(BRANCHES)],
    targets=lambda workload: [],
    cases=(
        Case(
            name="calm",
            title="",
            draw=lambda stream: Workload(steps=1),
            budget=FaultBudget(),
            expect={},
        ),
        Case(
            name="rough",
            title="",
            draw=lambda stream: Workload(steps=1),
            budget=FaultBudget(duplicates=2, crashes=1, redeliveries=1),
            expect={},
        ),
    ),
)


def laws_broken(system: str, case: str, count: int) -> set[str]:
    hunter = Hunter(_BRANCHES, claimed_variant(system), seed=0, case=case)
    return {each.law for number in range(count) for each in hunter.trial(number).anomalies}


@pytest.mark.parametrize("case", ["calm", "rough"])
def test_one_that_nobody_has_begun_stands_for_all(case: str) -> None:
    before = marks.snapshot()
    assert laws_broken("fixed wakes=merged", case, 200) == set()
    been = marks.since(before)
    assert been["message.merged"] > 20
    assert been["delivery.in_line"] > 20


@pytest.mark.parametrize("case", ["calm", "rough"])
def test_one_that_is_being_handled_stands_for_none(case: str) -> None:
    assert "L-01" in laws_broken("fixed wakes=merged merging=in_flight", case, 200)


def test_a_queue_that_cannot_merge_delivers_every_one() -> None:
    before = marks.snapshot()
    assert laws_broken("fixed wakes=merged merging=never", "calm", 100) == set()
    assert "message.merged" not in marks.since(before)
