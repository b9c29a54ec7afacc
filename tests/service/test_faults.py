"""A worker whose world does not work says so: in its log, and by its health."""

from __future__ import annotations

import json

import attrs
import pytest
import trio

from simworld.engine import REPAIRED
from simworld.errors import (
    DefiniteFailure,
    EntityConflictError,
    IndefiniteFailure,
    InternalError,
    ThrottleError,
    UniqueViolation,
    UsageError,
    WorldError,
)
from simworld.ports import Message
from simworld.records import QueueProfile
from simworld.service import ServeOptions, ServiceLog, Settings, working
from simworld.service.faults import Faults, WatchedTables, is_fault
from simworld.service.server import worker_app
from simworld.substrates import PostgresTables
from simworld.worlds.queue import tables
from simworld.worlds.queue.job_statements import TAKE
from tests.service.flow_rig import client_of
from tests.service.programs import program

END_S = 10
FULL = "cannot use file runs/{}: No space left on device; free some space"


class Watched:
    """``Faults`` on a clock that is set by hand."""

    def __init__(self):
        self.now_s = 0.0
        self.lines = []
        log = ServiceLog(self.lines.append, form="json")
        self.faults = Faults(log, "a delivery", now_s=lambda: self.now_s)

    def fail(self, text="down", times=1):
        for _ in range(times):
            self.faults.failed(DefiniteFailure(text))

    @property
    def told(self):
        """(why, count) of each line."""
        return [(line["why"], line["count"]) for line in map(json.loads, self.lines)]


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (DefiniteFailure("no"), True),
        (IndefiniteFailure("silence"), True),
        (WorldError("broken"), True),
        (ThrottleError("busy", retry_after_s=1), True),
        (WorldError("a bad name", status=400), False),
        (EntityConflictError("ended", reason="terminal"), False),
        (UniqueViolation("twice"), False),
        (UsageError("the author's"), False),
        (InternalError("ours"), False),
        (ZeroDivisionError("anybody's"), False),
    ],
)
def test_what_is_a_fault_of_the_world(error, fault):
    assert is_fault(error) is fault


def test_a_kind_of_fault_is_told_once_in_ten_seconds_with_its_count():
    watched = Watched()
    for number in range(50):
        watched.fail(FULL.format(f"wrun_{number}"))
    watched.fail("the database cannot be reached")
    assert [count for _, count in watched.told] == [1, 1]
    watched.now_s = 10.5
    watched.fail(FULL.format("wrun_50"))
    assert watched.told[2] == ("DefiniteFailure: " + FULL.format("wrun_50"), 50)


def test_foreign_texts_are_cut_and_kinds_are_bounded():
    watched = Watched()
    watched.fail("x" * 5_000)
    assert len(watched.told[0][0]) == 200
    for number in range(1_000):
        watched.fail("".join(chr(97 + int(digit)) for digit in str(number)))
    assert len(watched.told) <= 101


def test_health_fails_after_three_in_a_row_until_a_success_or_a_minute():
    watched = Watched()
    watched.fail(times=2)
    assert watched.faults.current == ""
    watched.fail()
    assert watched.faults.current == "DefiniteFailure: down"
    watched.now_s = 59.0
    assert watched.faults.current
    watched.now_s = 61.0
    assert watched.faults.current == ""
    watched.fail()
    assert watched.faults.current
    watched.faults.worked()
    watched.fail(times=2)
    assert watched.faults.current == ""


def test_a_database_that_cannot_be_asked_for_messages():
    class Tables:
        error = DefiniteFailure("the database cannot be reached")

        async def run(self, statement, **values):
            if self.error is not None:
                raise self.error
            return []

    watched, given = Watched(), Tables()
    wrapped = WatchedTables(given, watched.faults)

    async def ask():
        with pytest.raises(DefiniteFailure):
            await wrapped.run(None)

    for _ in range(3):
        trio.run(ask)
    assert "cannot be reached" in watched.faults.current
    given.error = UniqueViolation("a second row")
    trio.run(ask)
    assert watched.told == [("DefiniteFailure: the database cannot be reached", 1)]
    given.error = None
    trio.run(wrapped.run, None)
    assert watched.faults.current == ""


class Full:
    """A storage on a disk without space, which can still be read."""

    def __init__(self, storage):
        self._storage = storage

    def __getattr__(self, name):
        return getattr(self._storage, name)

    async def create(self, run_id, fact):
        raise DefiniteFailure(FULL.format(run_id))


def test_a_worker_on_a_full_disk():
    said = []

    async def until(client, status):
        with trio.fail_after(END_S):
            while (answer := await client.get("/health")).status_code != status:
                await trio.sleep(0.01)
        return answer.json()

    async def main():
        settings = Settings(
            engine=attrs.evolve(REPAIRED, deliveries_max=10_000),
            queue=QueueProfile(redelivery_ms=10),
        )
        log = ServiceLog(said.append, form="json")
        async with working("memory", program, settings=settings, log=log) as worker:
            drained = worker.app._services.storage
            storage = drained._storage
            app = worker_app(worker, ServeOptions("memory", program, log=log))
            async with client_of(app) as client:
                run_id = await worker.app.start(2, 50)
                drained._storage = Full(storage)
                await worker.queue.send(Message(run_id))
                health = await until(client, 503)
                assert health["status"] == "failing"
                assert "No space left on device" in health["fault"]
                accepted = await client.post("/messages", json={"runId": run_id})
                assert accepted.status_code == 202  # it may get better
                drained._storage = storage
                assert "fault" not in await until(client, 200)
                await worker.app.cancel(run_id)

    trio.run(main)
    (line,) = map(json.loads, said)
    assert line["msg"] == "a delivery failed, it is tried again"
    assert "No space left on device" in line["why"]


def test_a_worker_that_cannot_ask_for_messages(pg_dsn, monkeypatch):
    said = []
    ask = PostgresTables.run

    async def run(self, statement, **values):
        if statement is TAKE:
            raise DefiniteFailure("the database cannot be reached")
        return await ask(self, statement, **values)

    async def main():
        log = ServiceLog(said.append, form="json")
        async with working(f"postgres:{pg_dsn}", program, log=log) as worker:
            with trio.fail_after(END_S):
                while worker.health()["status"] != "failing":
                    await trio.sleep(0.01)
            assert "cannot be reached" in worker.health()["fault"]

    monkeypatch.setattr(PostgresTables, "run", run)
    monkeypatch.setattr(tables, "RETRY_MS", 10)
    trio.run(main)
    (line,) = map(json.loads, said)
    assert line["msg"] == "taking messages failed, it is tried again"


def test_a_worker_that_stops_is_not_at_fault():
    said = []

    async def main():
        async with working("memory", program, log=ServiceLog(said.append)) as worker:
            run_id = await worker.app.start(3, 100)
            with trio.fail_after(END_S):
                while not worker.health()["active"]:
                    await trio.sleep(0.01)
            await worker.stop(END_S)
            assert worker.health()["status"] == "stopping"
            assert run_id in await worker.app.active_runs()

    trio.run(main)
    assert said == []
