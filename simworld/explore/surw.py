"""SURW (Zhao, Wolff, Mathur, Roychoudhury: "Selectively Uniform Concurrency Testing", ASPLOS 2025).

A random walk is far from uniform: the task with few operations finishes early in nearly all of its
schedules.  SURW makes the order of the *interesting* operations uniform, here those that touch one
randomly chosen label: it draws which task shall perform the next one, weighted by how many it is
still expected to perform, and holds all other tasks back at theirs until it has.  In between, the
uninteresting operations come in any order.

Expected counts are those of the undisturbed run; a later delivery of a message (``…~2``) is
expected to do what the first one does, and a task the profile does not know to do one thing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from simworld.entropy import Stream
from simworld.explore.watched import LabelPool, pending_label
from simworld.records import ChoicePoint, Profile, TaskView

_DELIVERY = re.compile(r"~\d+")


class Surw:
    """Uniform over the orders of what is done to one label."""

    name = "surw"
    wants_all = False

    def __init__(self) -> None:
        self._pool = LabelPool()
        self._profile: Profile | None = None
        self._known: dict[str, None] = {}
        """Every task of the profile."""

    def begin(self, stream: Stream, profile: Profile) -> None:
        """See ``Explorer``."""
        if profile is not self._profile:
            self._profile = profile
            self._pool.learn(profile)
            self._known = {name: None for counts in profile.counts.values() for name in counts}
        self._stream = stream
        self._counts: Mapping[str, int] = {}
        self._label = ""
        self._watch(self._pool.draw(stream))
        self._left: dict[str, int] = {}
        """task name → interesting operations it is still expected to perform."""
        self._intended: TaskView | None = None

    def _watch(self, label: str) -> None:
        if label:
            assert self._profile is not None
            self._label = label
            self._counts = self._profile.counts.get(label, {})

    def choose(self, point: ChoicePoint, enabled: Sequence[TaskView]) -> int:
        """See ``Explorer``."""
        stream = self._stream
        if not self._label:
            self._watch(pending_label(stream, enabled))
        label = self._label
        intended = self._intended
        if intended is None:
            intended = self._intended = self._intend(enabled)
        free = [
            index
            for index, task in enumerate(enabled)
            if task is intended or label not in task.op.fine
        ]
        if free:
            index = free[int(stream.random() * len(free))]
        else:  # the intended task is gone or waits for one of those held back: draw again
            intended = self._intended = self._intend(enabled)
            assert intended is not None  # all of the enabled are about to touch the label
            index = enabled.index(intended)
        task = enabled[index]
        if task is intended and label in task.op.fine:
            self._left[task.name] -= 1
            self._intended = None
        return index

    def _intend(self, enabled: Sequence[TaskView]) -> TaskView | None:
        """Draw who performs the next interesting operation; None when nobody is expected to."""
        label, left = self._label, self._left
        weights = []
        for task in enabled:
            weight = left.get(task.name)
            if weight is None:
                weight = left[task.name] = self._expected(task.name)
            if weight < 1 and label in task.op.fine:  # it does more than was expected of it
                weight = left[task.name] = 1
            weights.append(weight)
        drawn = self._stream.random() * sum(weights)
        for task, weight in zip(enabled, weights, strict=True):
            drawn -= weight
            if drawn < 0:
                return task
        return None

    def _expected(self, name: str) -> int:
        plain = _DELIVERY.sub("", name) if "~" in name else name
        return self._counts.get(plain, 0 if plain in self._known else 1)
