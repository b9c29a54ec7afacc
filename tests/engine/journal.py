"""A run's log, written by hand or by a driver, and passes over it."""

from __future__ import annotations

from simworld.engine import (
    Delivery,
    EnginePolicy,
    Event,
    Program,
    RunCreated,
    RunIdentity,
    RunStarted,
    StepCompleted,
    StepCreated,
    StepFailed,
    StepStarted,
    Suspension,
    Workflow,
    encode,
    run_pass,
    step,
    workflow,
)

EPOCH_MS = 1_750_000_000_000
D0 = EnginePolicy(delivery=Delivery.D0)
D4 = EnginePolicy(delivery=Delivery.D4)
POLICIES = {"D0": D0, "D4": D4}


@step
async def work(ctx, *args):
    """The step that most test workflows call; its body never runs here."""


def error_bytes(kind="exhausted", name="ValueError", message="broken"):
    """A recorded step error."""
    return encode({"kind": kind, "message": message, "name": name})


class Journal:
    """The log of one run of ``function``, which becomes a workflow unless it is one."""

    def __init__(self, function, *args, steps=(work,), **kwargs):
        flow = function if isinstance(function, Workflow) else workflow(function)
        self.program = Program.of(flow, *steps)
        self.identity = RunIdentity("wrun_1", flow.name, EPOCH_MS)
        self.log = []
        self.ids = {}
        self.add(RunCreated(flow.name, encode([list(args), kwargs])))
        self.add(RunStarted())

    def add(self, fact):
        """Append a fact, legal or not."""
        position = len(self.log) + 1
        correlation_id = getattr(fact, "correlation_id", "")
        event = Event(
            "wrun_1",
            f"evnt_{position}",
            position,
            EPOCH_MS + position,
            fact.type,
            correlation_id,
            fact,
        )
        self.log.append(event)
        return self

    def run(self, policy=D4, *, upto=None):
        """One pass over the log, or over its first ``upto`` events."""
        return run_pass(self.program, self.identity, self.log[:upto], policy)

    def outcome(self, policy=D4):
        """What one pass comes to."""
        return self.run(policy).outcome

    def creates(self):
        """Record step_created for whatever the workflow asks for now."""
        result = self.run()
        for request in result.requests:
            self.ids[request.label] = request.correlation_id
        for request in new_requests(result):
            self.add(StepCreated(request.correlation_id, request.step_name, request.input))
        return self

    def completes(self, label, result=None):
        """A body of the step runs and returns."""
        self.add(StepStarted(self.ids[label], label.partition("#")[0]))
        return self.add(StepCompleted(self.ids[label], encode(result)))

    def fails(self, label, **error):
        """The step fails for good."""
        self.add(StepStarted(self.ids[label], label.partition("#")[0]))
        return self.add(StepFailed(self.ids[label], error_bytes(**error)))

    def waits_for(self, policy=D4):
        """Labels of the steps a suspended workflow waits for."""
        outcome = self.outcome(policy)
        assert isinstance(outcome, Suspension)
        return [request.label for request in outcome.requests]


def new_requests(result):
    """The requests of a suspension that the log does not hold yet."""
    if not isinstance(result.outcome, Suspension):
        return []
    return [request for request in result.outcome.requests if not request.created]


def asked(result):
    """All requests of a pass, as comparable values."""
    return [(each.correlation_id, each.label, each.input) for each in result.requests]
