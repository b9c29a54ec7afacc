"""The engine as it is repaired, and as it is quick: what real workers run."""

from __future__ import annotations

import attrs

from simworld.engine.policy import (
    AttemptGuard,
    BackgroundAfter,
    Commits,
    CompleteErrors,
    Delivery,
    EnginePolicy,
    HookOrder,
    IdScheme,
    InlineGate,
    KeyPolicy,
    LoopErrors,
    PassMode,
    Results,
    Resume,
    Seed,
    SleepClock,
    StatusCheck,
    StreamWrite,
    UnconsumedEvents,
    WaitDispatch,
    WaitPush,
    Wakes,
    WorkflowClock,
)

REPAIRED = EnginePolicy(
    attempt_guard=AttemptGuard.G8,
    inline_gate=InlineGate.OWNED,
    hook_order=HookOrder.CODE_ORDER,
    resume=Resume.DURABLE_RETRIED,
    key_policy=KeyPolicy.EPOCH,
    bg_after=BackgroundAfter.ALWAYS_CONTINUE,
    bg_status_check=StatusCheck.NOT_TERMINAL,
    wait_push=WaitPush.REFRESH,
    wait_dispatch=WaitDispatch.MESSAGE,
    unconsumed=UnconsumedEvents.U2,
    validate=True,
    delivery=Delivery.D4,
    clock=WorkflowClock.C1,
    sleep_clock=SleepClock.WORKFLOW,
    ids=IdScheme.CALL_SITE,
    seed=Seed.RUN_ID,
    passes=PassMode.RETAINED,
    loop_errors=LoopErrors.RETHROW,
    complete_errors=CompleteErrors.RETHROW,
    settle_ms=30_000,  # whatever a step's streams still hold is written before it is done
)
"""Every knob at its repaired value: variant ``fixed``."""

FAST = attrs.evolve(
    REPAIRED,
    commits=Commits.TOGETHER,
    wakes=Wakes.MERGED,
    results=Results.TOLD,
    bg_status_check=StatusCheck.START_TELLS,
    stream_write=StreamWrite.PROMPT,
)
"""The repaired engine with as few commits, messages and looks as it can do with: variant ``fast``,
and what a real worker runs."""
