"""The smallest kernel a host can be driven by: asks are answered first come first served.

What it talks to is the atomic world.  Time moves only when nothing else is left to do.
"""

from __future__ import annotations

import heapq

from simworld.errors import SimworldError
from simworld.ports import Chunks, Delivery
from simworld.records import ForeignProgram, SubjectProfile, WorldProfile
from simworld.subjects import seam
from simworld.worlds import AtomicWorld
from tests.worlds.doubles import Clock, Ids, now

START_MS = 1_700_000_000_000


class SmallKernel:
    """One trial of a host."""

    def __init__(self, host, module, workflow, *, seed=1, max_retries=None, refuse=None):
        self.host = host
        self.clock = Clock(START_MS)
        self.world = AtomicWorld(clock=self.clock, ids=Ids(), profile=WorldProfile())
        self.streams = {}
        self.closed = set()
        self.readers = []
        self.asks = []
        self.names = {}
        self.withdrawn = []
        self.ended = {}
        self.stuck = []
        self.trace = []
        self.bodies = []
        self._refuse = refuse or (lambda ask: None)
        self._later = []
        self._order = 0
        self._messages = {}
        self._keys = set()
        program = ForeignProgram("vercel-workflow", module, workflow)
        host.begin(seam.Trial(seed, START_MS, program, SubjectProfile(), max_retries))

    def call(self, verb, **args):
        """A client's call; its name."""
        name = f"client/{verb}{len(self.trace)}"
        self.hear(self.host.call(name, verb, args, self.clock.ms))
        return name

    def value(self, verb, **args):
        """What a client's call comes to."""
        name = self.call(verb, **args)
        self.drain()
        ended = self.ended[name]
        assert not ended.error, ended
        return ended.value

    def hear(self, heard):
        self.names.update(heard.names)
        self.withdrawn += heard.withdrawn
        self.stuck += heard.stuck
        for waiting in (self.asks, self.readers):
            waiting[:] = [each for each in waiting if each.number not in heard.withdrawn]
        for ask in heard.asks:
            self.trace.append((ask.activity, ask.strand, ask.question))
            if isinstance(ask.question, seam.Sleep):
                self.later(ask.question.duration_ms, lambda ask=ask: self.answer(ask, None))
            else:
                self.asks.append(ask)
        for ended in heard.ended:
            self.ended[ended.activity] = ended
            if ended.again is not None:
                message = self._messages[ended.activity]
                self.send(seam.Send(message, ended.again.key, ended.again.delay_s))

    def later(self, ms, act):
        self._order += 1
        heapq.heappush(self._later, (self.clock.ms + ms, self._order, act))

    def answer(self, ask, value):
        self.hear(self.host.answer(ask.number, value, self.clock.ms))

    def step(self):
        """Do one thing; False if there is nothing left to do."""
        if self.asks:
            self.perform(self.asks.pop(0))
        elif self._later:
            ms, _, act = heapq.heappop(self._later)
            self.clock.ms = max(self.clock.ms, ms)
            act()
        else:
            return False
        return True

    def drain(self):
        while self.step():
            pass

    def perform(self, ask):
        refusal = self._refuse(ask)
        if isinstance(ask.question, seam.ReadStream) and ask.question.live:
            chunks = self.do(ask.question)
            if not (chunks.chunks or chunks.closed):
                self.readers.append(ask)
                return
        try:
            if refusal is not None:
                raise refusal
            value = self.do(ask.question)
        except Exception as error:
            if refusal is None and not isinstance(error, SimworldError):
                raise
            self.hear(self.host.fail(ask.number, error, self.clock.ms))
        else:
            self.answer(ask, value)

    def do(self, question):
        match question:
            case seam.Create(run_id, fact):
                return self.world.commit(run_id, fact)
            case seam.ReadLog(run_id, cursor):
                return now(self.world.events(run_id, cursor))
            case seam.ReadRun(run_id):
                return now(self.world.run(run_id))
            case seam.FindHook(token):
                return now(self.world.hook(token))
            case seam.Send():
                return self.send(question)
            case seam.WriteStream(run_id, name, chunks):
                self.streams.setdefault((run_id, name), []).extend(chunks)
                self.wake_readers()
            case seam.CloseStream(run_id, name):
                self.closed.add((run_id, name))
                self.wake_readers()
            case seam.ReadStream(run_id, name, start):
                chunks = self.streams.get((run_id, name), [])[start:]
                return Chunks(chunks, (run_id, name) in self.closed)
            case seam.BodyBegins(body):
                self.bodies.append(["begins", body])
            case seam.BodyEnds():
                self.bodies.append(["ends", question])
        return None

    def wake_readers(self):
        self.asks += self.readers
        self.readers = []

    def send(self, question):
        message, key, delay_s = question
        if key in self._keys:
            return ""
        if key:
            self._keys.add(key)
        name = f"msg_{len(self._messages)}"
        self._messages[name] = message
        self.later(delay_s * 1_000, lambda: self.deliver(name, key))
        return name

    def deliver(self, name, key):
        self._keys.discard(key)
        delivery = Delivery(name, 1, name)
        self.hear(self.host.deliver(name, self._messages[name], delivery, self.clock.ms))
