"""Legal logs of generated programs: a driver plays the world, in an order drawn from a stream.

Between two passes several things happen: what the last pass asked for is recorded (in code order,
shuffled, or only the first of it), bodies start, start again, end, payloads arrive whether or not
anybody waits, and all of it may be late: a pass's requests are still recorded after others have
gone on.  Nothing happens that a world would refuse.
"""

from __future__ import annotations

import attrs

from simworld.campaign.generated import GENERATED, drawn_program
from simworld.engine import (
    AttrRequest,
    AttrSet,
    Completed,
    Delivery,
    EnginePolicy,
    Event,
    HookConflict,
    HookCreated,
    HookDisposed,
    HookReceived,
    HookRequest,
    IdScheme,
    PassMode,
    RunCompleted,
    RunCreated,
    RunIdentity,
    RunStarted,
    Seed,
    SleepClock,
    StepCompleted,
    StepCreated,
    StepFailed,
    StepRequest,
    StepRetrying,
    StepStarted,
    Suspension,
    UnconsumedEvents,
    WaitCompleted,
    WaitCreated,
    WaitRequest,
    WorkflowClock,
    encode,
    run_pass,
)
from simworld.entropy import Stream
from tests.engine.journal import EPOCH_MS, error_bytes

EVENTS_MAX = 150
"""A log that is longer by then stays without its end."""
CREATED_BEFORE_MS = 700
"""The run is so much older than its start."""
REPEATED = ("attr_set",)
"""What two handlers may both write: no world refuses the second."""
REPEATED_UNDER_U3 = (
    "attr_set",
    "step_created",
    "step_completed",
    "step_failed",
    "wait_created",
    "wait_completed",
    "hook_created",
    "hook_disposed",
)

POLICIES = [
    EnginePolicy(
        delivery=Delivery.D4,
        clock=WorkflowClock.C1,
        passes=PassMode.RETAINED,
        ids=ids,
        seed=seed,
        sleep_clock=sleep_clock,
        unconsumed=unconsumed,
        validate=validate,
    )
    for ids in IdScheme
    for seed in Seed
    for sleep_clock in SleepClock
    for unconsumed in (UnconsumedEvents.U2, UnconsumedEvents.U3)
    for validate in (False, True)
]
"""Everything that may be chosen where passes are retained."""


@attrs.frozen
class Drawn:
    """A program, the policy it ran under, and its log."""

    program: list
    policy: EnginePolicy
    identity: RunIdentity
    log: list[Event]

    def scratch(self, upto=None, *, now_ms=0):
        """A pass from the first line over the first ``upto`` events."""
        return run_pass(GENERATED, self.identity, self.log[:upto], self.policy, now_ms)


class Driver:
    """Plays the world, its handlers and its clients for one run."""

    def __init__(self, program, policy, stream):
        self.stream = stream
        self.now_ms = EPOCH_MS
        identity = RunIdentity("wrun_1", "generated", EPOCH_MS, EPOCH_MS - CREATED_BEFORE_MS)
        self.drawn = Drawn(program, policy, identity, [])
        self.asked = {}
        """Requests the log does not hold, by id, as the last pass had them."""
        self.live = {}
        """Requests that more may happen to, by id."""
        self.running = {}
        """Live steps → starts that have not ended yet."""
        self.add(RunCreated("generated", encode([[program], {}])))
        self.add(RunStarted())

    def add(self, fact):
        """Append a fact; clocks of different hosts are some milliseconds apart."""
        log, stream = self.drawn.log, self.stream
        self.now_ms += stream.below(40)
        position = len(log) + 1
        correlation_id = getattr(fact, "correlation_id", "")
        at_ms = self.now_ms - stream.below(5)
        log.append(
            Event("wrun_1", f"evnt_{position}", position, at_ms, fact.type, correlation_id, fact)
        )

    def play(self):
        """The run, until it has completed or its log is long enough."""
        log = self.drawn.log
        while len(log) < EVENTS_MAX:
            result = self.drawn.scratch(now_ms=self.now_ms)
            if not isinstance(result.outcome, Suspension):
                break
            requests = result.outcome.requests
            self.asked = {each.correlation_id: each for each in requests if not each.created}
            for each in requests:
                if each.correlation_id in self.live:
                    self.live[each.correlation_id] = each
            assert self.moves(), f"a run that nobody can help: {result.outcome} {self.drawn}"
            for _ in range(self.stream.between(1, 4)):
                self.move(self.moves())
        for _ in range(self.stream.below(4)):  # stragglers: the run's end is not written yet
            self.move(self.happenings())
        if isinstance(result.outcome, Completed):
            self.add(RunCompleted(encode(result.outcome.output)))
        return self.drawn

    def move(self, moves):
        """One of them, if there are any."""
        if moves:
            self.stream.choice(moves)()

    def moves(self):
        """What may happen next, once for each way it may."""
        moves = self.happenings()
        if self.asked:
            moves += [self.record] * (1 + len(moves) // 2)
        return moves

    def happenings(self):
        """What may happen next that no pass has to ask for."""
        moves = []
        for request in self.live.values():
            moves += [lambda request=request: self.happens_to(request)] * 3
        if moves:
            moves.append(self.attribute)
            moves.append(self.repeat)
        return moves

    def attribute(self):
        """A body sets an attribute."""
        self.add(AttrSet("", encode({"by": "a body"})))

    def repeat(self):
        """What the log has already is written again, where that is legal."""
        tolerant = self.drawn.policy.unconsumed is UnconsumedEvents.U3
        repeatable = REPEATED_UNDER_U3 if tolerant else REPEATED
        log = self.drawn.log
        said = [each.fact for each in log if each.correlation_id and each.type in repeatable]
        if said:
            self.add(self.stream.choice(said))

    def record(self):
        """Write down what was asked for: in code order, shuffled, or some of it."""
        requests = list(self.asked.values())
        if self.stream.chance(0.3):
            requests = self.stream.shuffled(requests)
        if self.stream.chance(0.3):
            requests = requests[: self.stream.between(1, len(requests))]
        for request in requests:
            del self.asked[request.correlation_id]
            self.create(request)

    def create(self, request):
        """Write the event that creates it."""
        id_ = request.correlation_id
        if isinstance(request, AttrRequest):
            self.add(AttrSet(id_, request.changes))
            return
        if isinstance(request, StepRequest):
            if self.stream.chance(0.2):  # lazily
                self.add(StepStarted(id_, request.step_name, input=request.input))
            else:
                self.add(StepCreated(id_, request.step_name, request.input))
        elif isinstance(request, WaitRequest):
            self.add(WaitCreated(id_, request.resume_at_ms))
        elif isinstance(request, HookRequest):
            if not request.is_system and self.stream.chance(0.1):
                self.add(HookConflict(id_, request.token, "wrun_other"))
                return
            self.add(HookCreated(id_, request.token, request.metadata, is_system=request.is_system))
        self.live[id_] = request

    def happens_to(self, request):
        """Something legal happens to a step, a sleep or a hook that exists."""
        if isinstance(request, StepRequest):
            self.body(request)
        elif isinstance(request, WaitRequest):
            resume_at_ms = next(
                each.fact.resume_at_ms
                for each in self.drawn.log
                if each.type == "wait_created" and each.correlation_id == request.correlation_id
            )
            self.now_ms = max(self.now_ms, resume_at_ms)
            told = resume_at_ms if self.stream.chance(0.5) else 0
            self.ends(request, WaitCompleted(request.correlation_id, told))
        elif isinstance(request, HookRequest):
            self.hook(request)

    def body(self, request):
        """A body starts, or one that has started ends."""
        id_ = request.correlation_id
        starts = self.running.get(id_, 0)
        if not starts or self.stream.chance(0.2):
            self.add(StepStarted(id_, request.step_name))
            self.running[id_] = starts + 1
        elif self.stream.chance(0.2):
            self.add(StepRetrying(id_, error_bytes("error"), retry_after_ms=self.now_ms + 10))
            self.running[id_] = starts - 1
        elif request.step_name == "risky" and self.stream.chance(0.6):
            self.ends(request, StepFailed(id_, error_bytes("fatal")))
        else:
            self.ends(request, StepCompleted(id_, encode(self.stream.below(1_000))))

    def hook(self, request):
        """A payload arrives, or the hook is gone."""
        id_ = request.correlation_id
        if request.is_system:
            if request.abort is not None:
                self.add(HookReceived(id_, request.token, request.abort))
        elif request.dispose and self.stream.chance(0.5):
            self.ends(request, HookDisposed(id_, request.token))
        else:
            self.add(HookReceived(id_, request.token, encode(self.stream.below(1_000))))

    def ends(self, request, fact):
        """Nothing may happen to it any more."""
        self.add(fact)
        del self.live[request.correlation_id]


def drawn_pair(number):
    """The ``number``-th random (program, log) pair; the policies take turns."""
    stream = Stream(number).fork("retained")
    program = drawn_program(stream.fork("program"))
    return Driver(program, POLICIES[number % len(POLICIES)], stream.fork("log")).play()
