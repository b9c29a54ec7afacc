"""The flow route behind web frameworks: real HTTP between a worker's queue and its handler."""

from __future__ import annotations

import sys

import attrs
import pytest
import trio

from simworld.errors import EntityConflictError, IndefiniteFailure, ThrottleError, UsageError
from simworld.ports import Delivery, Message, Redeliver
from simworld.service import FRONTS, ServiceLog, Settings, open_front, working
from simworld.worlds import QUEUES
from tests.service import programs
from tests.service.programs import program

END_S = 30
DELIVERY = Delivery("msg_1", 3, "msg_1.3")


@pytest.fixture(params=list(FRONTS))
def front(request):
    """Every front by its name."""
    return request.param


class Rig:
    """What a front asks of a worker, with a handler of the test's own."""

    def __init__(self, *answers):
        self.program = program
        self.handler = self._handle
        self.seen = []
        self._answers = list(answers)

    async def _handle(self, message, delivery):
        self.seen.append((message, delivery))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def through(name, act, *answers):
    """Serve such a handler behind the front, and do something to what the queue would get."""

    async def main():
        rig = Rig(*answers)
        with trio.fail_after(END_S):
            async with open_front(name) as opened, trio.open_nursery() as nursery:
                await act(rig, await opened(rig, nursery))
                nursery.cancel_scope.cancel()

    trio.run(main)


@pytest.mark.parametrize(
    ("front", "world"),
    [
        ("raw", "memory"),
        ("raw", "local"),
        ("raw", "postgres"),
        ("starlette", "local"),
        ("quart", "postgres"),
    ],
)
def test_runs_complete(front, world, tmp_path, request):
    places = {
        "memory": lambda: "memory",
        "local": lambda: f"local:{tmp_path}/state",
        "postgres": lambda: f"postgres:{request.getfixturevalue('pg_dsn')}",
    }

    async def main():
        async with (
            open_front(front) as opened,
            working(places[world](), program, front=opened) as worker,
        ):
            app = worker.app
            asked = [
                (programs.sequence, (5,)),
                (programs.together, (6,)),
                (programs.retried, ()),
                (programs.slept, (50,)),
                (programs.streamed, (2,)),
            ]
            run_ids = [await app.start_run(flow, *args) for flow, args in asked]
            found = [await app.result(each, timeout_s=END_S) for each in run_ids]
            assert found == [32, [0, 2, 4, 6, 8, 10], 2, [2, 4], ["chunk 0", "chunk 1"]]
            assert worker.health()["status"] == "ok"

    trio.run(main)


def test_a_message_arrives_as_it_was_sent(front):
    message = Message("wrun_1", "step_1", "double", recoveries=2)

    async def act(rig, deliver):
        assert await deliver(message, DELIVERY) is None
        assert rig.seen == [(message, DELIVERY)]

    through(front, act, None)


def test_timeout_seconds(front):
    async def act(rig, deliver):
        assert await deliver(Message("wrun_1"), DELIVERY) == Redeliver(7)
        assert await deliver(Message("wrun_1"), DELIVERY) == Redeliver(0)

    through(front, act, Redeliver(7), Redeliver(0))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (IndefiniteFailure("the disk is gone"), 503),
        (EntityConflictError("somebody else runs it", reason="running"), 409),
        (ThrottleError("too much", retry_after_s=2), 429),
        (ValueError("a bug"), 500),
    ],
)
def test_a_handler_that_fails_is_a_fault_of_the_world(front, error, status):
    async def act(rig, deliver):
        with pytest.raises(IndefiniteFailure, match=f"was answered {status}: .*error"):
            await deliver(Message("wrun_1"), DELIVERY)
        assert await deliver(Message("wrun_1"), DELIVERY) is None, "as the queue does it"

    through(front, act, error, None)


def test_a_delivery_that_failed_comes_again(front):
    """The drain sees the delivery that fails and the one that works, each of them once."""
    seen = []
    settings = Settings(queue=attrs.evolve(QUEUES["local"], redelivery_ms=20))

    async def main():
        async with (
            open_front(front) as opened,
            working("memory", program, settings=settings, front=opened) as worker,
        ):
            storage = worker.app._services.storage
            create = storage.create

            async def failing_once(run_id, fact):
                seen.append((type(fact).__name__, worker.health()["active"]))
                if [name for name, _ in seen].count("RunStarted") == 1:
                    raise IndefiniteFailure("the disk is gone for a moment")
                return await create(run_id, fact)

            storage.create = failing_once
            run_id = await worker.app.start_run(programs.sequence, 2)
            assert await worker.app.result(run_id, timeout_s=END_S) == 4
            assert worker.health()["active"] == 0

    trio.run(main)
    assert [active for name, active in seen if name == "RunStarted"] == [1, 1]


def test_stopping_ends_what_is_under_way(front):
    """A step that runs goes on to its end, and nothing new begins."""

    async def main():
        async with open_front(front) as opened, working("memory", program, front=opened) as worker:
            await worker.app.start_run(programs.sequence, 3, 100)
            with trio.fail_after(END_S):
                while not worker.health()["active"]:
                    await trio.sleep(0.01)
            assert await worker.stop(grace_s=END_S)
            assert worker.health() == {**worker.health(), "status": "stopping", "active": 0}

    trio.run(main)


def test_leaving_in_the_middle_of_a_step(front):
    async def main():
        async with open_front(front) as opened, working("memory", program, front=opened) as worker:
            await worker.app.start_run(programs.sequence, 1, 600_000)
            with trio.fail_after(END_S):
                while not worker.health()["active"]:
                    await trio.sleep(0.01)

    trio.run(main)


def test_a_way_that_is_blocked_is_told():
    """The server is gone: the queue tries again, and somebody hears of it."""
    lines = []

    async def main():
        async with open_front("raw", log=ServiceLog(lines.append)) as opened:
            async with trio.open_nursery() as nursery:
                deliver = await opened(Rig(), nursery)
                nursery.cancel_scope.cancel()
            with pytest.raises(IndefiniteFailure, match="got no answer"):
                await deliver(Message("wrun_1"), DELIVERY)

    trio.run(main)
    assert len(lines) == 1
    assert "POST /flow got no answer" in lines[0]


def test_an_unknown_front():
    async def main():
        async with open_front("flask"):
            pass

    with pytest.raises(UsageError, match=r"unknown front 'flask'; .*starlette"):
        trio.run(main)


@pytest.mark.parametrize(
    ("name", "package"), [("starlette", "starlette.applications"), ("quart", "quart_trio")]
)
def test_a_framework_that_is_absent(monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)

    async def act(rig, deliver):
        raise AssertionError("it is there")

    with pytest.raises(ExceptionGroup) as caught:
        through(name, act)
    (error,) = caught.value.exceptions
    assert isinstance(error, UsageError)
    assert f"front '{name}' needs {package}" in str(error)
    assert "pip install 'simworld[bench]'" in str(error)
