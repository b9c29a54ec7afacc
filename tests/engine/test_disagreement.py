"""Workflows that are no function of their log, and what their authors are told (spec §5.1)."""

from __future__ import annotations

import itertools
import random as ambient
import re
import time

import pytest

from simworld.engine import (
    create_hook,
    disagreement,
    gather,
    now_ms,
    random,
    set_attributes,
    sleep,
    taken_back,
    uuid,
)
from tests.engine.journal import D0, D4, POLICIES, Journal, work


def told(function, policy=D4, *, of=lambda journal: journal):
    """What two passes over one log disagree about."""
    journal = of(Journal(function))
    return disagreement(journal.run(policy), journal.run(policy))


async def reads_the_hosts_clock():
    await work("first", time.time_ns())


async def rolls_ambient_dice():
    await work("first", ambient.random())


ASKED = r"step work#1 \(step_\w{26}\) with input \[\['first', ([0-9.e-]+)\], \{\}\]"


@pytest.mark.parametrize("policy", [D0, D4], ids=POLICIES)
@pytest.mark.parametrize("function", [reads_the_hosts_clock, rolls_ambient_dice])
def test_an_argument_from_outside_is_told_side_by_side(function, policy):
    one, other = re.fullmatch(
        f"request 1 is {ASKED} in one pass and {ASKED} in the other", told(function, policy)
    ).groups()
    assert one != other


async def reads_the_workflows_own():
    await gather(
        work(now_ms(), random(), uuid()), create_hook(), sleep(5), set_attributes(at=now_ms())
    )


def test_the_workflows_own_clock_and_randomness_agree():
    assert told(reads_the_workflows_own) == ""
    assert told(reads_the_workflows_own, of=Journal.creates) == ""


def test_a_sleep_by_the_hosts_clock_is_compared_once_it_is_recorded():
    journal = Journal(reads_the_workflows_own)
    results = [journal.run(now_ms=now) for now in (5, 6)]
    assert disagreement(*results) == ""


def fickle(*choices):
    """Turns over the choices, one per pass."""
    passes = itertools.cycle(choices)

    async def flow():
        return await next(passes)()

    return flow


async def asks_for_a_step():
    await work()


async def asks_for_a_sleep():
    await sleep(5)


async def asks_for_two():
    await gather(work(), work())


async def asks_for_nothing():
    return 1


async def returns_something_else():
    return 2


async def fails():
    raise ValueError("gone")


def hook_named(token, **options):
    async def flow():
        await create_hook(token, **options)

    return flow


async def disposes():
    async with create_hook("t"):
        pass
    await work()


async def keeps():
    create_hook("t")
    await work()


async def sets(**changes):
    await set_attributes(**changes)


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ((asks_for_a_step, asks_for_a_sleep), "request 1 is step work#1 .* and wait sleep#1 "),
        ((asks_for_two, asks_for_a_step), "request 2 is step work#2 .* and nothing in the other"),
        ((asks_for_a_step, asks_for_two), "request 2 is nothing in one pass and step work#2 "),
        ((hook_named("t"), hook_named("u")), "with token 't' in one pass .* with token 'u' in"),
        (
            (hook_named("t", metadata=1), hook_named("t", metadata=2)),
            "with token 't' and metadata 1 in one .* with token 't' and metadata 2 in",
        ),
        ((keeps, disposes), "with token 't' in one pass .* with token 't', disposed in the other"),
        (
            (lambda: sets(a=1), lambda: sets(a=2)),
            r"attr attr#1 .* with \{'a': 1\} in one pass .* with \{'a': 2\} in the other",
        ),
        (
            (asks_for_nothing, returns_something_else),
            "one pass ends with the output 1, the other with the output 2",
        ),
        (
            (asks_for_nothing, fails),
            "one pass ends with the output 1, the other with ValueError: gone",
        ),
    ],
)
def test_what_differs_is_told(choices, expected):
    assert re.search(expected, told(fickle(*choices)))
    assert re.search(expected, told(fickle(choices[0]))) is None


def test_a_pass_that_waits_and_one_that_has_ended_disagree():
    async def waits():
        await work()

    async def leaves():
        work()

    assert told(fickle(waits, leaves)) == (
        "one pass ends with a suspension on work#1, the other with the output None"
    )


def test_an_unconsumed_event_is_told_as_such():
    journal = Journal(fickle(asks_for_a_step, asks_for_nothing)).creates()
    results = [journal.run(), journal.run()]
    assert "request 1 is nothing in one pass and step work#1" in disagreement(*results)


def test_a_recorded_sleep_is_compared_with_its_end():
    one, other = Journal(asks_for_a_sleep), Journal(asks_for_a_sleep)
    one.creates(now_ms=10)
    other.creates(now_ms=20)
    assert re.search(
        r"request 1 is wait sleep#1 \(wait_\w+\) until 15 in one pass .* until 25 in the other",
        disagreement(one.run(), other.run()),
    )


# --- a longer log ---------------------------------------------------------------------------------


async def asks_more():
    await gather(work("first"), sleep(1_000))
    await work("second")


def test_a_longer_log_takes_nothing_back():
    journal = Journal(asks_more).creates()
    before = journal.run(upto=2)
    assert taken_back(before, journal.run()) == ""
    journal.completes("work#1").wakes("sleep#2").creates()
    assert taken_back(before, journal.run()) == ""
    assert re.search(
        "request 3 was step work#3 .* and is no more", taken_back(journal.run(), before)
    )


def test_what_a_longer_log_has_changed_is_told():
    passes = itertools.count()

    async def fickle():
        await work(next(passes))

    journal = Journal(fickle)
    told = taken_back(journal.run(), journal.run())
    assert re.search(r"request 1 was step work#1 .*\[\[0\], .* and is step work#1 .*\[\[1\],", told)
