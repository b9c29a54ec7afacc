"""Goal: a stream is what was written to it, for whoever reads it, whenever they do (spec §2.4).

Method: a step writes and its host dies (R-67), writes by two writers of its own (R-68), or leaves a
stream filling in the background while its run ends (R-69); two steps write side by side while a
client reads along (R-70).
Right outcome: every chunk that a completed step was told is written is there, in the order of its
writes; readers are given the same chunks whenever they read, and come to an end (I-24, L-08).

What breaks it: writes that return before their chunk is on the server; a pipe for each call of
``get_writable``; a step that does not wait for its streams, in a world that takes nothing of an
ended run; places that are given to chunks before the chunks are visible.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from simworld.campaign import Case, Scenario
from simworld.engine import StepContext, StreamRef, gather, step, workflow
from simworld.entropy import Stream
from simworld.records import FaultBudget, Fix, Race, Workload
from simworld.runtime import Client, RunFailedError

LAWS = ("I-18", "I-21", "L-02")
PAUSES_MS = (0, 100, 400, 1_000, 5_000)
"""What a body may take for one more chunk of its stream."""


def nothing(stream: Stream) -> Workload:
    """The schedule is all that differs."""
    return Workload(steps=1)


# --- the tail of a stream -------------------------------------------------------------------


@step
async def say(ctx: StepContext) -> int:
    """Write two chunks; the second may still be on its way when the body ends."""
    log = ctx.get_writable("log")
    await log.write(b"first")
    await log.write(b"last")
    return 2


@workflow
async def saying() -> int:
    """One step that writes."""
    return await say()


tail = Scenario(
    name="tail_is_written",
    title="what a completed step has written is there, though its host dies then",
    law="I-24",
    laws=LAWS,
    workflow=saying,
    steps=(say,),
    args=lambda workload: (),
    oracle=lambda workload, log: 2,
    cases=(
        Case(
            name="R-67",
            title="a host dies when the step is completed and a chunk is not yet sent",
            races=("R-67",),
            draw=nothing,
            budget=FaultBudget(crashes=1),
            expect={
                "v2_merge": "PASS",
                "fixed": "PASS",
                "fixed stream_write=buffered": "FAIL I-24",
            },
        ),
    ),
)

# --- two pipes ------------------------------------------------------------------------------


@step
async def say_twice(ctx: StepContext) -> int:
    """Write a chunk, and behind it another by a writer that is asked for anew."""
    await ctx.get_writable("log").write(b"head")
    await ctx.get_writable("log").write(b"tail")
    return 2


@workflow
async def saying_twice() -> int:
    """One step that asks for its writer twice."""
    return await say_twice()


pipes = Scenario(
    name="one_pipe_for_a_stream",
    title="what a body writes to a stream stands there in the order of its writes",
    law="I-24",
    laws=LAWS,
    workflow=saying_twice,
    steps=(say_twice,),
    args=lambda workload: (),
    oracle=lambda workload, log: 2,
    cases=(
        Case(
            name="R-68",
            title="two writers of one body flush side by side",
            races=("R-68",),
            draw=nothing,
            budget=FaultBudget(),
            expect={
                "fixed": "PASS",
                "fixed stream_write=buffered": "PASS",
                "fixed stream_pipes=per_call stream_write=buffered": "FAIL I-24",
            },
        ),
    ),
)

# --- a stream that outlives its run ---------------------------------------------------------


@step
async def emit(ctx: StepContext, pause_ms: int) -> StreamRef:
    """A stream that is filled in the background: three chunks, each after a while."""

    async def chunks() -> AsyncIterator[bytes]:
        for number in range(3):
            await ctx.sleep(pause_ms)
            yield b"chunk %d" % number

    return ctx.stream(chunks())


@workflow
async def emitting(pause_ms: int) -> StreamRef:
    """The stream is the run's result."""
    return await emit(pause_ms)


async def reads_result(client: Client, workload: Workload) -> None:
    """Read the stream that the run returns, to its end."""
    run_id = await client.start(workload.value("pause", 0))
    try:
        ref = await client.result(run_id)
    except RunFailedError:
        return  # what that breaks is for the laws to say
    async for _ in client.read_stream(ref.run_id, ref.name):
        pass


def paused(stream: Stream) -> Workload:
    """How long each chunk takes."""
    return Workload(steps=1, extra=(("pause", stream.choice(PAUSES_MS)),))


LATE = "fixed late_chunks=refused"
drained = Scenario(
    name="stream_is_drained",
    title="a stream is whole and has its end, though its run has ended meanwhile",
    law="L-08",
    laws=("I-24", "I-21", "L-02"),
    workflow=emitting,
    steps=(emit,),
    args=lambda workload: (workload.value("pause", 0),),
    client=reads_result,
    cases=(
        Case(
            name="R-69",
            title="a step is done before its stream is, and the run's end shuts the stream",
            races=("R-69",),
            draw=paused,
            budget=FaultBudget(),
            expect={
                "fixed": "PASS",
                LATE: "PASS",
                f"{LATE} settle_ms=500": "FAIL L-08",
                "fixed settle_ms=500": "PASS",
            },
        ),
    ),
)

# --- who reads along ------------------------------------------------------------------------


@step
async def tell(ctx: StepContext, name: str) -> str:
    """Write one chunk."""
    await ctx.get_writable("log").write(name.encode())
    return name


@step
async def seal(ctx: StepContext) -> None:
    """End the log."""
    await ctx.get_writable("log").close()


@workflow
async def telling() -> list[str]:
    """Two steps write side by side, a third one ends the stream."""
    told = await gather(tell("left"), tell("right"))
    await seal()
    return told


async def reads_along(client: Client, workload: Workload) -> None:
    """Read the log while it is written, and once more when it is done."""
    run_id = await client.start()
    for _ in range(2):
        async for _ in client.read_stream(run_id, "log"):
            pass


along = Scenario(
    name="reading_along",
    title="who reads a stream while it is written is given what others are given later",
    law="I-24",
    laws=(*LAWS, "L-08"),
    workflow=telling,
    steps=(tell, seal),
    args=lambda workload: (),
    client=reads_along,
    oracle=lambda workload, log: ["left", "right"],
    cases=(
        Case(
            name="R-70",
            title="a chunk becomes visible behind one that a live reader has had",
            races=("R-70",),
            draw=nothing,
            budget=FaultBudget(),
            expect={"fixed": "PASS", "fixed chunk_order=mint_at_start": "FAIL I-24"},
        ),
    ),
)

scenarios = (tail, pipes, drained, along)

races = (
    Race(
        id="R-67",
        title="a step's streams count as settled before their data is on the server",
        trigger="A write returns at once and its chunk is sent 10 ms later; the step is completed "
        "in between, and the process ends before the flush.",
        laws=("I-24",),
        scenario="tail_is_written",
        case="R-67",
        faulty="fixed stream_write=buffered",
        fixes=(
            Fix(system="v2_merge"),
            Fix(system="fixed"),
            Fix(system="fixed @ local"),
            Fix(system="fixed @ postgres"),
        ),
        source="spec §6 R-67; [doc]",
    ),
    Race(
        id="R-68",
        title="two pipes on one stream",
        trigger="A body asks for the writable end of a stream twice and is given a pipe each time; "
        "what it has put into the second one is sent before what waits in the first.",
        laws=("I-24",),
        scenario="one_pipe_for_a_stream",
        case="R-68",
        faulty="fixed stream_pipes=per_call stream_write=buffered",
        fixes=(
            Fix(system="fixed stream_write=buffered"),
            Fix(system="fixed stream_pipes=per_call"),
            Fix(system="fixed"),
        ),
        source="spec §6 R-68; #2086",
    ),
    Race(
        id="R-69",
        title="a stream is written to after its run has ended",
        trigger="The last step completes while its stream is still being filled, the run ends, and "
        "the world takes nothing for a run that has ended: the stream stays without its tail and "
        "its end.",
        laws=("L-08", "I-24"),
        scenario="stream_is_drained",
        case="R-69",
        faulty=f"{LATE} settle_ms=500",
        fixes=(
            Fix(system=LATE),
            Fix(system="fixed settle_ms=500"),
            Fix(system="fixed"),
            Fix(system=f"{LATE} @ postgres"),
        ),
        source="spec §6 R-69; #2731, #3941",
    ),
    Race(
        id="R-70",
        title="a live reader loses and repeats chunks",
        trigger="Two writes are given their places, and the later one becomes visible first; who "
        "reads along has read on when the earlier one appears behind it.",
        laws=("I-24",),
        scenario="reading_along",
        case="R-70",
        faulty="fixed chunk_order=mint_at_start",
        fixes=(
            Fix(system="fixed"),
            Fix(system="fixed @ local"),
            Fix(system="fixed @ postgres"),
            Fix(system="fixed @ hosted"),
        ),
        answer="confirmed for chunks that become visible out of order. The form that the spec "
        "derives, a repeated notification that is counted twice, was not searched for: readers "
        "here go on from a place in the stream, and a notification has nothing to count down.",
        source="spec §6 R-70, partly derived; #3564, #4113",
    ),
)
