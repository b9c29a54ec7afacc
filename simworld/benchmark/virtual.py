"""Workloads in virtual time: one trial in the boring order, counted exactly.

Nothing fails and nobody is delayed, so that the counts are what the engine itself needs: the same
in every run, on every machine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs

from simworld.benchmark.workload import Benchmark, WrongOutput
from simworld.campaign import Case, Scenario, Trial, Variant, prepared, run_trial
from simworld.engine import Event, StreamRef
from simworld.explore import Default
from simworld.records import (
    PASS,
    Counts,
    Delivered,
    FaultBudget,
    LogRead,
    Passed,
    Sent,
    Workload,
)
from simworld.runtime import Client, RunFailedError
from simworld.sim import NoFaults

TURNS_MAX = 2_000_000


def counted(benchmark: Benchmark, variant: Variant) -> Counts:
    """What one run takes; ``WrongOutput`` if it does not come to its right end."""
    return counts_of(_trial(benchmark, variant))


def counts_of(trial: Trial) -> Counts:
    """What the only run of a trial took."""
    ((run_id, run),) = trial.final.runs.items()
    records, log = trial.records, trial.logs[run_id]
    return Counts(
        virtual_ms=run.completed_at_ms - run.created_at_ms,
        messages=sum(1 for each in records if isinstance(each, Sent) and each.message),
        invocations=sum(1 for each in records if isinstance(each, Delivered)),
        passes=sum(1 for each in records if isinstance(each, Passed)),
        events=len(log),
        rows_read=sum(each.rows for each in records if isinstance(each, LogRead)),
        bytes_written=sum(map(_payload, log)) + _streamed(trial),
        operations=trial.turns,
    )


def _payload(event: Event) -> int:
    values = attrs.astuple(event.fact, recurse=False)
    return sum(len(each) for each in values if isinstance(each, bytes))


def _streamed(trial: Trial) -> int:
    return sum(len(chunk) for chunks, _ in trial.final.streams.values() for chunk in chunks)


def _trial(benchmark: Benchmark, variant: Variant) -> Trial:
    found: list[tuple[object, bytes | None]] = []
    failed: list[str] = []

    async def client(user: Client, _: Workload) -> None:
        run_id = await user.start(*benchmark.args)
        content = None
        if benchmark.live:
            content = await _whole(user.read_stream(run_id, benchmark.live))
        try:
            output = await user.result(run_id)
        except RunFailedError as error:
            failed.append(str(error))
            return
        if isinstance(output, StreamRef) and benchmark.content is not None:
            content = await _whole(user.read_stream(output.run_id, output.name))
        found.append((output, content))

    case = Case(name="boring", title="", draw=lambda _: Workload(), budget=FaultBudget(), expect={})
    scenario = Scenario(
        name=benchmark.name,
        title=benchmark.name,
        law="L-01",
        workflow=benchmark.workflow,
        steps=benchmark.steps,
        args=lambda workload: benchmark.args,
        client=client,
        cases=(case,),
    )
    setup = prepared(
        scenario, case, variant, Workload(), Default(), NoFaults(), turns_max=TURNS_MAX
    )
    trial = run_trial(setup)
    if failed:
        raise WrongOutput(failed[0])
    if trial.verdict.outcome != PASS:
        told = f": {trial.anomalies[0].message}" if trial.anomalies else ""
        raise WrongOutput(f"it has not come to a good end: {trial.verdict}{told}")
    for output, content in found:
        benchmark.check(output, content)
    return trial


async def _whole(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])
