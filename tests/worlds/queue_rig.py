"""A queue over the tiny timeline, with handlers that do what a test has written down."""

from __future__ import annotations

import attrs

from simworld.errors import DefiniteFailure
from simworld.ports import Message, Redeliver
from simworld.records import QueueProfile
from simworld.worlds import MemoryQueue
from tests.worlds.doubles import Ids, Timeline, now

FLOW = Message("wrun_1")
STEP = Message("wrun_1", "step_1", "work")


class Thrown(DefiniteFailure):
    """What a handler throws."""


@attrs.frozen
class Reached:
    """A handler was reached."""

    at_ms: int
    message: Message
    message_id: str
    number: int
    receipt: str


class Rig:
    """``script``: what the n-th handler to begin does, as ``(after_ms, action)``.

    An action is ``ack``, ``throw`` or a number of seconds after which to deliver again; handlers
    beyond the script acknowledge at once.
    """

    def __init__(self, *script, processes=1, **profile):
        self.line = Timeline()
        self.queue = MemoryQueue(
            tasks=self.line,
            clock=self.line,
            ids=Ids(),
            profile=QueueProfile(**profile),
            processes=processes,
        )
        self.queue.handler = self._handle
        self.script = list(script)
        self.reached = []
        self.ended = []
        """(time, action) of every handler that came to its end."""

    async def _handle(self, message, delivery):
        line = self.line
        self.reached.append(
            Reached(line.ms, message, delivery.message_id, delivery.number, delivery.receipt)
        )
        count = len(self.reached)
        after_ms, action = self.script[count - 1] if count <= len(self.script) else (0, "ack")
        await line.sleep_ms(after_ms)
        self.ended.append((line.ms, action))
        if action == "throw":
            raise Thrown
        return None if action == "ack" else Redeliver(action)

    def send(self, message=FLOW, *, key="", delay_s=0, merge=False):
        return now(self.queue.send(message, key=key, delay_s=delay_s, merge=merge))

    def run(self, **until):
        self.line.run(**until)
        return self

    @property
    def times(self):
        """When each handler was reached."""
        return [each.at_ms for each in self.reached]

    @property
    def numbers(self):
        """The attempt each handler was told."""
        return [each.number for each in self.reached]
