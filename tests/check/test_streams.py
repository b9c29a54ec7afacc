"""I-24 and L-08: streams hold what was written, and readers come to their end."""

from __future__ import annotations

from typing import Any

import pytest

from simworld.records import (
    ChunkWritten,
    ClientCall,
    Fault,
    Follow,
    StreamAppend,
    StreamEnd,
    StreamRead,
)
from tests.check.build import FLOW, RUN, Tape, broken

LOG = "log"
WRITER = f"{FLOW}/flush"
PLACE = "run/stream log"
ONE, TWO, THREE = b"one", b"two", b"three"


def wrote(tape: Tape, *chunks: bytes, task: str = WRITER, answered: bool = True) -> Tape:
    """Chunks are sent, and known to be there."""
    tape.adds(StreamAppend, task, RUN, LOG, chunks, False)
    return tape.adds(StreamAppend, task, RUN, LOG, chunks, True) if answered else tape


def closed(tape: Tape, *, answered: bool = True) -> Tape:
    tape.adds(StreamEnd, FLOW, RUN, LOG, False)
    return tape.adds(StreamEnd, FLOW, RUN, LOG, True) if answered else tape


def read(tape: Tape, start: int, *chunks: bytes, end: bool = False, task: str = "client") -> Tape:
    return tape.adds(StreamRead, task, RUN, LOG, start, chunks, end)


def found(tape: Tape, *chunks: bytes, end: bool = False, **changes: Any) -> list[str]:
    """How I-24 is broken, the stream being such in the end."""
    final = tape.final(streams={(RUN, LOG): (chunks, end)}, **changes)
    return broken("I-24", tape, final)


def opened() -> Tape:
    return Tape().opened()


def test_i24_what_was_written_is_there_in_order() -> None:
    tape = wrote(wrote(opened(), ONE, TWO), THREE, task=f"{WRITER}.2")
    assert found(tape, ONE, TWO, THREE) == []
    assert found(tape, ONE, TWO) == [f"chunk-lost {PLACE}"]
    assert found(tape, ONE, THREE, TWO) == [f"chunk-lost {PLACE}"]


def test_i24_writers_may_take_turns() -> None:
    tape = wrote(wrote(opened(), ONE, TWO), THREE, task="start/flow/say#2/flush")
    assert found(tape, THREE, ONE, TWO) == []
    assert found(tape, ONE, THREE, TWO) == []
    assert found(tape, TWO, THREE, ONE) == [f"chunk-lost {PLACE}"]


def test_i24_what_is_not_known_to_be_there_may_be() -> None:
    tape = wrote(opened(), ONE, answered=False)
    assert found(tape) == []
    assert found(tape, ONE) == []
    assert found(tape, TWO) == [f"chunk-invented {PLACE}"]


def test_i24_a_chunk_is_there_twice_only_for_a_fault() -> None:
    tape = wrote(opened(), ONE)
    assert found(tape, ONE, ONE) == [f"chunk-doubled {PLACE}"]
    final = tape.final(streams={(RUN, LOG): ((ONE, ONE), False)})
    assert broken("I-24", tape, final, faults=(Fault("lost_answer", FLOW, 3),)) == []
    assert found(wrote(tape, ONE), ONE, ONE) == []


def test_i24_an_end_is_there_if_and_only_if_somebody_set_it() -> None:
    tape = wrote(opened(), ONE)
    assert found(tape, ONE, end=True) == [f"end-invented {PLACE}"]
    sent = closed(wrote(opened(), ONE), answered=False)
    assert found(sent, ONE, end=True) == found(sent, ONE) == []
    assert found(closed(tape), ONE, end=True) == []
    assert found(closed(tape), ONE) == [f"end-lost {PLACE}"]


def test_i24_readers_are_given_what_is_there() -> None:
    def seen(start: int, *chunks: bytes) -> list[str]:
        return found(read(wrote(opened(), ONE, TWO, THREE), start, *chunks), ONE, TWO, THREE)

    assert seen(0, ONE, TWO) == seen(1, TWO, THREE) == seen(5) == []
    assert seen(0, ONE, THREE) == seen(1, ONE) == seen(2, THREE, ONE) == [f"read-differs {PLACE}"]


def test_i24_the_end_comes_last() -> None:
    tape = closed(wrote(opened(), ONE, TWO))
    assert found(read(tape, 0, ONE, TWO, end=True), ONE, TWO, end=True) == []
    early = read(closed(wrote(opened(), ONE, TWO)), 0, ONE, end=True)
    assert found(early, ONE, TWO, end=True) == [f"early-end {PLACE}"]
    open_one = read(closed(wrote(opened(), ONE), answered=False), 0, ONE, end=True)
    assert found(open_one, ONE) == [f"early-end {PLACE}"]


def told(tape: Tape, *chunks: bytes, task: str = FLOW) -> Tape:
    """The step's body is told that its chunks are written."""
    for chunk in chunks:
        tape.adds(ChunkWritten, task, RUN, LOG, "run/say#1", chunk)
    return tape


def test_i24_a_completed_step_has_written_it_all() -> None:
    """R-67."""

    def said(*, task: str = FLOW) -> Tape:
        tape = wrote(Tape().opened("say#1"), ONE, TWO, answered=False)
        return told(tape.started("say#1").began("say#1"), ONE, TWO, task=task)

    done = said().ends("say#1").completed("say#1")
    assert found(done, ONE, TWO) == []
    assert found(done, ONE) == found(done) == [f"tail-lost {PLACE}"]
    assert found(done, ONE, drained=False) == []
    pumped = said(task=f"{FLOW}/pump").ends("say#1").completed("say#1")
    assert found(pumped, ONE) == [f"tail-lost {PLACE}"]
    assert found(said(), ONE) == []
    another = f"{FLOW}/say#1~2"  # named below the delivery that sent its message
    other = said(task=another)
    other.delivered("say#1", task=another, number=2).ends("say#1").completed("say#1")
    assert found(other, ONE) == []


def test_i24_what_it_writes_later_is_not_a_part_of_it() -> None:
    tape = wrote(Tape().opened("say#1"), ONE, TWO, answered=False)
    told(tape.started("say#1").began("say#1"), ONE).ends("say#1").completed("say#1")
    assert found(told(tape, TWO, task=f"{FLOW}/pump"), ONE) == []


def called(tape: Tape, phase: str, number: int = 1) -> Tape:
    return tape.adds(ClientCall, "client", number, phase, "read_stream", RUN, LOG)


def test_i24_a_client_is_given_every_chunk_once() -> None:
    def reads(*answers: tuple[int, int], end: bool = True) -> list[str]:
        tape = called(closed(wrote(opened(), ONE, TWO, THREE)), "invoke")
        for start, until in answers:
            last = end and (start, until) == answers[-1]
            read(tape, start, *(ONE, TWO, THREE)[start:until], end=last)
        return found(called(tape, "ok"), ONE, TWO, THREE, end=True)

    assert reads((0, 2), (2, 3)) == reads((1, 3)) == []
    assert reads((0, 1), (2, 3)) == reads((0, 2), (1, 3)) == ["reader-jumps stream log"]
    assert reads((0, 3), end=False) == ["reader-stops stream log"]


def test_i24_answers_of_two_readings_at_once_are_not_told_apart() -> None:
    tape = called(called(closed(wrote(opened(), ONE, TWO)), "invoke"), "invoke", 2)
    read(read(tape, 0, ONE), 0, ONE, TWO, end=True)
    called(called(tape, "ok"), "ok", 2)
    assert found(tape, ONE, TWO, end=True) == []


# --- L-08 -----------------------------------------------------------------------------------------

HANGS = [f"reader-hangs {PLACE}"]
STILL = ("client waits to see more of stream log",)


def follows(tape: Tape) -> Tape:
    return tape.adds(Follow, "client", RUN, LOG, 1)


@pytest.mark.parametrize("waiting", [STILL, ()])
def test_l08_a_reader_ends_after_the_end(waiting: tuple[str, ...]) -> None:
    tape = follows(closed(wrote(opened(), ONE)))
    final = tape.final(streams={(RUN, LOG): ((ONE,), True)}, waiting=waiting)
    assert broken("L-08", tape, final) == (HANGS if waiting else [])
    read(tape, 1, end=True)
    assert broken("L-08", tape, final._replace(waiting=STILL)) == []


def test_l08_a_reader_ends_after_the_run() -> None:
    tape = follows(closed(wrote(opened(), ONE), answered=False))
    held: dict[str, Any] = {"streams": {(RUN, LOG): ((ONE,), False)}, "waiting": STILL}
    assert broken("L-08", tape, tape.final(**held)) == []
    tape.run_completed()
    assert broken("L-08", tape, tape.final(**held)) == HANGS
    assert broken("L-08", tape, tape.final(**held, drained=False)) == []


def test_l08_who_died_or_failed_has_not_ended_it() -> None:
    """Where the run has ended meanwhile, nobody tries again."""
    held: dict[str, Any] = {"streams": {(RUN, LOG): ((ONE,), False)}, "waiting": STILL}

    def closing() -> Tape:
        tape = wrote(Tape().opened("say#1"), ONE).began("say#1")
        return follows(closed(tape, answered=False))

    dead = closing().crash("host-2", FLOW).run_cancelled()
    assert broken("L-08", dead, dead.final(**held)) == []
    failed = closing().ends("say#1", "error").run_cancelled()
    assert broken("L-08", failed, failed.final(**held)) == []
    another = closing().crash("host-2", "start/other").run_cancelled()
    assert broken("L-08", another, another.final(**held)) == HANGS
    held["streams"] = {(RUN, LOG): ((ONE,), True)}
    assert broken("L-08", dead, dead.final(**held)) == HANGS


def test_l08_what_nobody_closes_is_the_authors_affair() -> None:
    tape = follows(wrote(opened(), ONE)).run_completed()
    final = tape.final(streams={(RUN, LOG): ((ONE,), False)}, waiting=STILL)
    assert broken("L-08", tape, final) == []


def test_i24_what_one_body_writes_stands_in_its_order() -> None:
    """R-68; of chunks that are there twice nobody knows who has written which."""
    tape = wrote(wrote(Tape().opened("say#1"), TWO, answered=False), ONE, answered=False)
    told(tape, ONE, TWO)
    assert found(tape, ONE, TWO) == []
    assert found(tape, TWO, ONE) == [f"reordered {PLACE}"]
    wrote(tape, ONE, answered=False)
    assert found(tape, ONE, TWO, ONE) == []
    two_bodies = told(told(wrote(opened(), ONE, TWO, answered=False), ONE), TWO, task="start/other")
    assert found(two_bodies, TWO, ONE) == []


def test_l08_a_reader_ends_where_chunks_are_refused() -> None:
    """R-69: after its run's end; a fault may be why they are not there."""
    held: dict[str, Any] = {"streams": {(RUN, LOG): ((ONE,), False)}, "waiting": STILL}
    tape = follows(wrote(wrote(opened(), ONE), TWO, answered=False))
    assert broken("L-08", tape, tape.final(**held)) == []
    tape.run_completed()
    assert broken("L-08", tape, tape.final(**held)) == HANGS
    lost = (Fault("lost_flush", WRITER, 1),)
    assert broken("L-08", tape, tape.final(**held), faults=lost) == []
    dead = tape.crash("host-1", WRITER)
    assert broken("L-08", dead, dead.final(**held)) == []
