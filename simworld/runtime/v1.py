"""Engine V1: the split engine (spec §4), for comparison.

A flow message makes one pass and queues every pending step; a step message runs its step and
always queues a flow message when there is a result.  Nothing runs inline, nothing loops.
"""

from __future__ import annotations

from collections.abc import Awaitable

from simworld.engine import Engine, StartedBy
from simworld.ports import Delivery, Message, Redeliver
from simworld.runtime.dispatch import Dispatcher
from simworld.runtime.executor import GONE, RETRY, THROTTLED, StepExecutor
from simworld.runtime.handler import FlowHandler, begin_run, give_up, trusts_another, wake
from simworld.runtime.replay_loop import Replay
from simworld.runtime.requests import Recorder
from simworld.runtime.runs import have_looked_at
from simworld.runtime.services import Services
from simworld.runtime.timer import ReplayTimer


class V1Handler:
    """Handles the messages of both queues."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def handle(self, message: Message, delivery: Delivery) -> Awaitable[Redeliver | None]:
        """One delivery; see ``ports.Handler``."""
        if delivery.number > self._services.policy.deliveries_max:
            return give_up(self._services, message)
        return self._run(message, delivery)

    async def _run(self, message: Message, delivery: Delivery) -> Redeliver | None:
        by = StartedBy(delivery.message_id, delivery.receipt, delivery.number)
        timer = ReplayTimer(self._services, message.run_id, delivery)
        timer.start()
        try:
            if message.step_id:
                return await self._run_step(message, by, timer)
            return await self._run_flow(message, by)
        finally:
            timer.stop()

    async def _run_flow(self, message: Message, by: StartedBy) -> Redeliver | None:
        services, run_id = self._services, message.run_id
        replay = Replay(services, run_id, message.recoveries)
        try:
            if await begin_run(services, message, replay) is None:
                return None
            suspension = await replay.advance()
        finally:
            replay.close()
        if suspension is None:
            return None
        recorded = await Recorder(services, run_id).record(suspension)
        if recorded.conflict or recorded.again:
            return Redeliver(0)
        assert replay.view is not None
        dispatcher = Dispatcher(services, run_id, by)
        await dispatcher.send_steps(recorded, [], replay.view)
        now_ms = services.clock.now_ms()
        again = await dispatcher.send_wait(recorded, now_ms, woken_for=message.wait_id)
        return wake(services.policy, recorded, now_ms) or again

    async def _run_step(
        self, message: Message, by: StartedBy, timer: ReplayTimer
    ) -> Redeliver | None:
        executor = StepExecutor(self._services, message.run_id, by, timer)
        outcome = await executor.execute(message.step_id, message.step_name, inline=False)
        if outcome.kind in (RETRY, THROTTLED):
            return Redeliver(outcome.after_s)
        if not (outcome.kind == GONE or trusts_another(self._services.policy, outcome)):
            await have_looked_at(self._services, message.run_id)
        return None


def handler_for(services: Services) -> FlowHandler | V1Handler:
    """The handler of the engine that the policy names."""
    return V1Handler(services) if services.policy.engine is Engine.V1 else FlowHandler(services)
