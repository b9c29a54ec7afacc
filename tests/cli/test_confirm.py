"""``simworld confirm``: what it says, and what its exit code means."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest

from simworld.errors import DidNotReproduce, UsageError
from simworld.records import Attempt, Confirmation, Level
from tests.cli.fakes import Run
from tests.render import samples

SHOWN = Attempt(failed=True, seen="work#3 failed for good", followed=41, skipped=1)
NOT_SEEN = Attempt(failed=False, seen="it holds: run is completed")
CONFIRMED = Confirmation(
    Level.CONFIRMED,
    "1 of 2 attempts in the repro's order, and 0 of 1 that leave it to chance, break I-12",
    attempts=(SHOWN, NOT_SEEN),
    plain=(NOT_SEEN,),
    script="print()",
    added=("delays of calls", "one failed call (send #1: 503)"),
    again="python kept/show.py",
)
UNTRIED = Confirmation(Level.SIMULATED_ONLY, "L-03", untried="the script does not judge L-03")
NEEDS = Confirmation(Level.SIMULATED_ONLY, "no script can do it", ("crash", "90000 s of sleep"))
WORLDS = Confirmation(Level.WORLD_CONTRACT, "world: needs stale_read")


@attrs.define
class FakeConfirm:
    outcome: Confirmation | Exception = CONFIRMED
    calls: list[dict[str, Any]] = attrs.Factory(list)

    def __call__(self, repro: Any, scenarios: Any, **options: Any) -> Confirmation:
        self.calls.append(options)
        options["tell"]("attempt", 1, options["attempts"])
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.fixture
def confirm(campaign: Any, monkeypatch: pytest.MonkeyPatch) -> FakeConfirm:
    fake = FakeConfirm()
    monkeypatch.setattr(sys.modules["simworld.campaign"], "confirm", fake, raising=False)
    return fake


@pytest.fixture
def repro(tmp_path: Path) -> str:
    path = tmp_path / "repro.json"
    found = samples.repro(subject="vercel-workflow", subject_version="0.12.0")
    path.write_bytes(msgspec.json.encode(found))
    return str(path)


def test_what_was_seen_for_real_is_confirmed(run: Run, confirm: FakeConfirm, repro: str) -> None:
    ran = run("confirm", repro, "--keep", "kept")
    assert ran.code == 1
    assert "vercel-workflow 0.12.0" in ran.out
    assert "attempt 1 of 5" in ran.out
    assert "confirmed (1 of 2)" in ran.out
    assert (
        "1/2 in the repro's order: FAILED: work#3 failed for good "
        "(41 operations in their order, 1 never came)"
    ) in ran.out
    assert "1/1 left to chance: not seen: it holds: run is completed" in ran.out
    assert "python kept/show.py" in ran.out
    assert "has added:\n  delays of calls\n  one failed call (send #1: 503)\n" in ran.out
    assert "as well" not in ran.out
    (options,) = confirm.calls
    assert (options["attempts"], options["timeout_s"], options["keep"]) == (5, 60.0, Path("kept"))


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (NEEDS, "simulated only (needs crash and 90000 s of sleep)"),
        (UNTRIED, "simulated only (not tried: the script does not judge L-03)"),
        (WORLDS, "world contract"),
    ],
)
def test_what_was_not_is_never_called_so(
    run: Run, confirm: FakeConfirm, repro: str, outcome: Confirmation, told: str
) -> None:
    confirm.outcome = outcome
    ran = run("confirm", repro, "--attempts", "2", "--timeout", "9")
    assert ran.code == 3
    assert told in ran.out
    assert "show.py" not in ran.out
    assert (confirm.calls[0]["attempts"], confirm.calls[0]["timeout_s"]) == (2, 9.0)


def test_a_schedule_that_cannot_be_followed(run: Run, confirm: FakeConfirm, repro: str) -> None:
    confirm.outcome = DidNotReproduce("entry 1 was never reached")
    ran = run("confirm", repro)
    assert ran.code == 3
    assert "entry 1 was never reached" in ran.err


def test_a_mistake_is_one_line(run: Run, confirm: FakeConfirm, repro: str) -> None:
    confirm.outcome = UsageError("there is nothing to confirm")
    assert (run("confirm", repro).code, confirm.calls[0]["keep"]) == (2, None)
    ran = run("confirm", repro, "--keep", str(Path(repro) / "below"))
    assert ran.code == 2
    assert "cannot make the folder" in ran.err


def test_machines_are_told_as_well(run: Run, confirm: FakeConfirm, repro: str) -> None:
    ran = run("confirm", repro, "--json", "-")
    told = json.loads(ran.out)["confirmation"]
    assert (told["level"], told["failures"], told["plain_failures"]) == ("confirmed", 1, 0)
    assert told["attempts"][0] == {
        "failed": True,
        "seen": "work#3 failed for good",
        "followed": 41,
        "skipped": 1,
        "repeated": 0,
    }
    assert told["subject_version"] == "0.12.0"
    assert told["added"] == list(CONFIRMED.added)


def test_the_same_is_not_said_again(run: Run, confirm: FakeConfirm, repro: str) -> None:
    confirm.outcome = attrs.evolve(CONFIRMED, attempts=(SHOWN, SHOWN), plain=(SHOWN,))
    ran = run("confirm", repro)
    assert "2/2 in the repro's order: FAILED: as in 1/2 (41 operations" in ran.out
    assert "Left to chance, it was seen without these as well." in ran.out
