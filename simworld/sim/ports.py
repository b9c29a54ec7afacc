"""The ports of the engine's surroundings, in virtual form: tasks, clock, ids, bodies."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from simworld.engine import error_text, event_loop_line
from simworld.errors import Crashed, UsageError
from simworld.marks import reached
from simworld.ports import BodyInfo
from simworld.records import FAULTS, BodyBegan, BodyEnded, Fault, Op
from simworld.sim.kernel import Kernel
from simworld.sim.labels import (
    Labels,
    begin_op,
    body_op,
    checkpoint_op,
    deliver_op,
    publish_op,
    shared,
)
from simworld.sim.latches import SimJob, SimLatch
from simworld.sim.parking import PARK
from simworld.sim.tasks import Host, Task

T = TypeVar("T")

_ORDINALS = re.compile(r"(\.\d+)?(~\d+)?$")
"""What follows a part in a path: which of several equal sends, which delivery."""


@shared
def _delivery(name: str) -> tuple[str, Op]:
    """What is delivered by the task called so, and its first operation."""
    part = name.rpartition("/")[2]
    if "~" in part or "." in part:
        part = _ORDINALS.sub("", part)
    return part, deliver_op(name, part)


class SimTasks:
    """``ports.Tasks`` over the kernel."""

    def __init__(self, kernel: Kernel, labels: Labels) -> None:
        self._kernel = kernel
        self._labels = labels
        self.gather = kernel.gather

    def child_name(self, part: str) -> str:
        """See ``ports.Tasks``; ids are replaced by labels, so that names are causal."""
        task = self._kernel.current
        if task is None:
            raise Crashed("no task is running")
        return task.child_name(self._labels.readable(part))

    def spawn(
        self,
        name: str,
        start: Callable[[], Coroutine[Any, Any, None]],
        *,
        delay_ms: int,
        on_lost: Callable[[], None],
    ) -> SimPending:
        """See ``ports.Tasks``."""
        part, op = _delivery(name)
        task = self._kernel.spawn(name, start, part=part, op=op, delay_ms=delay_ms, on_lost=on_lost)
        return SimPending(self._kernel, task)

    async def checkpoint(self, doing: str) -> None:
        """See ``ports.Tasks``."""
        kernel = self._kernel
        op = checkpoint_op(doing)
        if kernel.current is not None and doing.startswith("publish "):
            op = publish_op(kernel.current.op)  # the second half of a create
        if kernel.at_point(op):
            await PARK

    def start(self, name: str, coroutine: Coroutine[Any, Any, None]) -> SimJob:
        """See ``ports.Tasks``; its beginning is an operation of its own."""
        part = self._labels.readable(name)
        return SimJob(self._kernel, self._kernel.start_job(part, coroutine, begin_op(part)))

    def latch(self, wish: str) -> SimLatch:
        """See ``ports.Tasks``."""
        return SimLatch(self._kernel, self._labels, wish)

    async def kill_host(self, why: str) -> None:
        """See ``ports.Tasks``; dying is an operation too."""
        kernel = self._kernel
        if kernel.at_point(checkpoint_op(f"end its own process: {why}")):
            await PARK
        task = kernel.current
        assert task is not None
        kernel.tell("the host dies")
        kernel.crash(task.host, why=why)
        await PARK


class SimPending:
    """``ports.Pending`` for a simulated task."""

    __slots__ = ("_kernel", "_task", "name")

    def __init__(self, kernel: Kernel, task: Task) -> None:
        self._kernel = kernel
        self._task = task
        self.name = task.name

    def cancel(self) -> None:
        """See ``ports.Pending``."""
        self._kernel.cancel(self._task)


class SimClock:
    """The true virtual time: what a server's clock shows, and what sleeping goes by."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def now_ms(self) -> int:
        """See ``ports.Clock``."""
        return self._kernel.now_ms

    async def sleep_ms(self, duration_ms: int) -> None:
        """See ``ports.Clock``; no time at all is no choice point either."""
        if duration_ms > 0:
            self._kernel.sleep(duration_ms)
            await PARK


class HostClock(SimClock):
    """What the clock of the running host shows: ahead, behind, or right."""

    def now_ms(self) -> int:
        """See ``ports.Clock``."""
        task = self._kernel.current
        return self._kernel.now_ms + (0 if task is None else task.host.clock_ms)


class SimIds:
    """Ids that count: the same in every trial, so that nothing depends on their text."""

    def __init__(self) -> None:
        self._runs = self._messages = self._events = 0

    def run_id(self) -> str:
        """See ``ports.Ids``."""
        self._runs += 1
        return f"wrun_{self._runs}"

    def message_id(self) -> str:
        """See ``ports.Ids``."""
        self._messages += 1
        return f"msg_{self._messages}"

    def event_id(self) -> str:
        """See ``ports.Ids``."""
        self._events += 1
        return f"evnt_{self._events}"


OVERSTAY_MS = 2_000
"""A slow body outlives its lease by so much: whoever has waited for that begins meanwhile."""
SLOW_MS = 310_000
"""A slow body takes so long where starts have no lease: longer than any limit of a delivery."""


class FlakeError(Exception):
    """The planned failure of one body (decisions §1.7)."""


class SimBodies:
    """``ports.Bodies``: begin, acts and end of a body are choice points; flakes come from here."""

    def __init__(self, kernel: Kernel, labels: Labels, failures: Sequence[tuple[str, int]]) -> None:
        self._kernel = kernel
        self._labels = labels
        self._failures = frozenset(failures)  # membership only, never iterated
        self._begun: dict[tuple[str, str], int] = {}
        self._numbers: dict[BodyInfo, int] = {}
        self._open: dict[str, int] = {}
        self._slow: dict[str, int] = {}
        """Step → how many of its next bodies are slow."""
        self._acts: dict[tuple[str, str, str], int] = {}
        """(run, step, effect) → the body that has done it first."""
        kernel.on_crash.append(self._host_died)

    def _host_died(self, host: Host) -> None:
        if self._open.pop(host.name, 0):
            reached("handler.crashed_in_body")

    async def began(self, body: BodyInfo) -> None:
        """See ``ports.Bodies``."""
        kernel = self._kernel
        run, step = self._labels.run(body.run_id), self._labels.readable(body.step_id)
        if kernel.at_point(body_op("begin", run, step)):
            await PARK
        task = kernel.current
        assert task is not None
        task.body = f"{run}/{step}"
        key = (body.run_id, body.step_id)
        number = self._begun.get(key, 0) + 1
        self._begun[key] = number
        self._numbers[body] = number
        host = task.host.name
        self._open[host] = self._open.get(host, 0) + 1
        kernel.records.append(
            BodyBegan(
                kernel.turn,
                kernel.now_ms,
                task.name,
                host,
                body.run_id,
                step,
                number,
                body.attempt,
                body.start,
                body.lease_until_ms,
                body.step_id,
                body.step_name,
                body.input,
            )
        )
        if kernel.trace is not None:
            kernel.tell(f"body {number} of {step} runs, attempt {body.attempt}")
        if kernel.searching and self._is_slow(step):
            await self._dawdle(body.lease_until_ms)
        if (step, number) in self._failures:
            reached("body.flaked")
            raise FlakeError(f"flake: body {number} of {step} fails as planned")

    def _is_slow(self, step: str) -> bool:
        kernel = self._kernel
        left = self._slow.get(step)
        if left is None:
            left = kernel.faults.befalls("slow_body", step, step, FAULTS["slow_body"].most)
        self._slow[step] = max(0, left - 1)
        if left:
            kernel.note_fault(Fault("slow_body", step, 1))
        return left > 0

    async def _dawdle(self, lease_until_ms: int) -> None:
        """Take longer than the lease, or for a long time where there is none."""
        kernel = self._kernel
        slow_ms = (
            max(0, lease_until_ms - kernel.now_ms) + OVERSTAY_MS if lease_until_ms else SLOW_MS
        )
        kernel.remark(f"it takes {slow_ms} ms")
        kernel.disturb(kernel.now_ms + slow_ms)
        kernel.sleep(slow_ms)
        await PARK

    async def effect(self, body: BodyInfo, name: str) -> None:
        """See ``ports.Bodies``."""
        run, step = self._labels.run(body.run_id), self._labels.readable(body.step_id)
        if self._kernel.at_point(body_op(f"do {name!r} in", run, step)):
            await PARK
        key, number = (run, step, name), self._numbers[body]
        if self._acts.setdefault(key, number) != number:
            reached("effect.repeated")

    async def ended(
        self, body: BodyInfo, outcome: str, error: Exception | None = None, result: bytes = b""
    ) -> None:
        """See ``ports.Bodies``; a body that is to be killed dies here, before it has ended."""
        if error is not None:
            _check_foreign(error)
        kernel = self._kernel
        run, step = self._labels.run(body.run_id), self._labels.readable(body.step_id)
        if kernel.at_point(body_op("end", run, step)):
            await PARK
        task = kernel.current
        assert task is not None
        task.body = ""
        if 0 < body.lease_until_ms <= kernel.now_ms:
            reached("lease.expired_while_running")
        if kernel.searching and kernel.faults.kills_body(step):
            kernel.note_fault(Fault("kill_bodies", step, 1))
            kernel.tell("the host dies before the body has ended")
            kernel.crash(task.host)
            await PARK
        self._open[task.host.name] -= 1
        why = "" if error is None else f"{type(error).__name__}: {error_text(error)}"
        kernel.records.append(
            BodyEnded(
                kernel.turn,
                kernel.now_ms,
                task.name,
                body.run_id,
                step,
                self._numbers[body],
                outcome,
                why,
                result,
            )
        )
        if kernel.trace is not None:
            told = f"{outcome}, {why}" if why else outcome
            kernel.tell(f"body {self._numbers[body]} of {step}: {told}")


def _check_foreign(error: Exception) -> None:
    """``UsageError`` if an event loop complained that it is not running: it never will in here."""
    line, loop_name = event_loop_line(error)
    if loop_name:
        raise UsageError(
            f"{line or 'a step body'} awaits {loop_name}, which does not run in the simulation; a "
            "step body awaits only the verbs of its context (ctx.sleep, ctx.effect, …)"
        )
