"""What a pass ends with: an output, an error, or a suspension that lists what it waits for."""

from __future__ import annotations

import attrs

from simworld.engine.payload import encode

UNCHANGEABLE = frozenset({int, str, bytes, float, bool, type(None)})
"""Arguments of these types cannot be changed after the call."""


@attrs.define(eq=False)
class StepRequest:
    """A step the workflow asked for and that has no terminal event yet.

    Hooks and waits will be requests beside this one.
    """

    correlation_id: str
    step_name: str
    ordinal: int
    """1 for the first id drawn in this pass."""
    args: tuple[object, ...]
    kwargs: dict[str, object]
    created: bool = False
    """Its step_created is in the log this pass has seen."""
    _kept: bytes = b""

    @property
    def label(self) -> str:
        """The step's name and its ordinal, for example ``work#3``: for people."""
        return f"{self.step_name}#{self.ordinal}"

    def keep_input(self) -> None:
        """Fix the input as it is now; else it is encoded when somebody asks, if ever."""
        self._kept = self.input

    @property
    def input(self) -> bytes:
        """The encoded arguments; ``UsageError`` where they cannot be stored."""
        return self._kept or encode([list(self.args), self.kwargs])


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
    """The workflow waits: everything it asked for that has no terminal event, in code order."""

    requests: tuple[StepRequest, ...]


@attrs.frozen
class Unconsumed:
    """The log holds an event that nobody in this pass asked for (spec §5.5, U0)."""

    event_id: str
    message: str


Outcome = Completed | Failed | Suspension | Unconsumed


@attrs.frozen
class PassResult:
    """One pass: its outcome and every request it made, answered or not."""

    outcome: Outcome
    requests: tuple[StepRequest, ...]
