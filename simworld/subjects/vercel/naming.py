"""Labels for what the SDK draws: ``step_01K…`` is ``charge#3``, the run's third draw.

The SDK numbers what a run asks for with one row of ULIDs, each one more than the last; where the
row begins follows from the run's id.  So the label of an id is found from the id alone, and is the
same in every schedule.
"""

from __future__ import annotations

import random
import re

from vercel.workflow._internal import ulid

from simworld.engine import AttrSet, Fact, HookCreated, StepCreated, WaitCreated
from simworld.subjects.seam import AskStream, CloseStream, Create, Question, ReadStream, WriteStream
from simworld.subjects.vercel.loading import plain_name

_DIGITS = str.maketrans(ulid.ENCODING, "0123456789abcdefghijklmnopqrstuv")
_DRAWN_TOKEN = re.compile(r"[\w-]{21}")
"""A hook's token whose author gave none."""
_ABORT_STREAM = re.compile(r"strm_([0-9A-Z]{26})_system_abort")


class Names:
    """The labels of one trial; each is told once."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}
        self._first: dict[str, int] = {}
        """Run id → where its row begins."""
        self._new: list[tuple[str, str]] = []

    def take(self) -> list[tuple[str, str]]:
        """What has been learnt since the last time."""
        new, self._new = self._new, []
        return new

    def learn(self, question: Question) -> None:
        """See what an ask is about."""
        if type(question) is Create:
            self._learn_fact(question.run_id, question.fact)
        elif isinstance(question, WriteStream | ReadStream | CloseStream | AskStream):
            self._learn_stream(question.run_id, question.name)

    def _learn_fact(self, run_id: str, fact: Fact) -> None:
        if isinstance(fact, StepCreated):
            self._tell(run_id, fact.correlation_id, plain_name(fact.step_name))
        elif isinstance(fact, WaitCreated):
            self._tell(run_id, fact.correlation_id, "sleep")
        elif isinstance(fact, HookCreated):
            name = "abort" if fact.is_system else "hook"
            label = self._tell(run_id, fact.correlation_id, name)
            if fact.is_system or _DRAWN_TOKEN.fullmatch(fact.token):
                self._put(fact.token, f"{run_id}/{label}")
        elif isinstance(fact, AttrSet) and fact.correlation_id:
            self._tell(run_id, fact.correlation_id, "attr")

    def _learn_stream(self, run_id: str, name: str) -> None:
        if name not in self._told:
            abort = _ABORT_STREAM.fullmatch(name)
            label = f"abort/{self._told.get(f'step_{abort[1]}', abort[1])}" if abort else ""
            self._put(name, label or name.replace(f"{run_id.replace('wrun_', 'strm_', 1)}_", "", 1))

    def _tell(self, run_id: str, identifier: str, name: str) -> str:
        label = self._told.get(identifier)
        if label is None:
            label = f"{name}#{self._ordinal(run_id, identifier)}"
            self._put(identifier, label)
        return label

    def _put(self, identifier: str, label: str) -> None:
        if identifier not in self._told:
            self._told[identifier] = label
            self._new.append((identifier, label))

    def _ordinal(self, run_id: str, identifier: str) -> int:
        first = self._first.get(run_id)
        if first is None:
            draw = ulid.monotonic_factory(random.Random(run_id).random)
            first = self._first[run_id] = _number(draw(1))
        return _number(identifier) - first + 1


def _number(identifier: str) -> int:
    return int(identifier[-ulid.RANDOM_LEN :].translate(_DIGITS), 32)
