"""Stories: heading, cast, turns, folds, the race, and the law's last word."""

from __future__ import annotations

import attrs
import pytest

from simworld.check import LAWS
from simworld.records import (
    FAULTS,
    Advance,
    Fault,
    RacingPair,
    Schedule,
    Story,
    Turn,
    TwinSearch,
    Workload,
)
from simworld.render import story_text
from simworld.render.timeline import log_positions
from tests.render import samples


def _lines(story: Story, width: int = 100) -> list[str]:
    return story_text(story, width=width).splitlines()


def _cells(story: Story, turn: int) -> list[str]:
    """The row of one turn, split where columns are."""
    start = f"{turn} "
    row = next(line for line in _lines(story) if line.lstrip().startswith(start))
    return [cell.strip() for cell in row.strip().split("  ") if cell.strip()]


def test_the_cast_is_explained() -> None:
    text = story_text(samples.story())
    assert "start = a client" in text
    assert "A = handler A, delivering message 1 (flow); start/flow" in text
    assert "B = handler B, delivering message 2 (step work#3); start/flow/work#3" in text
    assert "C = handler C, delivering message 2 (step work#3), second time; start/flow/" in text


def test_only_who_is_told_about_has_a_role() -> None:
    """A handler that is folded away is one of the others, and costs no letter."""
    unrelated = tuple(
        Turn(50 + n, samples.EPOCH_MS, f"start/flow/work#{4 + n % 2}", "read the log", "", ())
        for n in range(6)
    )
    turns = samples.turns()
    text = story_text(samples.story(turns=(*turns[:10], *unrelated, *turns[10:])))
    assert "… 6 turns of 2 other handlers: 6 × read the log" in text
    assert "work#4)" not in text
    assert "C = handler C, delivering message 2 (step work#3), second time" in text


# --- heading and setting -------------------------------------------------------------------------


def test_the_heading_names_law_place_and_message() -> None:
    text = " ".join(_lines(samples.story())[:4])
    assert text.startswith(
        "I-12 is broken at run/work#3 (retries-not-exhausted): work#3 was given up after 1 of 4 "
        "failed bodies. "
    )
    assert "inflated_attempts, case duplicates, on v2_merge in the atomic world" in text
    assert "seed 7, trial 131" in text


def test_changed_knobs_are_part_of_the_system() -> None:
    """A faulty system must not look as if its preset were at fault."""
    changed = ("ids=monotonic", "wait_push=local")
    text = " ".join(_lines(samples.story(changed=changed)))
    assert "on v2_merge with ids=monotonic, wait_push=local in the atomic world" in text


def test_a_number_of_steps_that_was_shrunk_away_is_not_told() -> None:
    plain = samples.story(repro=samples.repro(workload=Workload(steps=1)))
    assert "The run:" not in story_text(plain)
    bodies = samples.story(repro=samples.repro(workload=Workload(steps=0, durations_ms=(10, 0))))
    assert "The run: bodies take 10, 0 ms." in story_text(bodies)


def test_what_is_about_a_place_that_no_operation_names_is_what_the_log_tells() -> None:
    """A race has no operation of its own: its members' events are told."""
    broken = samples.anomaly(place="run/race#1", turn=17)
    story = samples.story(anomaly=broken, twins=TwinSearch(None, 9))
    recorded = [turn for turn in story.turns[:17] if turn.outcome.startswith("event ")]
    assert recorded
    for turn in recorded:
        assert str(turn.turn) in [line.split()[0] for line in _lines(story) if line.strip()]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("duplicate", samples.STEP, 1), "message 2 (step work#3) is delivered once more"),
        (Fault("duplicate", samples.FLOW, 2), "message 1 (flow) is delivered 2 times more"),
        (
            Fault("crash", samples.STEP, 3),
            "of handler B, delivering message 2 (step work#3), dies before",
        ),
        (Fault("crash", samples.STEP, 3), "dies before its 3rd operation"),
        (Fault("lost_answer", samples.AGAIN, 2), "the 2nd operation of handler C, delivering"),
        (Fault("lost_answer", "start", 1), "the 1st operation of the client start, commits and"),
        (Fault("kill_bodies", "work#3", 1), "the first body of work#3 dies before it ends"),
        (Fault("kill_bodies", "work#3", 4), "the first 4 bodies of work#3 die before they end"),
        (
            Fault("lost_request", f"{samples.STEP}/step_started.work#3", 1),
            "request step_started.work#3 of handler B, delivering message 2 (step work#3), never",
        ),
        (Fault("lost_request", "start/run_created", 1), "request run_created of the client start,"),
        (Fault("duplicate_request", f"{samples.FLOW}/x", 1), "arrives once more"),
        (Fault("duplicate_request", f"{samples.FLOW}/x", 3), "arrives 3 times more"),
        (Fault("late_answer", f"{samples.FLOW}/x", 700), "700 ms after its sender has given up"),
        (Fault("stale_read", f"{samples.FLOW}/read_log", 1), "misses the newest commit of the run"),
        (Fault("stale_read", f"{samples.FLOW}/read_log", 2), "the newest 2 commits of the run"),
        (Fault("holed_read", f"{samples.FLOW}/read_log", 2), "misses the 2nd event from the end"),
    ],
)
def test_faults_are_told_in_words(fault: Fault, words: str) -> None:
    story = samples.story(repro=samples.repro(faults=(fault,)))
    assert words in " ".join(story_text(story, width=160).split())


def test_every_kind_of_fault_has_words() -> None:
    for kind in FAULTS:
        story = samples.story(repro=samples.repro(faults=(Fault(kind, samples.STEP, 2),)))
        assert f"{kind} of" not in story_text(story)


def test_planned_failures_are_told_and_so_is_their_absence() -> None:
    assert "the 2nd body of work#3 to begin fails" in story_text(samples.story())
    calm = samples.repro(faults=(), workload=Workload(durations_ms=(0, 1_500)))
    text = story_text(samples.story(repro=calm))
    assert "What strikes it: nothing" in text
    assert "bodies take 0, 1500 ms" in text


# --- turns ---------------------------------------------------------------------------------------


def test_a_turn_has_number_time_role_deed_and_outcome() -> None:
    assert _cells(samples.story(), 14) == [
        "14",
        "5",
        "C",
        "record step_started of work#3",
        "event 8, attempt 1",
    ]


def test_time_counts_from_the_first_turn() -> None:
    assert _cells(samples.story(), 1)[1] == "0"
    assert _cells(samples.story(), 16)[1] == "1005"


def test_outcomes_name_deliveries_by_their_roles() -> None:
    assert _cells(samples.story(), 10)[-1] == "queued as B, delivered 4 times"


def test_a_long_dull_stretch_is_folded_and_says_what_it_was() -> None:
    lines = _lines(samples.story())
    (fold,) = [line.strip() for line in lines if "…" in line]
    assert fold.startswith("… 7 turns of start and A: 4 × record step_created, send flow")
    assert not any("work#1" in line for line in lines)


def test_a_short_stretch_is_not_folded() -> None:
    turns = samples.turns()
    story = samples.story(turns=(*turns[:3], *turns[8:]))
    assert "…" not in story_text(story)
    assert _cells(story, 3)[3] == "deliver flow"


@pytest.mark.parametrize(("subject", "told"), [("vercel-workflow", False), ("", True)])
def test_a_subjects_parts_meet_untold(subject: str, *, told: bool) -> None:
    turns = samples.turns()
    went_on = "go on: what it waited for has happened"
    meeting = Turn(50, samples.EPOCH_MS, samples.FLOW, went_on, "", ())
    story = samples.story(turns=(*turns[:10], meeting, *turns[10:]))
    repro = attrs.evolve(story.repro, subject=subject)
    assert (went_on in story_text(attrs.evolve(story, repro=repro))) is told


def test_what_the_story_is_about_is_never_folded() -> None:
    """A hundred dull turns around the race change nothing about what is told."""
    dull = [
        Turn(100 + n, samples.EPOCH_MS, samples.FLOW, f"record step_created of work#{n}", "", ())
        for n in range(30, 130)
    ]
    turns = samples.turns()
    story = samples.story(turns=(*turns[:2], *dull, *turns[2:]))
    text = story_text(story)
    for turn in (10, 14, 16, 17):
        assert _cells(story, turn)[0] == str(turn)
    assert "107 turns" in text
    assert len(text.splitlines()) < 50


@pytest.mark.parametrize("other", ["work#31", "homework#3"])
def test_a_step_is_not_confused_with_another_that_looks_alike(other: str) -> None:
    turns = tuple(
        turn._replace(op=turn.op.replace("work#1", other), labels=()) for turn in samples.turns()
    )
    assert other not in story_text(samples.story(turns=turns))


def _with_dull_turns(*special: Turn) -> tuple[Turn, ...]:
    """A trace in which only ``special`` may be worth telling."""
    dull = [Turn(n, samples.EPOCH_MS, "start", "read the log", "", ()) for n in range(1, 9)]
    return (*dull, *special, *(turn._replace(turn=turn.turn + 20) for turn in dull))


def test_the_two_that_raced_are_told_wherever_they_are() -> None:
    held = Turn(11, samples.EPOCH_MS, samples.STEP, "send flow", "", ())
    story = samples.story(
        anomaly=samples.anomaly(turn=1),
        turns=_with_dull_turns(held),
        twins=_racing(held),
        log=(),
    )
    assert _cells(story, 11)[3] == "send flow"


def _racing(first: Turn) -> TwinSearch:
    """A twin in which that turn comes after another."""
    race = RacingPair(first, samples.turns()[15], "step run/work#3")
    return TwinSearch(samples.twin(race=race), 1)


def test_a_lost_answer_is_told_wherever_it_happens() -> None:
    lost = Turn(11, samples.EPOCH_MS, samples.FLOW, "send flow", "done, but the answer is lost", ())
    early = samples.anomaly(turn=1)
    story = samples.story(anomaly=early, turns=_with_dull_turns(lost), twins=None, log=())
    assert _cells(story, 11)[3] == "send flow"


def test_the_beginning_of_a_duplicate_is_told() -> None:
    again = f"{samples.FLOW}~2"
    two = [Turn(n, samples.EPOCH_MS, again, "read the log", "", ()) for n in (11, 12)]
    story = samples.story(
        anomaly=samples.anomaly(turn=1),
        turns=_with_dull_turns(*two),
        repro=samples.repro(faults=(Fault("duplicate", samples.FLOW, 1),)),
        twins=None,
        log=(),
    )
    assert _cells(story, 11)[2] == "A"
    assert not any(line.startswith("  12 ") for line in _lines(story))


def test_what_is_tried_over_and_over_is_told_three_times() -> None:
    refused = samples.turns()[15]._replace(outcome="refused: 409 step work#3 is failed")
    tries = [refused._replace(turn=20 + n) for n in range(50)]
    lines = _lines(samples.story(turns=(*samples.turns(), *tries)))
    assert sum("refused: 409" in line for line in lines) == 3
    assert any("… 47 turns of B: 47 × record step_started" in line for line in lines)


def test_blocks_of_two_roles_are_apart() -> None:
    lines = _lines(samples.story())
    rows = {int(line.split()[0]): n for n, line in enumerate(lines) if line[:4].strip().isdigit()}
    assert rows[12] == rows[11] + 1
    assert lines[rows[13] - 1] == ""
    assert rows[14] == rows[13] + 1
    assert rows[10] == rows[9] + 1, "A and its branch A/create.3 are one role"


def test_who_is_held_back_is_said_where_it_happens() -> None:
    lines = _lines(samples.story())
    where = next(n for n, line in enumerate(lines) if "B is held back here" in line)
    assert lines[where - 1].split()[0] == "12"


def test_an_entry_that_holds_nobody_back_is_not_mentioned() -> None:
    to_its_end = Schedule((Advance(samples.STEP, 4, "deliver work#3"),))
    story = samples.story(repro=samples.repro(schedule=to_its_end))
    assert "held back here" not in story_text(story)


def test_a_handler_that_has_finished_is_not_held_back() -> None:
    to_its_end = Schedule((Advance(samples.AGAIN, 3, "deliver work#3"),))
    story = samples.story(repro=samples.repro(schedule=to_its_end))
    assert "held back here" not in story_text(story)


def test_a_crash_is_shown_at_the_operation_it_prevented() -> None:
    story = samples.story(repro=samples.repro(faults=(Fault("crash", samples.AGAIN, 2),)))
    lines = _lines(story)
    where = next(n for n, line in enumerate(lines) if "its host dies just before" in line)
    assert lines[where - 1].split()[0] == "14"


def test_where_the_law_breaks_is_said() -> None:
    lines = _lines(samples.story(anomaly=samples.anomaly(turn=16)))
    where = next(n for n, line in enumerate(lines) if "^ I-12 is broken" in line)
    assert lines[where - 1].split()[0] == "16"


def test_after_the_break_only_what_was_refused_is_told() -> None:
    after = [
        Turn(18, samples.EPOCH_MS, samples.AGAIN, "begin the body of work#3", "", ()),
        Turn(19, samples.EPOCH_MS, samples.AGAIN, "end the body of work#3", "", ()),
        Turn(20, samples.EPOCH_MS, samples.AGAIN, "read the log", "", ()),
        Turn(21, samples.EPOCH_MS, samples.AGAIN, "record step_completed of work#3",
             "refused: 409 step step_3 is failed", ()),
    ]  # fmt: skip
    story = samples.story(turns=(*samples.turns(), *after))
    assert "… 3 turns of C: begin the body, end the body and read the log" in story_text(story)
    assert _cells(story, 21)[-1] == "refused: 409 step work#3 is failed", "ids become labels"


def test_a_handler_that_waits_for_its_own_branches_is_not_held_back() -> None:
    entry = Schedule((Advance(samples.FLOW, 6, "deliver flow"),))
    assert "held back here" not in story_text(samples.story(repro=samples.repro(schedule=entry)))
    ours = Schedule((Advance(samples.FLOW, 2, "deliver flow"),))
    turns = list(samples.turns())
    turns[4] = turns[4]._replace(task=samples.STEP)
    story = samples.story(turns=tuple(turns), repro=samples.repro(schedule=ours))
    assert "A is held back here" in story_text(story)


def test_log_positions_are_found_where_the_outcome_does_not_tell() -> None:
    silent = {"record step_started of work#3": "done, but the answer is lost"}
    turns = tuple(turn._replace(outcome=silent.get(turn.op, "")) for turn in samples.turns())
    story = samples.story(turns=turns)
    assert _cells(story, 1)[-1] == "event 1"
    assert _cells(story, 9)[-1] == "event 7"
    assert _cells(story, 14)[-1] == "event 8, done, but the answer is lost"
    assert _cells(story, 16)[-1] == "event 9, done, but the answer is lost"
    assert _cells(story, 17)[-1] == "event 10"
    assert _cells(story, 13)[-1] == "deliver work#3", "it records nothing"


def test_of_the_statements_of_a_create_the_one_that_publishes_tells_its_position() -> None:
    turns = list(samples.turns())
    read, published = turns[3], turns[3]
    read = read._replace(op="record run_started: read the run", outcome="1 row")
    published = published._replace(op="record run_started: publish", outcome="1 row; event 2")
    story = samples.story(turns=(*turns[:3], read, published, *turns[4:]))
    assert log_positions(story)[4] == 2
    assert 3 not in log_positions(story)
    assert "event 2, 1 row" not in story_text(story)


def test_an_outcome_that_tells_its_position_is_believed() -> None:
    """Two starts at one time: only the one whose outcome is silent is given the free position."""
    same = samples.EPOCH_MS + 5
    turns = list(samples.turns())
    turns[15] = turns[15]._replace(now_ms=same, outcome="done, but the answer is lost")
    log = tuple(
        attrs.evolve(event, created_at_ms=same) if event.position == 9 else event
        for event in samples.log()
    )
    story = samples.story(turns=tuple(turns), log=log)
    assert _cells(story, 14)[-1] == "event 8, attempt 1"
    assert _cells(story, 16)[-1] == "event 9, done, but the answer is lost"


def test_an_event_of_another_time_is_not_claimed() -> None:
    turns = tuple(
        turn._replace(outcome="") if turn.turn == 16 else turn for turn in samples.turns()
    )
    log = tuple(
        attrs.evolve(event, created_at_ms=samples.EPOCH_MS + 6) if event.position == 9 else event
        for event in samples.log()
    )
    assert _cells(samples.story(turns=turns, log=log), 16)[-1] == "record step_started of work#3"


def test_a_refused_operation_has_no_log_position() -> None:
    turns = list(samples.turns())
    turns[13] = turns[13]._replace(outcome="refused: 409 work#3 is running")
    assert _cells(samples.story(turns=tuple(turns)), 14)[-1] == "refused: 409 work#3 is running"


def test_an_empty_trace_is_a_short_story() -> None:
    text = story_text(samples.story(turns=(), twins=None))
    assert "Turn by turn" not in text
    assert "I-12 wanted:" in text


# --- the end -------------------------------------------------------------------------------------


def test_ids_never_show() -> None:
    message = "run wrun_1: step_3 (step_3) is not what start/flow/work#3 (start/flow) asks for"
    text = story_text(samples.story(anomaly=samples.anomaly(message=message)))
    assert "(retries-not-exhausted): run: work#3 is not what B (A) asks for." in text


def test_a_message_is_named_as_its_sender_names_it() -> None:
    """Of several runs each has a flow message."""
    first, *rest = samples.turns()
    sent = first._replace(op="send flow of run:work#1", outcome=f"queued as {samples.STEP}/flow")
    begun = first._replace(turn=99, task=f"{samples.STEP}/flow", op="deliver flow")
    story = samples.story(turns=(first, sent, *rest, begun), repro=samples.repro(faults=()))
    told = story_text(attrs.evolve(story, anomaly=samples.anomaly(turn=99)))
    assert "handler D, delivering message 1 (flow of run:work#1); start/flow/work#3/flow" in told


@pytest.mark.parametrize("law", LAWS)
def test_every_law_has_a_sentence(law: str) -> None:
    story = samples.story(anomaly=samples.anomaly(law=law))
    assert "no short form" not in story_text(story)


def test_an_unknown_law_points_to_its_own_text() -> None:
    story = samples.story(anomaly=samples.anomaly(law="I-99"))
    assert "I-99 wanted: see the law I-99 itself" in story_text(story)


@pytest.mark.parametrize("place", ["run/work#3", "run"])
@pytest.mark.parametrize("width", [20, 60, 80, 100, 140])
def test_lines_fit(width: int, place: str) -> None:
    story = samples.story(anomaly=samples.anomaly(place=place))
    long = attrs.evolve(story.anomaly, message="a long message " * 20)
    lines = _lines(attrs.evolve(story, anomaly=long), width=width)
    assert max(map(len, lines)) <= max(width, 60)
    assert all(line == line.rstrip() for line in lines)


def test_a_story_about_a_run_tells_its_events() -> None:
    story = samples.story(anomaly=samples.anomaly(place="run", law="L-01"), twins=None)
    assert _cells(story, 4)[3] == "record run_started"


def test_a_story_about_a_run_tells_what_was_recorded_and_not_what_was_not() -> None:
    """Whatever it is about: a run's output hangs on every event of its log."""
    story = samples.story(anomaly=samples.anomaly(place="run", turn=17))
    first, *rest = story.turns
    idle = first._replace(op="record run_started", outcome="nothing to record")
    told = attrs.evolve(story, turns=(first, *[idle] * 5, *rest))
    lines = story_text(told).splitlines()
    assert sum("record step_created of work#" in line for line in lines) == 5
    assert not any("nothing to record" in line for line in lines)
    assert any("5 × record run_started" in line for line in lines)


def test_a_fold_counts_what_a_world_does_below_its_calls() -> None:
    doing = ("record step_created of work#{}: lock the run", "go on: all parts have finished")
    turns = [
        Turn(50 + n, samples.EPOCH_MS, samples.FLOW, doing[n > 2].format(n), "", ())
        for n in range(4)
    ]
    story = samples.story()
    told = " ".join(story_text(attrs.evolve(story, turns=(*story.turns, *turns), log=())).split())
    assert (
        "… 4 turns of A: 3 × record step_created: lock the run and go on: all parts have finished"
        in told
    )


def test_the_travels_of_a_request_are_left_out() -> None:
    """What it does is told once, where the server does it."""
    *before, last = samples.turns()
    request = f"{samples.STEP}/step_failed.work#3"
    story = samples.story()
    turns = (
        *before,
        last._replace(op=f"wait for the answer: {last.op}", outcome=""),
        last._replace(task=request),
        last._replace(turn=18, op=f"get the answer: {last.op}"),
    )
    told = story_text(attrs.evolve(story, turns=turns))
    assert "the answer" not in told
    assert "record step_failed of work#3" in told


def test_a_request_that_a_fault_strikes_is_told() -> None:
    first, *rest = samples.turns()
    request = f"{samples.FLOW}/read_log"
    dull = [first._replace(turn=50 + n, op="read the run") for n in range(4)]
    asked = first._replace(turn=60, task=request, op="read the log", outcome="4 events")
    story = samples.story(turns=(first, *rest, *dull, asked, *dull), log=())
    assert "4 events" not in story_text(story)
    for kind in ("lost_request", "duplicate_request", "late_answer", "stale_read", "holed_read"):
        struck = samples.repro(faults=(Fault(kind, request, 1),))
        assert "4 events" in story_text(attrs.evolve(story, repro=struck)), kind


def test_an_answer_that_is_held_back_is_told() -> None:
    first, *rest = samples.turns()
    request = f"{samples.STEP}/read_log"
    asked = first._replace(task=request, op="read the log", outcome="4 events")
    heard = first._replace(task=samples.STEP, op="get the answer: read the log", outcome="4 events")
    schedule = Schedule((Advance(request, 1, "read the log"),))
    story = samples.story(repro=samples.repro(schedule=schedule), turns=(asked, *rest, heard))
    assert "/read_log is held back here" in story_text(story)
    assert "held back here" not in story_text(attrs.evolve(story, turns=(asked, *rest)))


def test_a_fold_leaves_digits_of_names_alone() -> None:
    turns = [
        samples.turns()[0]._replace(turn=n + 50, op=f"resume hook round-0, {n}") for n in range(5)
    ]
    story = samples.story()
    told = attrs.evolve(story, turns=(*story.turns, *turns), log=())
    assert "round-0" in " ".join(story_text(told).split())
