"""Samples in turn: who is asked how often, and what becomes of a process that fails."""

from __future__ import annotations

import contextlib
import signal
import sys

import pytest

from simworld.benchmark import Benchmark, Contestant, Taken, interleaved, line_of, ratio
from simworld.engine import workflow
from simworld.records import Ask, Contender, Hello

ANSWERING = """
import json, sys, time
print(json.dumps({"synced": "nothing"}), flush=True)
for line in sys.stdin:
    ask = json.loads(line)
    %s
    print(json.dumps({"sample": {"wall_s": %s, "cpu_s": 0.5}}), flush=True)
"""


@workflow
async def nothing() -> None:
    """End at once."""


def benchmark(**fields):
    return Benchmark("nothing", nothing, (), (), **fields)


def contestant(name, code):
    return Contestant(Contender("memory", name), [sys.executable, "-c", code])


def answering(name="own", wall_s=1.0, act="pass"):
    return contestant(name, ANSWERING % (act, wall_s))


@contextlib.contextmanager
def race(*contestants):
    with contextlib.ExitStack() as stack:
        for each in contestants:
            stack.enter_context(each)
        yield list(contestants), [Taken() for _ in contestants]


def test_contenders_are_asked_in_turn():
    order = []
    with race(answering("one"), answering("two")) as (here, taken):
        interleaved(
            here,
            benchmark(),
            taken,
            samples=3,
            on_sample=lambda who, told: order.append(who.engine),
        )
    assert order == ["one", "two"] * 3
    assert [len(each.samples) for each in taken] == [3, 3]


def test_without_a_window_there_is_one_sample_and_no_warming_up():
    with race(answering()) as (here, taken):
        interleaved(here, benchmark(), taken)
    assert len(taken[0].samples) == 1


def test_a_window_is_each_contenders_own_and_the_first_sample_does_not_count():
    asked = []
    with race(answering("slow", 3.0), answering("fast", 1.0)) as (here, taken):
        interleaved(
            here,
            benchmark(window_s=5.0),
            taken,
            on_sample=lambda who, told: asked.append(who.engine),
        )
    assert [len(each.samples) for each in taken] == [2, 5]
    assert (asked.count("slow"), asked.count("fast")) == (3, 6)


def test_samples_wins_over_the_window_and_warming_up_stays():
    asked = []
    with race(answering(wall_s=9.0)) as (here, taken):
        interleaved(
            here,
            benchmark(window_s=5.0),
            taken,
            samples=2,
            on_sample=lambda who, told: asked.append(told),
        )
    assert (len(taken[0].samples), len(asked)) == (2, 3)


def test_who_refuses_or_fails_is_not_asked_again():
    refusing = "print(json.dumps({'refused': 'no streams'}), flush=True); continue"
    failing = "print(json.dumps({'failed': '41'}), flush=True); continue"
    asked = []
    with race(answering(act=refusing), answering(act=failing), answering()) as (here, taken):
        interleaved(
            here, benchmark(), taken, samples=2, on_sample=lambda who, told: asked.append(told)
        )
    assert [(each.refused, each.failed) for each in taken] == [
        ("no streams", ""),
        ("", "41"),
        ("", ""),
    ]
    assert len(asked) == 4


def test_a_process_that_dies_has_failed_with_its_last_words():
    with answering(act="raise ValueError('out of luck')") as own:
        assert own.hello == Hello(synced="nothing")
        assert own.ask("nothing").failed == "its process has ended: ValueError: out of luck"
        assert own.ask("nothing").failed.endswith("ValueError: out of luck")


def test_a_process_that_never_says_hello_is_absent():
    with contestant("mute", "raise SystemExit('no such thing')") as own:
        assert own.hello.absent == "its process has ended: no such thing"


def test_an_answer_that_is_none_is_a_failure():
    with answering(act="print('what?', flush=True); continue") as own:
        assert "'what?' is no Told line" in own.ask("nothing").failed


def test_what_was_taken_stays_when_somebody_interrupts_and_nobody_is_waited_for():
    def interrupt(who, told):
        if len(taken[0].samples) == 2:
            raise KeyboardInterrupt

    taken = [Taken()]
    with pytest.raises(KeyboardInterrupt), answering() as own:
        interleaved([own], benchmark(), taken, samples=9, on_sample=interrupt)
    assert len(taken[0].samples) == 2


def test_a_process_at_work_is_ended_by_an_interrupt():
    seen = []

    def interrupted():
        with answering(act="time.sleep(3_600)") as own:
            own._process.stdin.write(line_of(Ask("nothing")))
            seen.append(own._process)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert seen[0].returncode == -signal.SIGKILL


def test_a_ratio_is_the_median_over_rounds():
    assert ratio([1.0, 10.0, 3.0], [1.0, 1.0, 1.0]) == 3.0
    assert ratio([2.0, 2.0, 99.0], [1.0, 1.0]) == 2.0
