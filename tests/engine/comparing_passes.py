"""What a retained pass must have in common with passes from scratch, and what all passes must.

Each check tells its first complaint; nothing to complain about is the empty string.
"""

from __future__ import annotations

import itertools

import attrs

from simworld.campaign.generated import GENERATED
from simworld.engine import (
    Completed,
    Pass,
    RunCompleted,
    SleepClock,
    Suspension,
    WaitRequest,
    decode,
    disagreement,
)
from simworld.entropy import Stream
from tests.engine.generated_logs import drawn_pair
from tests.engine.journal import EPOCH_MS

CHUNKS = (2, 4, 12, 40)
"""Bounds of how many events a pass is fed at once."""


def complaints(number):
    """All that is wrong with the ``number``-th random (program, log) pair."""
    drawn = drawn_pair(number)
    cuts = Stream(number).fork("cuts")
    found = first_difference(drawn, cuts), first_change(drawn), wrong_end(drawn)
    return [f"pair {number}: {each}" for each in found if each]


def first_difference(drawn, stream, make=Pass):
    """Where one pass, fed in chunks, is not what a pass from scratch is.

    The log is cut wherever the stream says, also where nothing is new.  ``make`` makes the pass.
    """
    kept = make(GENERATED, drawn.identity, drawn.policy)
    fed, now_ms = drawn.log[:1], EPOCH_MS
    try:
        while True:
            one, other = kept.feed(fed, now_ms), drawn.scratch(len(fed), now_ms=now_ms)
            told = disagreement(one, other) or _different_fields(drawn, one, other)
            if told:
                return f"after event {len(fed)}: {told}"
            if len(fed) == len(drawn.log) or not isinstance(other.outcome, Suspension):
                return ""
            fed += drawn.log[len(fed) : len(fed) + stream.below(stream.choice(CHUNKS))]
            now_ms += stream.below(1_000)
    finally:
        kept.close()


def _different_fields(drawn, one, other):
    """The same for what ``disagreement`` leaves out: all that a runtime reads from a request."""
    for left, right in zip(one.requests, other.requests, strict=True):
        ours, theirs = _fields(drawn, left), _fields(drawn, right)
        if ours != theirs:
            return f"{ours} is {theirs} from scratch"
    return ""


def _fields(drawn, request):
    fields = attrs.asdict(request, recurse=False)
    # Until somebody has recorded a sleep's end, the clock of the host that asks may decide it.
    by_host = drawn.policy.sleep_clock is SleepClock.HOST
    if isinstance(request, WaitRequest) and by_host and not request.created:
        del fields["resume_at_ms"]
    return fields


def first_change(drawn):
    """Where a longer log changes what a shorter one has asked for (spec §7, I-16)."""
    before = []
    for length in range(1, len(drawn.log) + 1):
        result = drawn.scratch(length, now_ms=length)
        now = [_decided(drawn, each) for each in result.requests]
        for old, new in itertools.zip_longest(before, now[: len(before)]):
            if old != new:
                return f"event {length} turns {old} into {new}"
        before = now
    return ""


def _decided(drawn, request):
    """What was decided when it was asked for, and may never change."""
    fields = {"label": request.label, **_fields(drawn, request)}
    for name in ("created", "done", "conflict", "dispose", "abort"):
        fields.pop(name, None)
    if drawn.policy.sleep_clock is SleepClock.HOST:
        fields.pop("resume_at_ms", None)
    return fields


def wrong_end(drawn):
    """How a cold replay of a legal log ends, if not as the run did (spec §7, I-16)."""
    fact, outcome = drawn.log[-1].fact, drawn.scratch().outcome
    if not isinstance(fact, RunCompleted):
        return "" if isinstance(outcome, Suspension) else f"it should go on: {outcome}"
    output = decode(fact.output)
    same = isinstance(outcome, Completed) and outcome.output == output
    return "" if same else f"the run ended with {output!r}, its replay with {outcome}"
