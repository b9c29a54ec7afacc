"""Mishaps around a world, whichever it is: a client that comes late, a stream that is refused."""

from __future__ import annotations

from collections.abc import Sequence

from simworld.engine import Fact, HookReceived, HookRow
from simworld.errors import Crashed, WorldError
from simworld.marks import reached
from simworld.ports import Answer, Storage, Streams
from simworld.records import FAULTS, Fault
from simworld.sim.kernel import Kernel
from simworld.sim.labels import Labels, stream_op
from simworld.sim.parking import PARK
from simworld.sim.tasks import Task
from simworld.sim.world import run_label


def _running(kernel: Kernel) -> Task:
    task = kernel.current
    if task is None:
        raise Crashed("this host is dead")
    return task


class LateHooks:
    """A client's storage: between finding a hook and sending it a payload, time may pass."""

    def __init__(self, kernel: Kernel, inner: Storage) -> None:
        self._kernel = kernel
        self._inner = inner
        self._late: dict[str, None] = {}
        """The tasks that have found a hook and come late to it."""
        self.events, self.run, self.active_runs = inner.events, inner.run, inner.active_runs
        self.append, self.wait_end = inner.append, inner.wait_end

    async def hook(self, token: str) -> HookRow:
        """See ``ports.Storage``."""
        row, kernel = await self._inner.hook(token), self._kernel
        if not kernel.searching:
            return row
        task = _running(kernel)
        target = task.child_name("late")
        late_ms = kernel.faults.befalls("late_hook", target, "", FAULTS["late_hook"].most)
        if late_ms:
            kernel.note_fault(Fault("late_hook", target, late_ms))
            kernel.remark(f"its payload comes {late_ms} ms late")
            kernel.sleep(late_ms)
            await PARK
            kernel.disturb(kernel.now_ms)
            self._late[task.name] = None
        return row

    async def create(self, run_id: str, fact: Fact) -> Answer:
        """See ``ports.Storage``."""
        if not (self._late and isinstance(fact, HookReceived)):
            return await self._inner.create(run_id, fact)
        was_late = _running(self._kernel).name in self._late
        try:
            return await self._inner.create(run_id, fact)
        except WorldError:
            if was_late:
                reached("hook.came_too_late")
            raise


class RefusedWrites:
    """Streams to which a write may be refused: none of its chunks is there."""

    def __init__(self, kernel: Kernel, labels: Labels, inner: Streams) -> None:
        self._kernel = kernel
        self._labels = labels
        self._inner = inner
        self.close, self.read = inner.close, inner.read
        self.info, self.names = inner.info, inner.names

    async def write(self, run_id: str, name: str, chunks: Sequence[bytes]) -> None:
        """See ``ports.Streams``."""
        kernel = self._kernel
        if kernel.searching:
            task = _running(kernel)
            target = f"{task.name}@{task.ops + 1}"
            if kernel.faults.befalls("lost_flush", target, task.body.rpartition("/")[2], 1):
                await self._refuse(run_id, name, target)
        await self._inner.write(run_id, name, chunks)

    async def _refuse(self, run_id: str, name: str, target: str) -> None:
        kernel = self._kernel
        kernel.note_fault(Fault("lost_flush", target, 1))
        run = run_label(kernel, self._labels, run_id)
        stream = self._labels.reworded(name)
        if kernel.at_point(stream_op("write to stream", run, stream, writes=True)):
            await PARK
        reached("stream.write_refused")
        kernel.tell("refused: 503, nothing is written")
        raise WorldError(f"write to stream {name} refused: the server fails", status=503)
