"""What a long log costs: its pass, from scratch and retained, and its way to bytes and back.

A pass from scratch is as long as the log; a retained one is fed what is new, so a run of n steps
costs n of these and not n²/2.  Events are written down by the codec of the worlds, payloads by the
engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.timing import no_collector
from simworld.campaign import preset
from simworld.engine import (
    Completed,
    Event,
    Fact,
    Pass,
    Program,
    RunCreated,
    RunIdentity,
    RunStarted,
    StepCompleted,
    StepContext,
    StepCreated,
    StepRequest,
    StepStarted,
    decode,
    encode,
    run_pass,
    step,
    workflow,
)
from simworld.worlds import decode_event, encode_event

STEPS = 300
PAYLOAD = {"customer": 7, "items": [f"item {number}" for number in range(20)], "paid": True}
ENGINE = preset("fixed").engine


@step
async def pay(ctx: StepContext, number: int) -> object:
    """Never runs: its results are in the log."""


@workflow
async def order(count: int) -> int:
    """One step after the other."""
    for number in range(count):
        await pay(number)
    return count


PROGRAM = Program.of(order, pay)
RUN = RunIdentity("wrun_1", "order", 0)


@attrs.define
class Journal:
    """A log that grows."""

    events: list[Event] = attrs.Factory(list)

    def add(self, fact: Fact) -> None:
        """The next event."""
        place = len(self.events) + 1
        about = getattr(fact, "correlation_id", "")
        self.events.append(Event("wrun_1", f"evnt_{place}", place, place, fact.type, about, fact))


def retained(told: Callable[[Sequence[Event]], object] = len) -> list[Event]:
    """The whole run by one pass that is fed what is new; ``told`` sees the log before each look."""
    journal = Journal()
    journal.add(RunCreated("order", encode([[STEPS], {}])))
    journal.add(RunStarted())
    going_on = Pass(PROGRAM, RUN, ENGINE)
    try:
        while True:
            told(journal.events)
            result = going_on.feed(journal.events)
            if isinstance(result.outcome, Completed):
                return journal.events
            for request in result.requests:
                if isinstance(request, StepRequest) and not request.created:
                    about, name = request.correlation_id, request.step_name
                    journal.add(StepCreated(about, name, request.input))
                    journal.add(StepStarted(about, name))
                    journal.add(StepCompleted(about, encode(PAYLOAD)))
    finally:
        going_on.close()


def scratch(log: Sequence[Event]) -> object:
    """One pass over the whole of it."""
    return run_pass(PROGRAM, RUN, log, ENGINE).outcome


@pytest.mark.benchmark(group="a long log")
def test_a_retained_pass_of_a_whole_run(benchmark: BenchmarkFixture) -> None:
    with no_collector():
        log = benchmark(retained)
    assert len(log) == 2 + 3 * STEPS
    benchmark.extra_info |= {"steps": STEPS, "events": len(log), "looks": STEPS + 1}


@pytest.mark.benchmark(group="a long log")
def test_passes_from_scratch_of_a_whole_run(benchmark: BenchmarkFixture) -> None:
    with no_collector():
        log = benchmark.pedantic(retained, args=(scratch,), rounds=5, warmup_rounds=1)
    benchmark.extra_info |= {"steps": STEPS, "events": len(log), "looks": STEPS + 1}


@pytest.mark.benchmark(group="a long log")
def test_one_pass_from_scratch_over_a_finished_log(benchmark: BenchmarkFixture) -> None:
    log = retained()
    with no_collector():
        assert isinstance(benchmark(scratch, log), Completed)
    benchmark.extra_info["events"] = len(log)


@pytest.mark.benchmark(group="a log's bytes")
def test_writing_down_a_log(benchmark: BenchmarkFixture) -> None:
    log = retained()
    written = benchmark(lambda: [encode_event(each) for each in log])
    benchmark.extra_info |= {"events": len(log), "bytes": sum(map(len, written))}


@pytest.mark.benchmark(group="a log's bytes")
def test_reading_a_log_for_the_first_time(benchmark: BenchmarkFixture) -> None:
    log = retained()
    written = [encode_event(each) for each in log]
    read = benchmark.pedantic(
        lambda: [decode_event(each) for each in written],
        setup=decode_event.cache_clear,
        rounds=100,
        warmup_rounds=1,
    )
    assert read == log
    benchmark.extra_info["events"] = len(log)


@pytest.mark.benchmark(group="a log's bytes")
def test_a_payload_to_bytes_and_back(benchmark: BenchmarkFixture) -> None:
    assert benchmark(lambda: decode(encode(PAYLOAD))) == PAYLOAD
    benchmark.extra_info["bytes"] = len(encode(PAYLOAD))
