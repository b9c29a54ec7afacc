"""The replay timer: a delivery that takes too long is killed with its host (spec §3.2, R-66)."""

from __future__ import annotations

from simworld.engine import ReplayTimerCovers, RunFailed, encode_error
from simworld.errors import SimworldError
from simworld.marks import reached
from simworld.ports import Delivery, Job
from simworld.runtime.services import Services

KILLS_MAX = 3
"""Deliveries of a message that are killed before one of them fails the run."""


class ReplayTimer:
    """Runs beside one delivery; does nothing where the policy sets no limit."""

    def __init__(self, services: Services, run_id: str, delivery: Delivery) -> None:
        policy = services.policy
        self._services = services
        self._run_id = run_id
        self._delivery = delivery
        self._left_ms = policy.replay_limit_ms
        self._pauses = policy.replay_timer is ReplayTimerCovers.REPLAY
        self._bodies = 0
        self._since_ms = 0
        self._job: Job | None = None

    def start(self) -> None:
        """The time that is left runs from now."""
        if self._left_ms > 0:
            self._since_ms = self._services.clock.now_ms()
            self._job = self._services.tasks.start("timer", self._fire(self._left_ms))

    def stop(self) -> None:
        """The delivery has ended, or a body runs."""
        if self._job is not None:
            self._job.cancel()
            self._job = None
            spent_ms = self._services.clock.now_ms() - self._since_ms
            self._left_ms = max(1, self._left_ms - spent_ms)

    def body_begins(self) -> None:
        """Pause, if the timer is to cover the replay alone."""
        self._bodies += 1
        if self._pauses:
            self.stop()

    def body_ended(self) -> None:
        """Go on, once no body runs any more."""
        self._bodies -= 1
        if self._pauses and not self._bodies:
            self.start()

    async def _fire(self, after_ms: int) -> None:
        services, number = self._services, self._delivery.number
        await services.clock.sleep_ms(after_ms)
        reached("timer.fired")
        limit_ms = services.policy.replay_limit_ms
        services.log.note(self._run_id, "replay timed out", delivery=number, limit_ms=limit_ms)
        if number > KILLS_MAX:
            error = TimeoutError(
                f"delivery {number} of a message of this run took longer than {limit_ms} ms; "
                "shorten what it does between two step results"
            )
            fact = RunFailed(encode_error(error, kind="runtime"), "REPLAY_TIMEOUT")
            try:
                await services.storage.create(self._run_id, fact)
            except SimworldError as refusal:
                services.log.note(self._run_id, "run_failed not recorded", why=str(refusal))
        await services.tasks.kill_host(f"the replay took longer than {limit_ms} ms")
