"""What a judgement says: three-valued verdicts and the anomalies behind them."""

from __future__ import annotations

import attrs

PASS, FAIL, UNKNOWN = "PASS", "FAIL", "UNKNOWN"


@attrs.frozen
class Anomaly:
    """One broken law, with the place where it broke."""

    law: str
    """The law's id, for example ``I-12`` (spec §7)."""
    kind: str
    """Hyphenated name of what happened, for example ``retries-not-exhausted``."""
    message: str
    """One sentence: what the law wanted and what was seen."""
    place: str
    """The entity, for example ``run/work#3``; the same place and law is the same failure."""
    turn: int
    """The turn after which it was visible."""

    @property
    def signature(self) -> str:
        """Equal for two sightings of the same kind of failure, whatever the step's ordinal."""
        return f"{self.law} {self.kind} {self.place.split('#')[0]}"


@attrs.frozen
class Verdict:
    """PASS, FAIL with the law, or UNKNOWN with the reason."""

    outcome: str
    law: str = ""
    reason: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.outcome, self.law or self.reason) if part)
