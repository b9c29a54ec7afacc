"""The conformance kernel: the same decisions as ``Kernel``, carried out by trio.

Each simulated task is driven by a trio task of its own, and exactly one of them runs at any time:
the kernel hands control to the chosen one and waits until it hands back.  trio's own scheduler thus
never has more than one task to choose from.  Only the way a coroutine is resumed differs; choosing,
entering, finishing, time, faults and crashes are inherited.  So a seed gives the same trace, the
same records and the same digest under both kernels, and a difference means that our own runner
mistreats coroutines.

It costs several times as much per choice point (reports/first_light.md) and exists for tests.

Simulated code never awaits trio: it parks as always, and its driver does the waiting.  Dismissing
the drivers at the end of a run therefore executes no simulated code; coroutines that never finished
are closed by ``close``, as in ``Kernel``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import trio
from trio.lowlevel import Abort, current_task, reschedule, wait_task_rescheduled

from simworld.errors import ControlFlow
from simworld.records import Explorer
from simworld.sim.kernel import Kernel
from simworld.sim.nemesis import Faults
from simworld.sim.parking import PARK
from simworld.sim.tasks import Task, values_of

T = TypeVar("T")


class LockstepKernel(Kernel):
    """A slow ``Kernel`` on trio; inside a trio program call ``run_async`` instead of ``run``."""

    def __init__(
        self,
        *,
        explorer: Explorer,
        faults: Faults,
        turns_max: int,
        full_trace: bool = False,
        hosts: int = 0,
    ) -> None:
        super().__init__(
            explorer=explorer,
            faults=faults,
            turns_max=turns_max,
            full_trace=full_trace,
            hosts=hosts,
        )
        self._nursery: trio.Nursery | None = None
        self._drivers: dict[Task, trio.lowlevel.Task] = {}
        """The parked trio task of each task that has begun."""
        self._caller: trio.lowlevel.Task | None = None
        """Who gets control back from the driver that is about to run."""
        self._newborn: Task | None = None
        """The part of a gather that is to register its first operation."""
        self._error: BaseException | None = None
        """What a driver could not keep to itself: ``Kernel._resume`` raised it."""
        self._interrupt: Callable[[], object] | None = None
        """Raises the cancellation or Ctrl-C that reached the kernel while it waited."""

    def run(self) -> None:
        """See ``Kernel.run``; a trio loop of its own."""
        try:
            trio.run(self.run_async)
        except BaseExceptionGroup as group:
            # Ctrl-C that comes while the drivers are being put away is wrapped by their nursery.
            if group.subgroup(KeyboardInterrupt) is None:
                raise
            raise KeyboardInterrupt from None

    @trio.lowlevel.enable_ki_protection
    async def run_async(self) -> None:
        """See ``Kernel.run``; in the trio loop of the caller, which several kernels may share."""
        failures: list[BaseException] = []
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                try:
                    await self._loop()
                except (Exception, ControlFlow, KeyboardInterrupt) as error:
                    failures.append(error)  # raised outside the nursery, which would wrap it
                finally:
                    self._dismiss()
        finally:
            self._nursery = self._caller = self._error = None
            if failures:
                raise failures.pop()  # and no variable keeps it: its traceback knows this frame

    async def _loop(self) -> None:
        """``Kernel.run`` with a hand-over in the place of its call."""
        for task in self._turns():
            await self._hand_over(task, self._keep_interrupt)
            if self._interrupt is not None:
                self._interrupt()
            if self._error is not None:
                raise self._error

    def _dismiss(self) -> None:
        """End the trio tasks of all that is parked; simulated code does not notice."""
        drivers = list(self._drivers.values())
        self._drivers.clear()
        for driver in drivers:
            reschedule(driver)

    def _keep_interrupt(self, interrupt: Callable[[], object]) -> Abort:
        """A step is never cut in half: whatever comes is raised when control is back."""
        self._interrupt = interrupt
        return Abort.FAILED

    async def _hand_over(
        self, task: Task, on_cancel: Callable[[Callable[[], object]], Abort]
    ) -> None:
        """Let the task's own trio task resume it, and wait for control to come back."""
        self._caller = current_task()
        driver = self._drivers.get(task)
        if driver is not None:
            reschedule(driver)
        else:
            assert self._nursery is not None
            self._nursery.start_soon(self._drive, task, name=task.name)
        await wait_task_rescheduled(on_cancel)

    @trio.lowlevel.enable_ki_protection
    async def _drive(self, task: Task) -> None:
        """The trio task of one simulated task: resumes it whenever it is handed control."""
        self._drivers[task] = current_task()
        while True:
            caller = self._caller
            assert caller is not None
            try:
                _resume(self, task)
                while self._newborn is not None:
                    child, self._newborn = self._newborn, None
                    await self._hand_over(child, _not_now)
                    _resume(self, task)
            except BaseException as error:
                self._error = error
            reschedule(caller)
            if task.done:
                del self._drivers[task]
                return
            await wait_task_rescheduled(_not_now)
            if task not in self._drivers:
                return

    async def gather(self, parts: Sequence[tuple[str, Coroutine[Any, Any, T]]]) -> list[T]:
        """See ``Kernel.gather``; each part registers in its own trio task, one after the other."""
        if len(parts) < 2:
            return await super().gather(parts)
        parent = self._running()
        children: list[Task] = []
        for name, coroutine in parts:
            child = self._newborn = self._new_child(parent, name, coroutine)
            await PARK  # the parent's driver hands over to the child's
            self._registering = False
            if self._error is not None:
                raise self._error
            children.append(child)
        if self._must_join(parent, children):
            await PARK
        return values_of(children)


@trio.lowlevel.disable_ki_protection
def _resume(kernel: LockstepKernel, task: Task) -> None:
    """``Kernel._resume``; only here may Ctrl-C strike anywhere, as it may in ``Kernel``.

    Nor does trio get to know the async generators of simulated code: it would close them in its own
    time, and they outlive its loop.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        Kernel._resume(kernel, task)
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _not_now(_: Callable[[], object]) -> Abort:
    """Cancellation is the kernel's affair: it dismisses the drivers when it has control."""
    return Abort.FAILED
