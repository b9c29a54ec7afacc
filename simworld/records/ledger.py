"""The ledger: failures that are known, and how a hunt's findings compare with it."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen
class Known:
    """A kind of failure that somebody knows of and has not mended yet."""

    scenario: str
    variant: str
    """With the knobs that were changed, as tables show it."""
    signature: str
    """``Anomaly.signature``."""
    world: str = "atomic"
    case: str = ""
    """Empty: whatever case shows it."""
    note: str = ""
    since: str = ""
    """The commit that was the seed when it was noted, if one was."""

    def __str__(self) -> str:
        case = f" · {self.case}" if self.case else ""
        at = "" if self.world == "atomic" else f" @ {self.world}"
        return f"{self.scenario}{case} on {self.variant}{at}: {self.signature}"


@attrs.frozen
class Compared:
    """The findings of some hunts beside the ledger; findings by (result's, finding's) index."""

    known: Mapping[tuple[int, int], Known]
    new: tuple[tuple[int, int], ...]
    gone: tuple[Known, ...]
    """What the ledger lists and a hunt that ran to its end has not found."""
