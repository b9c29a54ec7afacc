"""A run's log, written by hand or by a driver, and passes over it."""

from __future__ import annotations

from simworld.engine import (
    AttrRequest,
    AttrSet,
    Delivery,
    EnginePolicy,
    Event,
    HookConflict,
    HookCreated,
    HookDisposed,
    HookReceived,
    HookRequest,
    Program,
    RunCreated,
    RunIdentity,
    RunStarted,
    StepCompleted,
    StepCreated,
    StepFailed,
    StepRequest,
    StepStarted,
    Suspension,
    WaitCompleted,
    WaitCreated,
    Workflow,
    encode,
    run_pass,
    step,
    workflow,
)

EPOCH_MS = 1_750_000_000_000
D0, D1, D2, D3, D4 = (EnginePolicy(delivery=each) for each in Delivery)
POLICIES = {"D0": D0, "D4": D4}


@step
async def work(ctx, *args):
    """The step that most test workflows call; its body never runs here."""


def error_bytes(kind="exhausted", name="ValueError", message="broken"):
    """A recorded step error."""
    return encode({"kind": kind, "message": message, "name": name})


class Journal:
    """The log of one run of ``function``, which becomes a workflow unless it is one.

    Event n is recorded at ``EPOCH_MS`` + n, unless ``at_ms`` says when.
    """

    def __init__(self, function, *args, steps=(work,), policy=D4, **kwargs):
        flow = function if isinstance(function, Workflow) else workflow(function)
        self.program = Program.of(flow, *steps)
        self.identity = RunIdentity("wrun_1", flow.name, EPOCH_MS)
        self.policy = policy
        self.log = []
        self.requests = {}
        self.add(RunCreated(flow.name, encode([list(args), kwargs])))
        self.add(RunStarted())

    @property
    def ids(self):
        """Label → correlation id, of everything that was recorded as created."""
        return {label: each.correlation_id for label, each in self.requests.items()}

    def add(self, fact, *, at_ms=None):
        """Append a fact, legal or not."""
        position = len(self.log) + 1
        event = Event(
            "wrun_1",
            f"evnt_{position}",
            position,
            EPOCH_MS + position if at_ms is None else at_ms,
            fact.type,
            getattr(fact, "correlation_id", ""),
            fact,
        )
        self.log.append(event)
        return self

    def run(self, policy=None, *, upto=None, now_ms=0):
        """One pass over the log, or over its first ``upto`` events."""
        return run_pass(self.program, self.identity, self.log[:upto], policy or self.policy, now_ms)

    def outcome(self, policy=None):
        """What one pass comes to."""
        return self.run(policy).outcome

    def output(self, policy=None):
        """What a finished workflow returned."""
        outcome = self.outcome(policy)
        if not hasattr(outcome, "output"):
            raise AssertionError(f"the workflow has not returned: {outcome}")
        return outcome.output

    def error(self, policy=None):
        """What a failed workflow raised."""
        outcome = self.outcome(policy)
        if not hasattr(outcome, "error"):
            raise AssertionError(f"the workflow has not failed: {outcome}")
        return outcome.error

    # What a runtime, a client or a body of a step writes.

    def creates(self, *, now_ms=0):
        """Record the creation of whatever the workflow asks for now, hooks' ends left out."""
        result = self.run(now_ms=now_ms)
        self.requests.update((each.label, each) for each in result.requests)
        for request in new_requests(result):
            self.add(creation(request))
        return self

    def completes(self, label, result=None, *, at_ms=None):
        """A body of the step runs and returns."""
        self.add(StepStarted(self.ids[label], label.partition("#")[0]), at_ms=at_ms)
        return self.add(StepCompleted(self.ids[label], encode(result)), at_ms=at_ms)

    def fails(self, label, **error):
        """The step fails for good."""
        self.add(StepStarted(self.ids[label], label.partition("#")[0]))
        return self.add(StepFailed(self.ids[label], error_bytes(**error)))

    def wakes(self, label, *, at_ms=None):
        """The sleep is over."""
        request = self.requests[label]
        return self.add(WaitCompleted(request.correlation_id, request.resume_at_ms), at_ms=at_ms)

    def receives(self, label, payload=None, *, at_ms=None):
        """A payload arrives at the hook."""
        request = self.requests[label]
        fact = HookReceived(request.correlation_id, request.token, encode(payload))
        return self.add(fact, at_ms=at_ms)

    def disposes(self, label):
        """The hook is gone."""
        request = self.requests[label]
        return self.add(HookDisposed(request.correlation_id, request.token))

    def conflicts(self, owner="wrun_other"):
        """The workflow's only new hook could not be created."""
        (request,) = new_requests(self.run())
        self.requests[request.label] = request
        return self.add(HookConflict(request.correlation_id, request.token, owner))

    # What a test asks.

    def waits_for(self, policy=None):
        """Labels of what a suspended workflow waits for."""
        outcome = self.outcome(policy)
        assert isinstance(outcome, Suspension)
        return [request.label for request in outcome.requests]

    def calls(self, policy=None, **options):
        """The arguments of all steps asked for, in the order of their ids."""
        requests = self.run(policy, **options).requests
        return [each.args for each in requests if isinstance(each, StepRequest)]


def creation(request):
    """The fact that records what was asked for."""
    if isinstance(request, StepRequest):
        return StepCreated(request.correlation_id, request.step_name, request.input)
    if isinstance(request, HookRequest):
        return HookCreated(request.correlation_id, request.token, request.metadata)
    if isinstance(request, AttrRequest):
        return AttrSet(request.correlation_id, request.changes)
    return WaitCreated(request.correlation_id, request.resume_at_ms)


def new_requests(result):
    """The requests of a suspension that the log does not hold yet."""
    if not isinstance(result.outcome, Suspension):
        return []
    return [request for request in result.outcome.requests if not request.created]


def asked(result):
    """All requests of a pass, as comparable values."""
    return [(each.correlation_id, *_content(each)) for each in result.requests]


def _content(request):
    if isinstance(request, StepRequest):
        return request.label, request.input
    if isinstance(request, HookRequest):
        return request.label, request.token
    return (request.label,)
