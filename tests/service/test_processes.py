"""Workers as processes of their own: killed, started again, and stopped in good order."""

from __future__ import annotations

import json
import pathlib
import signal

import httpx
import pytest
import trio

from simworld.engine import StepStarted
from simworld.service import connect
from simworld.service.processes import worker_processes
from tests.service.programs import program

END_S = 60

pytestmark = pytest.mark.slow


def options(world, *more):
    """What ``simworld serve`` is told."""
    given = ["--world", world, "--program", "tests.service.programs:program", "--log", "json"]
    return [*given, "--set", "redelivery_ms=200", *more]


def served(act, folder, *more, workers=1):
    """Run ``act(app, workers)`` with worker processes on a world of files."""
    world = f"local:{folder}/state"

    async def main():
        async with worker_processes(workers, options(world, *more), folder) as hands:
            urls = [hand.url for hand in hands]
            async with connect(world, program, workers=urls, secret=secret(more)) as app:
                with trio.fail_after(END_S):
                    return await act(app, hands)

    return trio.run(main)


def secret(more):
    """The secret that the workers were told."""
    if "--secret-file" not in more:
        return ""
    return pathlib.Path(more[more.index("--secret-file") + 1]).read_text().strip()


def said(folder):
    """What the first worker has logged."""
    return [json.loads(line) for line in (folder / "worker-0.log").read_text().splitlines()]


async def until_body(app, run_id):
    """A body of the run is under way."""
    while not any(isinstance(each.fact, StepStarted) for each in await app.events(run_id)):
        await trio.sleep(0.01)


def test_a_run_goes_on_after_its_worker_was_killed_in_a_step(tmp_path):
    async def act(app, hands):
        run_id = await app.start(3, 300)
        await until_body(app, run_id)
        await hands[0].kill()
        await hands[0].start()
        assert await app.result(run_id) == 8
        starts = [each for each in await app.events(run_id) if each.type == "step_started"]
        assert len(starts) == 4  # the first one was killed

    served(act, tmp_path, "--set", "lease_ms=1000")
    (recovered,) = [
        each["recovered"] for each in said(tmp_path)[1:] if each["msg"] == "worker ready"
    ]
    assert recovered == 1


def test_a_worker_that_is_told_to_stop_ends_the_step_under_way_and_no_more(tmp_path):
    async def act(app, hands):
        run_id = await app.start(3, 700)
        await until_body(app, run_id)
        assert await hands[0].stop() == 0
        types = [each.type for each in await app.events(run_id)]
        assert types.count("step_started") == types.count("step_completed") == 1
        await hands[0].start()
        assert await app.result(run_id) == 8
        assert len([each for each in await app.events(run_id) if each.type == "step_started"]) == 3

    served(act, tmp_path)
    stops = [each for each in said(tmp_path) if each["msg"].startswith("worker stop")]
    assert [each["msg"] for each in stops[:2]] == ["worker stopping", "worker stopped"]
    assert (stops[0]["signal"], stops[0]["active"], stops[1]["cut_off"]) == ("SIGTERM", 1, 0)


def test_a_step_that_takes_longer_than_the_grace_is_cut_off(tmp_path):
    async def act(app, hands):
        run_id = await app.start(1, 60_000)
        await until_body(app, run_id)
        assert await hands[0].stop() == 0
        assert [each.type for each in await app.events(run_id)][-1] == "step_started"

    served(act, tmp_path, "--grace-s", "0.2")
    assert said(tmp_path)[-1]["cut_off"] == 1


def test_a_second_signal_ends_it_at_once(tmp_path):
    async def act(app, hands):
        run_id = await app.start(1, 60_000)
        await until_body(app, run_id)
        hands[0].signal(signal.SIGINT)
        async with httpx.AsyncClient(trust_env=False) as client:
            while (await client.get(f"{hands[0].url}/health")).status_code == 200:
                await trio.sleep(0.01)
        assert await hands[0].stop() == 0

    served(act, tmp_path)
    assert said(tmp_path)[-1]["msg"] == "worker stops at once"


def test_a_client_waits_for_a_worker_that_starts_again(tmp_path):
    async def act(app, hands):
        await hands[0].kill()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hands[0].start)
            run_id = await app.start(2)
        assert await app.result(run_id) == 4

    served(act, tmp_path)


def test_the_ready_file_and_the_secret(tmp_path):
    (tmp_path / "secret").write_text("open sesame\n")
    ready = tmp_path / "ready.json"

    async def act(app, hands):
        assert json.loads(ready.read_text()) == {"url": hands[0].url, "pid": hands[0].pid}
        async with httpx.AsyncClient(trust_env=False) as client:
            url = f"{hands[0].url}/messages"
            assert (await client.post(url, json={"runId": "wrun_1"})).status_code == 401
        assert await app.result(await app.start(2)) == 4

    served(act, tmp_path, "--secret-file", str(tmp_path / "secret"), "--ready-file", str(ready))
