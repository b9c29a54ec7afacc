"""The story of one failure: what broke, under which faults, turn by turn, and what raced.

A story is read by somebody who knows neither the schedule nor the task names.  So it opens with
the broken law, names the cast once, tells only the turns that matter, and closes with one sentence:
the two operations that race, or the fault, and what the law wanted instead.
"""

from __future__ import annotations

import re
from itertools import zip_longest

from simworld.records import Repro, Story, Turn, Workload
from simworld.render.faults import fault_in_words
from simworld.render.phrases import blame_sentence
from simworld.render.roles import Roles
from simworld.render.text import count, wrapped
from simworld.render.timeline import BROKEN, HELD, Folded, Shown, cast_of, fold_text, timeline
from simworld.render.twins import body_in_words, last_sentence, readable

WIDTH_MIN = 60


def story_text(story: Story, *, width: int = 100) -> str:
    """The whole story, in lines of at most ``width`` (≥ 60) where paths allow it."""
    width = max(width, WIDTH_MIN)
    told = timeline(story)
    roles = cast_of(story)
    sections = [
        heading(story, roles, width),
        _setting(story, roles, width),
        cast_lines(roles, width),
        _turns(story, told, roles, width),
    ]
    if story.repro.blame is not None and _is_the_recorded(story):
        sections.append(wrapped(blame_sentence(story.repro.blame), width, rest="  "))
    sections.append(wrapped(last_sentence(story, roles), width, rest="  "))
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _is_the_recorded(story: Story) -> bool:
    """Whether the failure that is told is the one that the repro was saved for."""
    return (story.anomaly.law, story.anomaly.place) == (story.repro.law, story.repro.place)


def engine_of(repro: Repro) -> str:
    """The variant; of a subject, with its version."""
    return f"{repro.variant} {repro.subject_version}".rstrip()


def heading(story: Story, roles: Roles, width: int) -> list[str]:
    """What is broken, and where it was found."""
    anomaly, repro = story.anomaly, story.repro
    message = readable(roles.shorten(anomaly.message), story.labels).strip().rstrip(".")
    head = f"{anomaly.law} is broken at {anomaly.place} ({anomaly.kind}): {message}."
    case = f", case {repro.case}" if repro.case else ""
    changed = f" with {', '.join(story.changed)}" if story.changed else ""
    where = (
        f"{repro.scenario}{case}, on {engine_of(repro)}{changed} in the {repro.world} world; "
        f"seed {repro.seed}, trial {repro.trial}, found by {repro.explorer}."
    )
    return wrapped(head, width) + wrapped(where, width)


# --- the setting ---------------------------------------------------------------------------------


def _setting(story: Story, roles: Roles, width: int) -> list[str]:
    repro = story.repro
    lines = list(story.values)
    if not lines and (drawn := _workload(repro.workload)):
        lines = wrapped(f"The run: {drawn}.", width, rest="  ")
    faults = [fault_in_words(fault, roles) for fault in repro.faults]
    faults += [body_in_words(body) for body in repro.workload.failures]
    if not faults:
        return [*lines, "What strikes it: nothing; the order of the turns is enough."]
    lines.append("What strikes it:")
    for fault in faults:
        lines += wrapped(fault, width, first="  - ", rest="    ")
    return lines


def _workload(workload: Workload) -> str:
    """The values that say something: no step or one is what shrinking has made of any number."""
    drawn = [count(workload.steps, "step")] if workload.steps > 1 else []
    if workload.max_retries is not None:
        drawn.append(f"max_retries {workload.max_retries}")
    told = [", ".join(drawn)] if drawn else []
    if any(workload.durations_ms):
        told.append(f"bodies take {', '.join(map(str, workload.durations_ms))} ms")
    return "; ".join([*told, *(f"{name} {value}" for name, value in workload.extra)])


def cast_lines(roles: Roles, width: int) -> list[str]:
    """Who is who."""
    rows = roles.legend()
    indent = max((len(role) for role, _ in rows), default=0) + 2
    lines: list[str] = []
    for role, who in rows:
        lines += wrapped(who, width, first=f"{role:>{indent}} = ", rest=" " * (indent + 3))
    return lines


# --- turn by turn --------------------------------------------------------------------------------


def _turns(story: Story, told: list[Shown | Folded], roles: Roles, width: int) -> list[str]:
    """The turns; a blank line wherever another role takes over."""
    if not told:
        return []
    table = _Columns(story, told, roles, width)
    lines = wrapped(
        "Turn by turn; ms is virtual time, “event n” the n-th event of the run's log.", width
    )
    lines += ["", *table.row("turn", "ms", "who", "what it did", "outcome")]
    last_role: str | None = None
    for each in told:
        role = "" if isinstance(each, Folded) else roles.role_of(each.turn.task)
        if role != last_role:
            lines.append("")
        last_role = role
        if isinstance(each, Folded):
            lines += wrapped(fold_text(each, roles), width, first=table.margin, rest=table.margin)
        else:
            lines += table.row(*table.cells(each))
            lines += [
                f"{table.margin}^ {_note(note, each.turn, story, roles)}" for note in each.notes
            ]
    return lines


def _note(note: str, turn: Turn, story: Story, roles: Roles) -> str:
    if note == HELD:
        return f"{roles.who(turn.task)} {note}"
    return f"{story.anomaly.law} is broken" if note == BROKEN else note


class _Columns:
    """Lays out rows; the first three columns are as wide as they must be, the others share."""

    def __init__(self, story: Story, told: list[Shown | Folded], roles: Roles, width: int) -> None:
        self._start_ms = story.turns[0].now_ms
        self._labels = story.labels
        self._roles = roles
        rows = [self.cells(each) for each in told if isinstance(each, Shown)]
        rows.append(("turn", "ms", "who", "what it did", "outcome"))
        widest = [max(len(row[column]) for row in rows) for column in range(5)]
        self._turn, self._ms, self._who, longest, outcome = widest
        self.margin = " " * (self._turn + self._ms + self._who + 6)
        room = max(width - len(self.margin) - 2, 30)
        self._op = min(longest, max(room * 55 // 100, room - outcome))
        self._outcome = room - self._op

    def cells(self, shown: Shown) -> tuple[str, str, str, str, str]:
        """What each column says about a turn."""
        turn = shown.turn
        since = str(turn.now_ms - self._start_ms)
        return str(turn.turn), since, self._roles.who(turn.task), turn.op, self._said(shown)

    def _said(self, shown: Shown) -> str:
        """The outcome in names people know, with the log position where it does not say it."""
        text = readable(self._roles.shorten(shown.turn.outcome), self._labels)
        position = f"event {shown.position}"
        if not shown.position or position in re.split(r"[;,] ", text):
            return text
        return f"{position}, {text}" if text else position

    def row(self, turn: str, now_ms: str, who: str, op: str, outcome: str) -> list[str]:
        """One row; long cells go on below."""
        head = f"{turn:>{self._turn}}  {now_ms:>{self._ms}}  {who:<{self._who}}  "
        ops, outcomes = wrapped(op, self._op), wrapped(outcome, self._outcome)
        lines = []
        for left, right in zip_longest(ops, outcomes, fillvalue=""):
            lines.append(f"{head}{left:<{self._op}}  {right}".rstrip())
            head = self.margin
        return lines
