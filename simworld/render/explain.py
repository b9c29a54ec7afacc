"""A failing trial and its nearest passing twin, side by side.

Both are told by the turns that matter (as in a story).  Up to the first turn that differs they are
one column; from there on the failing one is on the left, and what both do stands in one row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby, zip_longest
from typing import Any

import attrs

from simworld.records import Repro, Story, Turn, Twin
from simworld.render.jsonout import document
from simworld.render.roles import Roles
from simworld.render.story import WIDTH_MIN, cast_lines, heading
from simworld.render.text import count, wrapped
from simworld.render.timeline import FOLD_MIN, cast_of, told_turns
from simworld.render.twins import change_in_words, ending, last_sentence, obeyed, readable

ALIKE_MAX = 12
"""Turns shown of what both have in common, the last ones."""
ALIKE, LEFT, RIGHT, OTHER, RACING = "alike", "left", "right", "other", "racing"
"""Kinds of rows."""
ROWS_MAX = {ALIKE: 0, LEFT: 6, RIGHT: 6}
"""Rows shown of a stretch of one kind; of other kinds all are."""
MARK = ">"
"""Stands before the two operations that race."""

_Row = tuple[Turn | None, Turn | None]


def explanation_text(story: Story, *, width: int = 100) -> str:
    """What makes the failure vanish, in lines of at most ``width`` (≥ 60) where paths allow it."""
    width = max(width, WIDTH_MIN)
    twin = story.twin
    both = _Both(story, twin) if twin else None
    roles = both.roles if both else Roles()
    sections = [heading(story, roles, width)]
    if both and twin:
        sections += [
            _change(story, twin, roles, width),
            cast_lines(roles, width),
            _Columns(both, width).lines(),
        ]
    sections.append(wrapped(last_sentence(story, roles), width, rest="  "))
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _change(story: Story, twin: Twin, roles: Roles, width: int) -> list[str]:
    replays = story.twins.replays if story.twins else 0
    return wrapped(
        f"The nearest twin that passes ({count(replays, 'run')} tried): "
        f"{change_in_words(twin, roles)}.",
        width,
        rest="  ",
    )


class _Both:
    """The turns of both that are told."""

    def __init__(self, story: Story, twin: Twin) -> None:
        other = attrs.evolve(
            story,
            turns=twin.turns,
            log=twin.log,
            labels=twin.labels,
            anomaly=attrs.evolve(story.anomaly, turn=twin.turns[-1].turn),
            twins=None,
        )
        race = [twin.race.first, twin.race.second] if twin.race else []
        self.racing = {turn.turn for turn in race}
        self.racing_too = {_again(turn, story.turns, twin.turns) for turn in race}
        parts_at = _parts_at(story.turns, twin.turns)
        told = _told(story, self.racing)
        self.alike = [turn for turn in told if turn.turn <= parts_at]
        self.left = [turn for turn in told if turn.turn > parts_at]
        self.right = [turn for turn in _told(other, self.racing_too) if turn.turn > parts_at]
        self.story, self.other = story, other
        self.obeyed = obeyed(story, twin)
        self.roles = cast_of(story, *told, *self.right)

    def rows(self) -> Iterator[_Row]:
        """Left and right; what is the same stands side by side."""
        lefts, rights = (
            [(turn.task, turn.op) for turn in side] for side in (self.left, self.right)
        )
        matcher = SequenceMatcher(None, lefts, rights, autojunk=False)
        for _, left, left_end, right, right_end in matcher.get_opcodes():
            yield from zip_longest(self.left[left:left_end], self.right[right:right_end])


def _told(story: Story, racing: set[int]) -> list[Turn]:
    matter = racing.union(turn.turn for turn in told_turns(story))
    return [turn for turn in story.turns if turn.turn in matter]


def _again(turn: Turn, turns: Sequence[Turn], others: Sequence[Turn]) -> int:
    """Number of the same operation in another trace: the how many-eth of its task and kind."""
    kind = turn.task, turn.op
    own = [each.turn for each in turns if (each.task, each.op) == kind]
    return [each.turn for each in others if (each.task, each.op) == kind][own.index(turn.turn)]


def _parts_at(turns: Sequence[Turn], others: Sequence[Turn]) -> int:
    """Number of the last turn that both have in common."""
    last = 0
    for turn, other in zip(turns, others, strict=False):
        if turn != other:
            break
        last = turn.turn
    return last


class _Columns:
    """Lays out what is alike in one column, and what differs in two."""

    def __init__(self, both: _Both, width: int) -> None:
        self._both = both
        self._width = width
        self._turn = len(str(max(len(both.story.turns), len(both.other.turns))))
        self._half = (width - 3) // 2

    def lines(self) -> list[str]:
        """The table."""
        both, alike = self._both, self._both.alike
        before = len(alike) - ALIKE_MAX
        lines = ["Both:", ""]
        if before > 0:
            lines.append(f"… {count(before, 'turn')} that matter less")
        for turn in alike[-ALIKE_MAX:]:
            lines += self._cell(turn, both.story, self._width)
        left, right = "The failing run:", "Its passing twin:"
        lines += ["", *self._row([left], [right]), ""]
        for kind, group in groupby(both.rows(), self._kind):
            rows = list(group)
            shown = ROWS_MAX.get(kind, len(rows))
            if len(rows) < shown + FOLD_MIN:
                shown = len(rows)
            for one, other in rows[:shown]:
                lines += self._row(
                    self._cell(one, both.story, self._half),
                    self._cell(other, both.other, self._half),
                )
            if fold := len(rows) - shown:
                said = [f"  … {count(fold, 'turn')} {'more' if shown else 'alike'}"]
                lines += self._row([] if kind == RIGHT else said, [] if kind == LEFT else said)
        return [*lines, "", *self._endings()]

    def _kind(self, row: _Row) -> str:
        """Rows of one kind are folded together; nothing is folded that races."""
        both, (left, right) = self._both, row
        if (left and left.turn in both.racing) or (right and right.turn in both.racing_too):
            return RACING
        if left is None or right is None:
            return RIGHT if left is None else LEFT
        same = (left.task, left.op, left.outcome) == (right.task, right.op, right.outcome)
        return ALIKE if same else OTHER

    def _endings(self) -> list[str]:
        both, story, other = self._both, self._both.story, self._both.other
        anomaly = story.anomaly
        failed = f"{anomaly.law} is broken (turn {anomaly.turn}); {ending(story.log, story.labels)}"
        passed = f"{both.obeyed}; {ending(other.log, other.labels)}"
        return self._row(wrapped(failed, self._half), wrapped(passed, self._half))

    def _row(self, left: Sequence[str], right: Sequence[str]) -> list[str]:
        return [
            f"{one:<{self._half}} | {other}".rstrip()
            for one, other in zip_longest(left, right, fillvalue="")
        ]

    def _cell(self, turn: Turn | None, story: Story, width: int) -> list[str]:
        """One turn in lines; nothing for no turn."""
        if turn is None:
            return []
        both = self._both
        racing = both.racing if story is both.story else both.racing_too
        mark = MARK if turn.turn in racing else " "
        outcome = readable(both.roles.shorten(turn.outcome), story.labels)
        said = f"{both.roles.who(turn.task)}: {turn.op}{f' → {outcome}' if outcome else ''}"
        head = f"{mark} {turn.turn:>{self._turn}}  "
        return wrapped(said, width, first=head, rest=" " * (len(head) + 2))


# --- for machines --------------------------------------------------------------------------------


def explanation_json(path: str, repro: Repro, story: Story | None, message: str = "") -> bytes:
    """The same as data.  ``outcome``: ``explained``; ``unexplained``, when no change makes the
    failure vanish; ``did-not-reproduce``, with a message."""
    told: dict[str, Any] = {
        "repro": path,
        "scenario": repro.scenario,
        "case": repro.case,
        "variant": repro.variant,
        "world": repro.world,
        "outcome": "did-not-reproduce",
        "message": message,
    }
    if story is not None:
        told |= _explained(story)
    return document({"explain": told})


def _explained(story: Story) -> dict[str, Any]:
    twin, anomaly = story.twin, story.anomaly
    roles = _Both(story, twin).roles if twin else Roles()
    return {
        "outcome": "explained" if twin else "unexplained",
        "message": last_sentence(story, roles),
        "law": anomaly.law,
        "place": anomaly.place,
        "turn": anomaly.turn,
        "ending": ending(story.log, story.labels),
        "replays": story.twins.replays if story.twins else 0,
        "twin": _twin(twin, roles) if twin else None,
    }


def _twin(twin: Twin, roles: Roles) -> dict[str, Any]:
    race, fault = twin.race, twin.fault
    told: dict[str, Any] = {"change": change_in_words(twin, roles), "alone": twin.alone}
    told["race"] = race and {
        "object": race.object,
        "first": _turn(race.first),
        "second": _turn(race.second),
    }
    told["fault"] = fault and {
        "kind": fault.kind,
        "target": fault.target,
        "value": fault.value,
        "left": twin.left,
    }
    told["body"] = twin.body and {"step": twin.body[0], "number": twin.body[1]}
    told["still_broken"] = list(twin.still)
    told["turns"] = len(twin.turns)
    told["ending"] = ending(twin.log, twin.labels)
    return told


def _turn(turn: Turn) -> dict[str, Any]:
    return {"turn": turn.turn, "task": turn.task, "op": turn.op}
