"""Goal: a step that has failed is tried again after its delay, and not before (R-77).

Method: a step whose first bodies fail with a plain error, or with one that says when to try again.
Right outcome: the message of a retry waits for its second, a recorded time is kept (L-06), and the
step succeeds in its last body (I-12).

What breaks it: a queue that drops the delay of what it is sent.
"""

from __future__ import annotations

from simworld.campaign import Case, Scenario
from simworld.engine import RetryableError, StepContext, step, workflow
from simworld.entropy import Stream
from simworld.records import FaultBudget, Fix, Race, Workload

RETRY_MS = 5_000
PLAIN, TIMED = 0, 1
"""What a body that fails raises: a plain error, or one with a time."""


@step(max_retries=2)
async def call(ctx: StepContext, errors: list[int]) -> str:
    """Fail as often as there are errors, then succeed."""
    if ctx.attempt <= len(errors):
        if errors[ctx.attempt - 1] == TIMED:
            raise RetryableError("busy", retry_after=RETRY_MS)
        raise ConnectionError("no answer")
    return "answered"


@workflow
async def one_call(errors: list[int]) -> str:
    """One step."""
    return await call(errors)


def drawn(stream: Stream) -> Workload:
    """One error or two."""
    errors = tuple(stream.choice((PLAIN, TIMED)) for _ in range(stream.between(1, 2)))
    return Workload(1, extra=tuple((f"error-{n}", each) for n, each in enumerate(errors)))


def args(workload: Workload) -> tuple[object, ...]:
    """The errors, in order."""
    return ([value for _, value in workload.extra],)


scenario = Scenario(
    name="retries_wait",
    title="a step that has failed is tried again after its delay, and not before",
    law="L-06",
    laws=("I-12", "I-16", "L-02"),
    workflow=one_call,
    steps=(call,),
    args=args,
    may_fail=True,
    cases=(
        Case(
            name="R-77",
            title="an inline step fails, and its retry is a message with a delay",
            races=("R-77",),
            draw=drawn,
            budget=FaultBudget(),
            expect={
                "v2_merge": "PASS",
                "v2_merge delays=ignored": "FAIL L-06",
                "fixed": "PASS",
                "fixed delays=ignored": "FAIL L-06",
            },
            marks=("retry.after_error",),
        ),
    ),
)

races = (
    Race(
        id="R-77",
        title="the delay of an inline retry is ignored",
        trigger="call#1 fails inline, and its handler sends a message that is to retry it in a "
        "second; the queue delivers that at once.",
        laws=("L-06",),
        scenario="retries_wait",
        case="R-77",
        faulty="fixed delays=ignored",
        fixes=(
            Fix(system="fixed"),
            Fix(system="fixed @ local"),
            Fix(system="v2_merge"),
        ),
        answer="confirmed for plain errors, whose second nobody records.  A RetryableError records "
        "its time: an early start is refused (425), and the message comes again when it is due.",
        source="spec §6 R-77; b15",
    ),
)
