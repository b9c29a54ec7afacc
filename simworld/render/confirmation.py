"""What came of confirming a finding: for people, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from simworld.records import Attempt, Confirmation, Level, Repro
from simworld.render.jsonout import document

_TELLS = {
    Level.CONFIRMED: "It was seen without any simulation: the unmodified engine, its own world and "
    "queue, the real clock.\nThe script has added:",
    Level.SIMULATED_ONLY: "It was seen in the simulation only; that nobody has seen it for real "
    "proves nothing, either way.",
    Level.WORLD_CONTRACT: "The simulated world has broken a promise of its own, so it says nothing "
    "about the engine.",
}


def confirmation_text(confirmation: Confirmation) -> str:
    """The verdict, its reason, and the attempts one by one."""
    lines = [f"{confirmation}", "", f"  {confirmation.why}."]
    lines += ["", *_attempts("in the repro's order", confirmation.attempts)]
    lines += _attempts("left to chance", confirmation.plain)
    lines += ["", _TELLS[confirmation.level]]
    if confirmation.level is Level.CONFIRMED:
        lines += [f"  {each}" for each in confirmation.added]
        if confirmation.plain_failures:
            lines.append("Left to chance, it was seen without these as well.")
    return "\n".join(lines)


def _attempts(what: str, attempts: Sequence[Attempt]) -> list[str]:
    count = len(attempts)
    lines = []
    told: dict[str, int] = {}
    for number, each in enumerate(attempts, start=1):
        first = told.setdefault(each.seen, number)
        seen = each.seen if first == number else f"as in {first}/{count}"
        verdict = "FAILED" if each.failed else "not seen"
        lines.append(f"  {number}/{count} {what}: {verdict}: {seen}{_order(each)}")
    return lines


def _order(attempt: Attempt) -> str:
    if not attempt.followed:
        return ""
    never = f", {attempt.skipped} never came" if attempt.skipped else ""
    return f" ({attempt.followed} operations in their order{never})"


def confirmation_json(path: str, repro: Repro, confirmation: Confirmation) -> bytes:
    """The same, for machines."""
    told = {
        "repro": path,
        "scenario": repro.scenario,
        "case": repro.case,
        "subject": repro.subject,
        "subject_version": repro.subject_version,
        "world": repro.world,
        "law": repro.law,
        "kind": repro.kind,
        "place": repro.place,
        "level": str(confirmation.level),
        "needs": list(confirmation.needs),
        "untried": confirmation.untried,
        "added": list(confirmation.added),
        "why": confirmation.why,
        "attempts": [_attempt(each) for each in confirmation.attempts],
        "failures": confirmation.failures,
        "plain": [_attempt(each) for each in confirmation.plain],
        "plain_failures": confirmation.plain_failures,
    }
    return document({"confirmation": told})


def _attempt(attempt: Attempt) -> dict[str, object]:
    return {
        "failed": attempt.failed,
        "seen": attempt.seen,
        "followed": attempt.followed,
        "skipped": attempt.skipped,
        "repeated": attempt.repeated,
    }
