"""What the author of a program does: awaiting the real world, and mistakes."""

from __future__ import annotations

import pathlib

import attrs
import pytest
import trio

from simworld.engine import REPAIRED, Program, real, step, workflow
from simworld.errors import UsageError
from simworld.records import QueueProfile
from simworld.service import ServiceLog, Settings, working
from tests.runtime.rig import FIXED, play


@step
async def fetch(ctx):
    """Await what only trio can do."""
    await real(trio.sleep(0))  # this is the line
    return "fetched"


@step
async def mistaken(ctx):
    """Misuse the context, until the program is mended."""
    if FLAWS:
        await ctx.sleep(FLAWS.pop())
    return "mended"


FLAWS = []


@workflow
async def fetching():
    """One step."""
    return await fetch()


@workflow
async def mistaking():
    """One step."""
    return await mistaken()


def test_the_simulation_tells_the_line_that_asks_for_the_real_world():
    lines = pathlib.Path(__file__).read_text(encoding="utf-8").splitlines()
    (number,) = [n for n, line in enumerate(lines, 1) if "# this is the line" in line][:1]
    with pytest.raises(UsageError, match=rf"{__file__}:{number} awaits "):
        play(Program.of(fetching, fetch), policy=FIXED)


def test_a_real_worker_awaits_it():
    async def main():
        async with working("memory", Program.of(fetching, fetch)) as worker:
            return await worker.app.result(await worker.app.start(), timeout_s=10)

    assert trio.run(main) == "fetched"


def test_a_mistake_is_logged_with_its_line_and_tried_again():
    said = []
    FLAWS[:] = [-1]

    async def main():
        engine = attrs.evolve(REPAIRED, lease_ms=10)  # the start is its delivery's own so long
        settings = Settings(engine=engine, queue=QueueProfile(redelivery_ms=10))
        log = ServiceLog(said.append)
        program = Program.of(mistaking, mistaken)
        async with working("memory", program, settings=settings, log=log) as worker:
            return await worker.app.result(await worker.app.start(), timeout_s=10)

    assert trio.run(main) == "mended"
    (line,) = said
    assert 'msg="task failed"' in line
    assert "ctx.sleep takes a whole number of milliseconds" in line
    assert __file__ in line
