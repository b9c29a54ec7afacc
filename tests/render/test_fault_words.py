"""Every kind of fault has words of its own in a story."""

from __future__ import annotations

import pytest

from simworld.records import FAULTS, Fault
from simworld.render.faults import fault_in_words
from simworld.render.roles import Roles

STEP = "start/flow/work#3"
SECOND = "handler A, delivering the message for step work#3, second time,"
TOLD = {
    Fault("redelivery", f"{STEP}~2", 1): (
        f"{SECOND} counts as failed at once and lives on; its message is delivered again"
    ),
    Fault("redelivery", f"{STEP}~2", 4): (
        f"{SECOND} counts as failed after 1500 ms and lives on; its message is delivered again"
    ),
    Fault("slow_body", "work#3", 1): "the first body of work#3 takes longer than its lease",
    Fault("slow_body", "work#3", 2): "the first 2 bodies of work#3 take longer than their leases",
    Fault("scarce_workers", "queue", 1): (
        "the queue has only one worker, until the search has ended"
    ),
    Fault("scarce_workers", "queue", 3): (
        "the queue has only 3 workers, until the search has ended"
    ),
    Fault("late_hook", "client/late", 70): ("a payload of the client for a hook comes 70 ms late"),
    Fault("restart", f"{STEP}~2@7", 1): (
        f"every process dies before the 7th operation of {SECOND} and a service starts anew"
    ),
    Fault("lost_answer", f"{STEP}~2/part.2", 1): (
        f"the 1st operation of A/part.2 of {SECOND} commits and its answer is lost"
    ),
    Fault("lost_flush", f"{STEP}~2/flush@3", 1): (
        f"the write to a stream that is the 3rd operation of {SECOND} is refused, and not performed"
    ),
}


@pytest.mark.parametrize(("fault", "words"), TOLD.items(), ids=str)
def test_what_strikes_a_run_is_told_in_words(fault: Fault, words: str) -> None:
    assert fault_in_words(fault, Roles([f"{STEP}~2"])) == words


@pytest.mark.parametrize("kind", FAULTS)
def test_no_kind_is_told_as_it_is_written_down(kind: str) -> None:
    words = fault_in_words(Fault(kind, f"{STEP}@2", 2), Roles([STEP]))
    assert kind not in words
