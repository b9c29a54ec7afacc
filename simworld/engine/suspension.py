"""What a pass ends with: an output, an error, or a suspension that lists what it waits for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import attrs

from simworld.engine.payload import encode
from simworld.errors import UsageError

UNCHANGEABLE = frozenset({int, str, bytes, float, bool, type(None)})
"""Arguments of these types cannot be changed after the call."""


@attrs.define(eq=False)
class Request:
    """Something the workflow asked for; ``kind`` is also the prefix of its correlation id."""

    kind: ClassVar[str] = ""
    correlation_id: str
    ordinal: int
    """1 for the first id drawn in this pass."""
    created: bool = attrs.field(default=False, kw_only=True)
    """The event that creates it is in the log this pass has seen."""
    done: bool = attrs.field(default=False, kw_only=True)
    """Nothing more is to come: the log has its terminal event."""

    @property
    def label(self) -> str:
        """What is asked for and its ordinal, for example ``sleep#3``: for people."""
        return f"{self.kind}#{self.ordinal}"


@attrs.define(eq=False)
class StepRequest(Request):
    """A step."""

    kind: ClassVar[str] = "step"
    step_name: str
    args: tuple[object, ...]
    kwargs: dict[str, object]
    _kept: bytes = b""

    @property
    def label(self) -> str:
        """The step's name and its ordinal, for example ``work#3``: for people."""
        return f"{self.step_name}#{self.ordinal}"

    def keep_input(self) -> bytes:
        """Fix the input as it is now; else it is encoded when somebody asks, if ever."""
        self._kept = self._encoded()
        return self._kept

    @property
    def call(self) -> tuple[str, object]:
        """What is called with what: equal for equal calls, and cheaper than the input."""
        return self.step_name, self._kept or self.args

    @property
    def input(self) -> bytes:
        """The encoded arguments; ``UsageError`` where they cannot be stored."""
        return self._kept or self._encoded()

    def _encoded(self) -> bytes:
        plain = not self.kwargs and UNCHANGEABLE.issuperset(map(type, self.args))
        try:
            return encode((self.args, self.kwargs), plain=plain)
        except UsageError as error:
            raise UsageError(
                f"an argument of step {self.label} cannot be stored: {error}"
            ) from error


@attrs.define(eq=False)
class WaitRequest(Request):
    """A sleep."""

    kind: ClassVar[str] = "wait"
    resume_at_ms: int
    """As recorded; before that as this pass has worked it out (R-44)."""

    @property
    def label(self) -> str:
        """For example ``sleep#3``."""
        return f"sleep#{self.ordinal}"


@attrs.define(eq=False)
class HookRequest(Request):
    """A hook, a webhook, or the hook of an abort controller (``is_system``)."""

    kind: ClassVar[str] = "hook"
    token: str
    metadata: bytes = b""
    is_webhook: bool = False
    is_system: bool = False
    conflict: str = ""
    """The run that owned the token when this hook was to be created."""
    dispose: bool = False
    """The workflow has let go of it; ``done`` once hook_disposed is in the log."""
    abort: bytes | None = None
    """The payload of an abort that was asked for and is not in the log yet."""


@attrs.define(eq=False)
class AttrRequest(Request):
    """A change of the run's attributes; done as soon as it is recorded."""

    kind: ClassVar[str] = "attr"
    changes: bytes


@attrs.frozen
class Completed:
    """The workflow function returned."""

    output: object


@attrs.frozen
class Failed:
    """The workflow function raised."""

    error: BaseException


@attrs.frozen
class Suspension:
    """The workflow waits: everything it asked for that is not done, in code order."""

    requests: tuple[Request, ...]


@attrs.frozen
class Unconsumed:
    """The log holds an event that nobody in this pass asked for (spec §5.5)."""

    event_id: str
    message: str


@attrs.frozen
class Diverged:
    """The log and this pass disagree about what an id stands for (spec §5.2, later eras)."""

    event_id: str
    message: str
    """Names both, side by side."""


Outcome = Completed | Failed | Suspension | Unconsumed | Diverged


class Decision(NamedTuple):
    """A race that waited when it was called, and was then decided by an event."""

    race: int
    """1 for the first race called in this pass."""
    winner: int
    """The place of the winning argument, from 0."""
    event_id: str
    """The event whose result has decided it."""
    called_id: str
    """The event whose result had been handed over last when it was called; empty: none."""
    parts: tuple[tuple[str, int], ...]
    """What each argument waits for: a correlation id and 0, a hook's and which of its payloads; an
    empty id: nothing that one event alone decides."""


@attrs.frozen
class PassResult:
    """One pass: its outcome and every request it has made, answered or not."""

    outcome: Outcome
    requests: Sequence[Request]
    """Read it before the pass is fed again: a retained pass goes on adding to it."""
    handed: Sequence[StepRequest] = ()
    """Steps whose results the workflow was given; this and what follows: since it was fed last."""
    decisions: Sequence[Decision] = ()
    """Races that were decided."""
    readings: Sequence[int] = ()
    """What ``now_ms`` has answered, in order."""
    read_before: int = 0
    """How many answers it had given before."""
