"""Which turns of a trace matter, where events were committed, and how the rest is folded.

A trial has hundreds of turns and a story about a dozen: those of the race, those about the broken
place, those where a scheduled block ends or a fault strikes.  Everything else is folded into one
line that says how much was left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import attrs

from simworld.engine import Event
from simworld.records import Story, Turn
from simworld.render.roles import Roles, delivery_of, messages_of
from simworld.render.text import count, listed

FOLD_MIN = 3
"""A shorter stretch is shown: a fold would save nothing."""
ALIKE_MAX = 3
"""How often the same turn of a task is told: whatever it tries over and over is clear by then."""
NAMED_MAX = 3
"""Roles that a fold names; the rest are others."""
ROWS_MAX = 26
"""Turns told of what came too late or nothing explains; what is told in any story may be more."""

_FAULTY = re.compile(r"\bcrash|\bdie[sd]?\b|\bdead\b|\blost\b|\bkilled\b", re.I)
_RECORDED = re.compile(r"(?:\d+ rows?; )?event (\d+)\b")
_NOISE = re.compile(r"\S*[#/]\S*(?<!:)|\b(?:wrun|step|msg|evnt)_[0-9A-Z]{10,}\b|(?<!\S)\d+(?!\S)")
_WIRE = re.compile(r"(?:wait for|get) the answer: ")

HELD, DEAD, BROKEN = "is held back here", "not done: its host dies just before", "the law is broken"
"""What can be said below a turn."""
REQUEST_FAULTS = ("lost_request", "duplicate_request", "late_answer", "stale_read", "holed_read")
"""Kinds of faults whose target is a task that does one thing, and that is told."""
_ENTITY = re.compile(r"[\w-]+#\d+")
_HANDLING = re.compile(r"(?:deliver|send) |acknowledge|ask for redelivery")
_BODY = re.compile(r"(?:begin|end) the body")
_MEETING = "go on: what it waited for has happened"
NOTHING = "nothing to record"
"""The outcome of an operation that changed nothing."""


@attrs.frozen
class Shown:
    """A turn that is told; ``notes`` are said right below it."""

    turn: Turn
    position: int
    """Place in the log of the event it committed; 0 for none."""
    notes: tuple[str, ...] = ()


@attrs.frozen
class Folded:
    """A stretch of turns that is not told."""

    turns: tuple[Turn, ...]


def timeline(story: Story) -> list[Shown | Folded]:
    """The story's turns in order, uninteresting stretches folded."""
    notes = _notes(story)
    matter = _matter(story)
    positions = log_positions(story)
    told: list[Shown | Folded] = []
    pending: list[int] = []

    def close() -> None:
        left = [each for each in pending if not _is_meeting(story, story.turns[each])]
        if all(_WIRE.match(story.turns[each].op) for each in left):
            pass  # a request and its answer travel; what they do is told in the request's own turn
        elif len(left) >= FOLD_MIN:
            told.append(Folded(tuple(story.turns[each] for each in left)))
        else:
            told.extend(Shown(story.turns[each], positions.get(each, 0)) for each in left)
        pending.clear()

    for index, turn in enumerate(story.turns):
        if index in matter:
            close()
            told.append(Shown(turn, positions.get(index, 0), tuple(notes.get(index, ()))))
        else:
            pending.append(index)
    close()
    return told


def _is_meeting(story: Story, turn: Turn) -> bool:
    """Whether a subject's code goes on in one part because another has got its answer: nothing is
    done, and who has seen the other turns need not be told."""
    return bool(story.repro.subject) and turn.op == _MEETING


def told_turns(story: Story) -> list[Turn]:
    """The turns that matter, and nothing about the others."""
    matter = _matter(story)
    return [turn for index, turn in enumerate(story.turns) if index in matter]


def cast_of(story: Story, *more: Turn) -> Roles:
    """Roles for everybody who is told about, or named in an outcome that is; then for ``more``."""
    roles = Roles(messages=messages_of(story.turns))
    told = [each.turn for each in timeline(story) if isinstance(each, Shown)]
    for turn in (*told, *more):
        roles.cast(turn.task)
        roles.cast_all(turn.outcome)
    return roles


def fold_text(fold: Folded, roles: Roles) -> str:
    """``… 14 turns of A and 2 others: 9 × record step_created, 5 × send``."""
    known = [roles.role_of(turn.task) for turn in fold.turns if roles.knows(turn.task)]
    who = list(dict.fromkeys(known))
    strangers = {delivery_of(turn.task) for turn in fold.turns if not roles.knows(turn.task)}
    others = len(strangers) + max(len(who) - NAMED_MAX, 0)
    if others:
        who = [*who[:NAMED_MAX], count(others, "other" if who else "other handler")]
    acts = Counter(_act(turn.op) for turn in fold.turns if not _WIRE.match(turn.op))
    words = [f"{times} × {act}" if times > 1 else act for act, times in acts.most_common()]
    return f"… {count(len(fold.turns), 'turn')} of {listed(who)}: {listed(words)}"


def _act(op: str) -> str:
    """An operation without the entity it is about, so that alike ones can be counted."""
    act = " ".join(_NOISE.sub(" ", op).split())
    act = re.sub(r"(?: (?:of|for|to|on|in|at|from|the))+(?: (:)|$)", r"\1", act)
    return act or op


# --- what matters --------------------------------------------------------------------------------


def step_of(place: str) -> str:
    """The entity of a place such as ``run/work#3``, as operations name it."""
    return place.rsplit("/", maxsplit=1)[-1]


def _about(turn: Turn, entity: str) -> bool:
    """Whether the turn acts on the entity; without one, whatever the log tells."""
    if turn.outcome == NOTHING or _WIRE.match(turn.op):
        return False
    return _mentions(turn, entity) if entity else _is_told(turn)


def _acted_on(turns: Sequence[Turn], place: str) -> str:
    """The entity of a place, if there is one and operations name it (they name no ``race#1``)."""
    entity = step_of(place)
    named = "#" in entity and any(_mentions(turn, entity) for turn in turns)
    return entity if named else ""


def _is_told(turn: Turn) -> bool:
    return turn.outcome.startswith("event ") or " run_" in f" {turn.op}"


def _mentions(turn: Turn, entity: str) -> bool:
    pattern = re.compile(rf"(?<![\w#:]){re.escape(entity)}(?!\w)")
    return bool(pattern.search(turn.op)) or any(pattern.search(label) for label, _ in turn.labels)


def _broken_at(story: Story) -> int:
    """Index of the turn that made the anomaly visible; -1 when there is none."""
    before = (n for n, turn in enumerate(story.turns) if turn.turn <= story.anomaly.turn)
    return max(before, default=-1)


def _matter(story: Story) -> set[int]:
    """Indexes of turns that are told."""
    matter = _essential(story) | set(_notes(story))
    if story.twin is None or story.anomaly.law.startswith("L-"):
        for index in _bearing(story):
            if len(matter) >= ROWS_MAX:
                break
            matter.add(index)
    return matter


def _bearing(story: Story) -> list[int]:
    """Indexes of turns that bear on what came too late, or raced with nobody, those first that do
    most: events and bodies of what the failure names, then how messages were sent, delivered and
    done with and the other events and bodies, the last before the break first."""
    named = dict.fromkeys(_ENTITY.findall(f"{story.anomaly.place} {story.anomaly.message}"))
    about: list[int] = []
    others: list[int] = []
    for index in range(_broken_at(story), -1, -1):
        turn = story.turns[index]
        tells = _RECORDED.match(turn.outcome) or _BODY.match(turn.op)
        if tells and any(_mentions(turn, each) for each in named):
            about.append(index)
        elif tells or _HANDLING.match(turn.op) or _is_refused(turn):
            others.append(index)
    return about + others


def _is_refused(turn: Turn) -> bool:
    return turn.op.startswith("record ") and turn.outcome.startswith("refused")


def _essential(story: Story) -> set[int]:
    """Indexes of turns that are told: the race, up to the break whatever is about the place, and
    what is refused there later."""
    turns, entity = story.turns, _acted_on(story.turns, story.anomaly.place)
    race = {story.race.first.turn, story.race.second.turn} if story.race else set()
    copies = [fault.target for fault in story.repro.faults if fault.kind == "duplicate"]
    struck = {fault.target for fault in story.repro.faults if fault.kind in REQUEST_FAULTS}
    struck |= {fault.target for fault in story.repro.faults if "@" in fault.target}
    broken = _broken_at(story)
    found: set[int] = set()
    done: Counter[str] = Counter()
    alike: Counter[tuple[str, str, str]] = Counter()
    for index, turn in enumerate(turns):
        done[turn.task] += 1
        begins = done[turn.task] == 1
        if (
            index == 0
            or turn.turn in race
            or turn.task in struck
            or f"{turn.task}@{done[turn.task]}" in struck
            or _FAULTY.search(turn.outcome)
            or (begins and any(turn.task.startswith(f"{each}~") for each in copies))
        ):
            found.add(index)
        elif _about(turn, entity) and (index <= broken or turn.outcome.startswith("refused")):
            same = turn.task, turn.op, turn.outcome
            alike[same] += 1
            if alike[same] <= ALIKE_MAX:
                found.add(index)
    return found


def _notes(story: Story) -> dict[int, list[str]]:
    """Index of a turn → what is said below it."""
    turns = story.turns
    stops = {(entry.task, entry.until) for entry in story.repro.schedule.entries}
    crashes = {(each.target, each.value) for each in story.repro.faults if each.kind == "crash"}
    notes: dict[int, list[str]] = {}
    done: Counter[str] = Counter()
    for index, turn in enumerate(turns):
        task = turn.task
        done[task] += 1
        follower = turns[index + 1].task if index + 1 < len(turns) else task
        overtaken = delivery_of(follower) != delivery_of(task)
        if (task, done[task]) in stops and overtaken and _goes_on(turns, index):
            notes.setdefault(index, []).append(HELD)
        if (task, done[task]) in crashes:
            notes.setdefault(index, []).append(DEAD)
    if (broken := _broken_at(story)) >= 0:
        notes.setdefault(broken, []).append(BROKEN)
    return notes


def _goes_on(turns: Sequence[Turn], index: int) -> bool:
    """Whether its task goes on later; of a request that has ended, whether its answer comes."""
    turn, later = turns[index], turns[index + 1 :]
    sender, about = turn.task.rpartition("/")[0], f" the answer: {turn.op}"
    return any(
        each.task == turn.task or (each.task == sender and each.op.endswith(about))
        for each in later
    )


# --- where events went ---------------------------------------------------------------------------


def log_positions(story: Story) -> dict[int, int]:
    """Index of a turn → position in the log of the event it committed.

    An outcome that begins with ``event 12`` says so itself.  Where the outcome does not tell (its
    answer was lost, say) the rest of the log is laid beside the turns: same virtual time, same
    order, and an operation that names the event's type and step.  Turns about other runs' logs have
    positions in those.
    """
    own = [index for index, turn in enumerate(story.turns) if not _elsewhere(turn, story)]
    found = {
        index: int(match[1])
        for index in own
        if (match := _RECORDED.match(story.turns[index].outcome))
    }
    told = set(found.values())
    missing = [event for event in story.log if event.position not in told]
    for index in own:
        turn = story.turns[index]
        if index in found or turn.outcome.startswith("refused"):
            continue
        for offset, event in enumerate(missing):
            if event.created_at_ms > turn.now_ms:
                break
            if _recorded_by(event, turn, story.labels):
                found[index] = event.position
                del missing[: offset + 1]
                break
    return found


def _elsewhere(turn: Turn, story: Story) -> bool:
    """Whether the turn reads or writes the log of another run than the story's."""
    run_id = story.log[0].run_id if story.log else ""
    own = f"log {story.labels.get(run_id, run_id)}"
    return any(label.startswith("log ") and label != own for label, _ in turn.labels)


def _recorded_by(event: Event, turn: Turn, labels: Mapping[str, str]) -> bool:
    label = step_of(labels.get(event.correlation_id, event.correlation_id))
    return (
        event.created_at_ms == turn.now_ms
        and event.type in turn.op.split()
        and (not label or _mentions(turn, label))
    )
