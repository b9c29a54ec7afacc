"""Steps that fail, are cancelled, delivered twice, lost or overtaken, and attributes beside them.

Right outcome: a step's body runs once and once more for each failure, its result is taken once, a
step that has been created is run, and whoever comes late finds everything done and disturbs nobody.
"""

from __future__ import annotations

from simworld.campaign import EVERYWHERE, page
from simworld.engine import (
    StepContext,
    create_hook,
    gather,
    set_attributes,
    sleep,
    step,
    workflow,
)
from simworld.explore import Scripted
from simworld.records import Fault, Workload
from simworld.runtime import Client

BODY_MS, COOL_OFF_MS = 100, 60_000
UNLEASED = ("v2_draft", "v2_merge", "b12", "b30", "b37")
"""Their starts have no leases, or leases of the message, which both of its deliveries own."""
NOT_READ = dict.fromkeys(("v1", "v2_draft", "fast"), "-")
"""There no message of the step looks at the run's row."""


@step
async def work(ctx: StepContext, number: int = 1) -> int:
    """Takes a while."""
    await ctx.sleep(BODY_MS)
    return number


@step
async def label(ctx: StepContext) -> str:
    """Records an attribute of its run."""
    await ctx.set_attributes(stage="labelled")
    return "labelled"


@workflow
async def one() -> int:
    """A step."""
    return await work()


@workflow
async def chain() -> list[int]:
    """Two steps, one after the other."""
    return [await work(1), await work(2)]


@workflow
async def pair() -> list[int]:
    """Two steps side by side."""
    return await gather(work(1), work(2))


@workflow
async def parcel() -> int:
    """A step, and a while in which nothing else is done."""
    working = work()
    await sleep(COOL_OFF_MS)
    return await working


@workflow
async def staged() -> list[int]:
    """Attributes before, between and behind steps."""
    await set_attributes(stage="begun")
    first = await work(1)
    await set_attributes(stage="half done")
    second = await work(2)
    await set_attributes(stage="done")
    return [first, second]


@workflow
async def labelled() -> str:
    """Attributes that a step records, beside the workflow's own."""
    labelling = label()
    await set_attributes(stage="begun")
    return await labelling


@workflow
async def answered() -> str:
    """Attributes while a payload arrives."""
    hook = create_hook("letter", payload=str)
    await set_attributes(stage="waiting")
    return await hook


async def cancels(user: Client, workload: Workload) -> None:
    """Start the run, and cancel it."""
    await user.cancel(await user.start())


async def sends(user: Client, workload: Workload) -> None:
    """Start the run, and send a payload."""
    await user.start()
    await user.resume_hook("letter", "dear run")


async def starts(user: Client, workload: Workload) -> None:
    """Start the run."""
    await user.start()


pages = (
    page(
        "step-retries-twice",
        "a step whose body fails twice is tried twice more, and its run completes",
        one,
        work,
        laws=("I-12", "I-13", "I-18", "L-06", "L-02"),
        workload=Workload(steps=1, failures=(("work#1", 1), ("work#1", 2))),
        oracle=lambda workload, log: 1,
    ),
    page(
        "cancel-mid-step",
        "a run that is cancelled while a body runs is over: the body ends, and nothing begins",
        chain,
        work,
        laws=("I-26", "I-02", "I-17", "L-02"),
        client=cancels,
        script=lambda: Scripted().cut_in("client", "record run_*", behind="begin the body*"),
        races=("R-62",),
    ),
    page(
        "duplicate-message",
        "a run's first message that is delivered twice starts the run once, and its step, too",
        one,
        work,
        laws=("I-14", "I-13", "I-15", "I-04", "I-16", "I-17", "I-18", "L-02"),
        unpromised=("I-14",),
        client=starts,
        faults=(Fault("duplicate", "client/flow", 1),),
        oracle=lambda workload, log: 1,
        script=lambda: (
            Scripted()
            .hold("client/flow~2", "record step_*")
            .run_until("begin the body*")
            .hold("client/flow")
            .release("client/flow~2")
        ),
        races=("R-11", "R-22"),
        expect=EVERYWHERE | dict.fromkeys(UNLEASED, "FAIL I-14 I-15"),
    ),
    page(
        "crash-before-dispatch",
        "a step whose handler dies between creating and sending it is sent by the next one",
        pair,
        work,
        laws=("L-01", "I-13", "I-16", "I-17", "I-18", "L-02"),
        client=starts,
        faults=(Fault("crash", "client/flow", 4),),
        oracle=lambda workload, log: [1, 2],
        script=lambda: Scripted().run_until("send work#*", "client/flow~2"),
        races=("R-16",),
        expect=EVERYWHERE | {"b30": "-", "b37": "-"},  # they run both inline, and send neither
    ),
    page(
        "lost-step-dispatch",
        "a step whose message was thrown away is sent again, though its key was used",
        parcel,
        work,
        laws=("L-01", "I-13", "I-16", "I-17", "I-18", "L-02"),
        client=starts,
        faults=(Fault("stale_read", "client/flow/work#1/read_run", 3),),
        world="hosted",
        oracle=lambda workload, log: 1,
        races=("R-17", "R-24"),
        expect=EVERYWHERE | NOT_READ | dict.fromkeys(("v2_merge", "b12"), "FAIL L-01"),
    ),
    page(
        "run-ahead-fenced-overlap",
        "a handler that is overtaken by another one up to the run's end does no harm",
        chain,
        work,
        laws=("I-17", "I-02", "I-04", "I-13", "I-16", "I-18", "L-02"),
        client=starts,
        faults=(
            Fault("duplicate", "client/flow", 1),
            Fault("slow_host", "client/flow@3", COOL_OFF_MS),
        ),
        oracle=lambda workload, log: [1, 2],
    ),
    page(
        "attributes-from-workflow",
        "attributes that a workflow sets are recorded once each, in its order",
        staged,
        work,
        laws=("I-16", "I-10", "I-17", "I-18", "L-02"),
        oracle=lambda workload, log: [1, 2],
    ),
    page(
        "attributes-from-step",
        "attributes that a step sets are nobody's request, and disturb no replay",
        labelled,
        label,
        laws=("I-17", "I-10", "I-16", "I-18", "L-02"),
        oracle=lambda workload, log: "labelled",
    ),
    page(
        "attributes-under-payload",
        "attributes and a payload that are recorded at one moment are replayed in their order",
        answered,
        laws=("I-16", "I-10", "I-17", "I-18", "I-25", "L-02"),
        client=sends,
        oracle=lambda workload, log: "dear run",
        script=lambda: Scripted().cut_in("client", "find the hook*", behind="record attr_set*"),
    ),
)
