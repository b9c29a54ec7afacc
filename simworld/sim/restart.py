"""A restart: every process dies at once, and a service that starts anew recovers what is recorded.

What is gone is what only processes have kept, which of a queue is what its profile says.  Clients
live on; they talk to whatever process there is.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from simworld.marks import reached
from simworld.records import Op
from simworld.sim.kernel import Kernel
from simworld.sim.tasks import Task

BOOT_MS = 1_000
"""How long a service takes to start; by then every client's call that was under way has ended."""
RECOVER = Op("look at every run that has not ended")


class Forgetful(Protocol):
    """What loses its memory."""

    def restart(self) -> None:
        """Every process that works on it dies."""


Recovery = Callable[[], Coroutine[Any, Any, object]]
"""What a service does that starts."""


def restarts(kernel: Kernel, queue: Forgetful, recover: Recovery) -> None:
    """Have the kernel's restarts lose what the queue loses, and ``recover`` the rest."""

    def restart(task: Task) -> None:
        reached("service.restarted")
        for host in [each.host for each in kernel.tasks if not each.host.spared]:
            if host.alive:
                kernel.crash(host, why="the service restarts")
        queue.restart()
        name = task.child_name("recovery")
        kernel.spawn(name, recover, part="", op=RECOVER, delay_ms=BOOT_MS)

    kernel.on_restart.append(restart)
