"""Passes that go ahead, among payloads that come when they like (``commits=together``)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pytest

from simworld import marks
from simworld.campaign import Case, Scenario, hunt, preset
from simworld.engine import StepContext, create_hook, race, step, workflow
from simworld.errors import HookNotFoundError
from simworld.ports import Answer, BatchFact
from simworld.records import FAIL, PASS, FaultBudget, Workload
from simworld.runtime import Client, RunFailedError
from simworld.sim import SimStorage

TRIALS = 150


@step
async def work(ctx: StepContext, what: str) -> str:
    """Say what for."""
    return what


@workflow
async def rounds() -> list[str]:
    """Whatever comes first says what is done next."""
    done = []
    async with create_hook("letters") as hook:
        payload = hook.next()
        for number in range(3):
            found = await race(work(f"round {number}"), payload)
            done.append(await work(f"after {found.value}"))
            if found.which:
                payload = hook.next()
    return done


async def writes(user: Client, workload: Workload) -> None:
    """Send three letters, as soon as there is somebody to get them."""
    run_id = await user.start()
    for number in range(3):
        try:
            await user.resume_hook("letters", f"letter {number}")
        except HookNotFoundError:
            continue
    with suppress(RunFailedError):  # laws judge that
        await user.result(run_id)


SCENARIO = Scenario(
    name="letters",
    title="payloads come between the steps of a run",
    law="I-17",
    laws=("I-16", "I-20", "I-25", "L-04", "L-05"),
    workflow=rounds,
    steps=(work,),
    args=lambda workload: (),
    client=writes,
    cases=(
        Case(
            name="letters",
            title="",
            draw=lambda stream: Workload(),
            budget=FaultBudget(),
            expect={},
        ),
    ),
)


def test_a_pass_that_has_gone_ahead_of_a_payload_is_thrown_away() -> None:
    before = marks.snapshot()
    result = hunt(SCENARIO, preset("fast"), trials=TRIALS)
    assert result.verdict.outcome == PASS, result.verdict
    reached = marks.since(before)
    assert reached["pass.ahead"] > TRIALS
    assert reached["pass.ahead_in_vain"] > TRIALS // 10


def test_one_that_is_kept_all_the_same_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    append = SimStorage.append

    async def careless(
        self: SimStorage, run_id: str, facts: Sequence[BatchFact], *, after: int | None = None
    ) -> Sequence[Answer]:
        return await append(self, run_id, facts)

    monkeypatch.setattr(SimStorage, "append", careless)
    result = hunt(SCENARIO, preset("fast"), trials=TRIALS // 5)
    assert (result.verdict.outcome, result.verdict.law) == (FAIL, "I-17")
