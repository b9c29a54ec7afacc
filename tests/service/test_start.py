"""A run whose start was answered is kept, and one whose start was not is told for what it is."""

from __future__ import annotations

import errno
import re

import attrs
import httpx
import pytest
import trio

from simworld.engine import RunCreated, RunStatus, workflow
from simworld.errors import DefiniteFailure, IndefiniteFailure, UsageError, WorldError
from simworld.service import App, HttpQueue, connect, working
from simworld.substrates import DiskFiles
from tests.service import programs
from tests.service.flow_rig import runs_of
from tests.service.programs import program

END_S = 10
FULL = DefiniteFailure("cannot use file runs/x: No space left on device; free some space")


@workflow
async def stranger():
    """Of no program."""


class Refusing:
    """A storage that records no new run."""

    def __init__(self, storage, error):
        self._storage = storage
        self._error = error

    def __getattr__(self, name):
        return getattr(self._storage, name)

    async def create(self, run_id, fact):
        if isinstance(fact, RunCreated):
            raise self._error
        return await self._storage.create(run_id, fact)


def started(act, *, error=None, respond=None, queue_lasts=False):
    """``act(app, worker)``; with a storage that raises, or workers that respond so."""

    async def main():
        async with working("memory", program) as worker:
            services = worker.app._services
            if error is not None:
                services = attrs.evolve(services, storage=Refusing(services.storage, error))
            if respond is None:
                return await act(App(services, queue_lasts=queue_lasts), worker)
            async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as client:
                queue = HttpQueue(client, ["http://one"], patience_s=0)
                services = attrs.evolve(services, queue=queue)
                return await act(App(services, queue_lasts=queue_lasts), worker)

    return trio.run(main)


def told_id(error):
    """The run id in an error's message."""
    return re.search(r"wrun_\w+", str(error.value))[0]


@pytest.mark.parametrize("error", [FULL, WorldError("broken"), WorldError("busy", status=429)])
@pytest.mark.parametrize("start", ["start", "start_run"])
def test_a_run_that_cannot_be_recorded_is_not_started(error, start):
    async def act(app, worker):
        args = (2,) if start == "start" else (programs.sequence, 2)
        with pytest.raises(DefiniteFailure, match="nothing was kept, start again") as raised:
            await getattr(app, start)(*args)
        assert str(error) in str(raised.value)
        assert told_id(raised)
        await trio.sleep(0.1)  # there is no message that would make it later
        assert await runs_of(worker) == []

    started(act, error=error)


def test_a_queue_that_lasts_makes_the_run_all_the_same():
    async def act(app, _):
        assert await app.result(await app.start(2), timeout_s=END_S) == 4

    started(act, error=FULL, queue_lasts=True)


def test_a_name_that_no_world_takes_is_refused_as_it_is():
    async def act(app, _):
        with pytest.raises(WorldError, match="a bad name") as raised:
            await app.start(2)
        assert raised.value.status == 400

    started(act, error=WorldError("a bad name", status=400))


def test_silence_is_told_as_silence():
    async def act(app, _):
        with pytest.raises(IndefiniteFailure, match="was recorded is not known"):
            await app.start(2)

    started(act, error=IndefiniteFailure("no answer"))


def test_a_workflow_of_another_program_is_refused():
    async def act(app, worker):
        with pytest.raises(UsageError, match="unknown workflow 'stranger'"):
            await app.start_run(stranger)
        assert await runs_of(worker) == []

    started(act)


def test_a_run_that_no_worker_was_told_of_exists():
    def respond(request):
        raise httpx.ConnectError("refused")

    async def act(app, worker):
        with pytest.raises(IndefiniteFailure, match="exists and is recorded") as raised:
            await app.start(2)
        assert "starting again makes a second run" in str(raised.value)
        assert "The next worker that starts will take it" in str(raised.value)
        run_id = told_id(raised)
        assert (await app.run(run_id)).status is RunStatus.PENDING
        await worker.recover()  # which a worker that starts does
        assert await app.result(run_id, timeout_s=END_S) == 4

    started(act, respond=respond)


def test_a_worker_of_another_world_is_told():
    async def act(app, _):
        with pytest.raises(UsageError, match="does it work on another world"):
            await app.start(2)

    started(act, respond=lambda request: httpx.Response(202, json={"messageId": ""}))


@pytest.mark.parametrize("opened", [working, connect])
def test_a_full_disk(opened, tmp_path, monkeypatch):
    def full(self, *args):
        raise OSError(errno.ENOSPC, "No space left on device")

    async def main():
        async with opened(f"local:{tmp_path}/state", program) as made:
            app = made if opened is connect else made.app
            monkeypatch.setattr(DiskFiles, "_write", full)
            with pytest.raises(DefiniteFailure, match="nothing was kept"):
                await app.start(2)
            assert await app.active_runs() == []

    trio.run(main)
