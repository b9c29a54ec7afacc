"""Goal: what the review proposed for R-02, a look at the recorded error in both places, repairs it.

It does not (R-04): the scenario here is the first form of ``inflated_attempts``, with bodies that
outlast a retry, and with a step that may not be tried again at all.  Right outcome: the step is
given up after max_retries + 1 failed bodies (I-12), and at once where that is one (I-27).

The second scenario asks where the starts side by side of R-03 come from if no message is delivered
twice: from a retry that carries no key, beside the message of a handler that is woken meanwhile.

The other entries from R-01 to R-07, who counts a step's attempts, and what they are taken for, are
those of the front page: ``concurrent_first_attempts``, ``inflated_attempts``, ``retry_exhaustion``.
"""

from __future__ import annotations

from scenarios import race_loop
from simworld.campaign import Case, Scenario
from simworld.check import Cost
from simworld.entropy import Stream
from simworld.records import FaultBudget, Fix, Race, Workload
from simworld.runtime import Client

BODIES_MS = (1_500, 3_000)
"""Longer than the second after which a failed body is tried again."""
MOMENTS_MS = (1_000, 2_000, 3_000)
"""When a client has the run looked at: at the first body, or when its retry is due."""


def several(stream: Stream) -> Workload:
    """Bodies that take long; the first one of some step with a message of its own fails."""
    return race_loop.drawn(stream, durations_ms=BODIES_MS, failing_bodies=1, failing_from=1)


def hopeless(stream: Stream) -> Workload:
    """One step, which may not be tried again, and fails."""
    return Workload(steps=1, max_retries=0, failures=(("work#1", 1),))


def cost(workload: Workload) -> Cost | None:
    """A single try is made, found wanting and told by a single delivery."""
    return Cost(deliveries_max=1) if workload.max_retries == 0 else None


scenario = Scenario(
    name="failure_is_not_the_last",
    title="a failure beside other bodies of the step is not taken for the last, now or later",
    law="I-12",
    laws=("I-18", "I-27"),
    workflow=race_loop.race_loop,
    steps=(race_loop.work,),
    args=race_loop.args,
    oracle=race_loop.oracle,
    cost=cost,
    cases=(
        Case(
            name="R-04",
            title="the mirror guard only moves the failure to the next start",
            races=("R-04",),
            draw=several,
            budget=FaultBudget(duplicates=3),
            expect={"G2": "FAIL I-12", "G3": "PASS", "G8": "PASS", "fixed": "PASS"},
            marks=("delivery.duplicate", "retry.after_error"),
        ),
        Case(
            name="no-retries",
            title="a step that may not be tried again is given up at once",
            races=("R-04",),
            draw=hopeless,
            budget=FaultBudget(),
            expect={"v2_merge": "PASS", "G2": "FAIL I-27", "G3": "PASS", "fixed": "PASS"},
        ),
    ),
)


async def woken(user: Client, workload: Workload) -> None:
    """Start the run, and have it looked at by a second handler about when its step is retried."""
    run_id = await user.start(*race_loop.args(workload))
    await user.sleep(workload.value("moment", 0))
    await user.reenqueue(run_id)


def retried(stream: Stream) -> Workload:
    """One step that may be tried twice; its first body fails, and the second is in no hurry."""
    body_ms, moment_ms = stream.choice(BODIES_MS), stream.choice(MOMENTS_MS)
    extra = (("moment", moment_ms),)
    return Workload(1, 1, durations_ms=(body_ms,), failures=(("work#1", 1),), extra=extra)


unkeyed = Scenario(
    name="retry_is_sent_once",
    title="a handler that is woken while a retry is due does not add a second one",
    law="I-12",
    laws=("I-18", "L-02"),
    workflow=race_loop.race_loop,
    steps=(race_loop.work,),
    args=race_loop.args,
    client=woken,
    oracle=race_loop.oracle,
    cases=(
        Case(
            name="R-03",
            title="the retry of the inline step carries no key",
            races=("R-03",),
            draw=retried,
            budget=FaultBudget(),
            expect={
                "v2_merge": "FAIL I-12",
                "v2_merge retry_key=step": "PASS",
                "G3": "PASS",
                "b37": "PASS",
                "fixed": "PASS",
            },
            marks=("retry.after_error",),
        ),
    ),
)

UNSTAMPED = "starts of step messages carry no stamp, and are counted as before"
REENTRY = "a message that is delivered twice is its own owner, and starts the step once more"

races = (
    Race(
        id="R-01",
        title="concurrent first starts inflate the attempt number",
        trigger="More handlers than the step has tries start it before any body fails; the last "
        "one reads an attempt number beyond the limit.",
        laws=("I-12", "I-18"),
        scenario="concurrent_first_attempts",
        case="R-01",
        faulty="v2_merge attempt_guard=G0",
        fixes=(
            Fix(system="v2_merge"),
            Fix(system="v2_merge attempt_guard=G3"),
            Fix(system="v2_merge attempt_guard=G5"),
            Fix(system="b37", remains=UNSTAMPED),
            Fix(system="fixed"),
        ),
        source="spec §6 R-01; guard L198 of the split engine; decisions §2",
    ),
    Race(
        id="R-02",
        title="the first real failure is taken for the last (scenario D)",
        trigger="Duplicates start a step side by side until its attempt number is max_retries + 1; "
        "then the first body to fail is taken for the last one that may.",
        laws=("I-12", "I-18"),
        scenario="inflated_attempts",
        case="R-02",
        faulty="v2_merge",
        fixes=(
            Fix(system="v2_merge attempt_guard=G3"),
            Fix(system="v2_merge attempt_guard=G5", remains=REENTRY),
            Fix(system="b37", remains=UNSTAMPED),
            Fix(system="fixed"),
        ),
        source="spec §6 R-02; guard L469; decisions §2",
    ),
    Race(
        id="R-03",
        title="a retry joins starts that are still running (scenario B)",
        trigger="One body of a step has failed; its retry and duplicates of it start together, and "
        "the last of them finds an attempt number beyond the limit and a recorded error.",
        laws=("I-12", "I-18"),
        scenario="inflated_attempts",
        case="R-03",
        faulty="v2_merge",
        fixes=(
            Fix(system="v2_merge attempt_guard=G3"),
            Fix(system="v2_merge attempt_guard=G5", remains=REENTRY),
            Fix(system="b37", remains=UNSTAMPED),
            Fix(system="fixed"),
        ),
        answer="confirmed of where the duplicates come from: a retry without a key, and a handler "
        "that is woken while that is due, are enough without any fault (retry_is_sent_once).  One "
        "key for both, retry_key=step, removes that cause, and leaves duplicates of a message.",
        source="spec §6 R-03, the cause of the duplicates derived; guard L198; decisions §2",
    ),
    Race(
        id="R-04",
        title="the mirror guard only moves the failure to the next start",
        trigger="Starts side by side have raised the attempt number to max_retries + 1 when a body "
        "fails; with both guards asking for a recorded error it is tried again, and then this next "
        "start finds both, a number beyond the limit and an error.",
        laws=("I-12", "I-18"),
        scenario="failure_is_not_the_last",
        case="R-04",
        faulty="v2_merge attempt_guard=G2",
        fixes=(
            Fix(system="v2_merge attempt_guard=G3"),
            Fix(system="v2_merge attempt_guard=G5", remains=REENTRY),
            Fix(system="b37", remains=UNSTAMPED),
            Fix(system="fixed"),
        ),
        answer="confirmed, where other bodies of the step outlast the retry: the same failure "
        "comes one start later, without another body.  Where one of them ends before, the guard "
        "does help (inflated_attempts, case R-02).  And a step with max_retries=0 now takes two "
        "deliveries to fail (case no-retries).",
        source="spec §6 R-04, derived; decisions §2",
    ),
    Race(
        id="R-05",
        title="an exclusive start without a proof of life",
        trigger="A handler starts a step and dies; the world refuses every other start while the "
        "step is running, so the redelivered message is acknowledged without running it.",
        laws=("L-01", "L-02"),
        scenario="retry_exhaustion",
        case="R-05",
        faulty="v2_merge attempt_guard=G4",
        fixes=(
            Fix(system="v2_merge attempt_guard=G5"),
            Fix(system="fixed"),
        ),
        source="spec §6 R-05; #316, #322",
    ),
    Race(
        id="R-06",
        title="bodies that are killed never exhaust the budget",
        trigger="Every body of a step is killed, so that no error is ever recorded, and the step "
        "is started again and again.",
        laws=("I-13a", "L-07"),
        scenario="retry_exhaustion",
        case="R-06",
        faulty="v2_merge",
        fixes=(
            Fix(system="v2_merge attempt_guard=G6"),
            Fix(system="v2_merge attempt_guard=G7 inline_gate=owner_stamp"),
            Fix(system="fixed"),
        ),
        source="spec §6 R-06; #3035",
    ),
    Race(
        id="R-07",
        title="deliveries that ran no body are counted as attempts",
        trigger="A body of a step fails.  The step's message has been delivered several times, "
        "mostly without a body being run; the engine goes by the number of deliveries or starts, "
        "and takes the failure for the last one.",
        laws=("I-12", "I-18"),
        scenario="retry_exhaustion",
        case="R-07",
        faulty="v2_merge attempt_guard=G6",
        fixes=(
            Fix(system="b37", remains=UNSTAMPED),
            Fix(system="fixed"),
        ),
        source="spec §6 R-07; #3069",
    ),
)
