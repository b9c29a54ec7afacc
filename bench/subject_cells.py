"""What a worker of ``bench.subjects`` does, in the virtual environment of one version of an engine.

It is asked once, by its command line, and answers by files: a *cell* is the hunt of one case of one
scenario on one world under one version.  A cell on the disk is whole: whoever goes on with a
campaign that was stopped finds what is done.
"""

from __future__ import annotations

import functools
import hashlib
import pathlib
import platform
import sys
from collections.abc import Mapping
from typing import TypeAlias, TypeVar

import attrs
import msgspec

from simworld.campaign import (
    HuntDiverged,
    Scenario,
    confirm,
    hunt,
    load_repro,
    load_scenarios,
    placed,
    preset,
    tell,
)
from simworld.errors import DidNotReproduce, ReplayDivergence, UsageError
from simworld.records import Confirmation, ForeignProgram, Level, Repro, Result
from simworld.render import story_text
from simworld.subjects import installed_version, is_too_new

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCENARIOS = ROOT / "scenarios"
DECIDING = (
    "campaign",
    "check",
    "engine",
    "explore",
    "ports",
    "records",
    "runtime",
    "sim",
    "subjects",
    "worlds",
)
SOURCES = (*(ROOT / "simworld" / part for part in DECIDING), SCENARIOS / "vercel")
"""What decides what a trial shows."""
WIDTH = 100
REALLY = 2
"""Repros of one signature that are run for real at most; of some none can be."""
INTERRUPTED = 130

Place: TypeAlias = tuple[str, str, str, str]
"""Which cell: (version, world, scenario, case)."""
T = TypeVar("T")


@attrs.frozen
class Cell:
    """A hunt, and what came of it."""

    version: str
    world: str
    scenario: str
    case: str
    trials: int
    """What was asked for."""
    seed: int
    sources: str
    result: Result | None
    why_not: str = ""
    """What the hunt could not do."""

    @property
    def is_whole(self) -> bool:
        """Nothing is left to be done."""
        return self.result is None or not self.result.interrupted

    @property
    def place(self) -> Place:
        """Which cell it is."""
        return self.version, self.world, self.scenario, self.case


@attrs.frozen
class Here:
    """What an interpreter has to offer."""

    version: str
    """Of the engine."""
    python: str
    cases: tuple[tuple[str, str], ...]
    """(scenario, case)"""


@attrs.frozen(kw_only=True)
class HuntOrder:
    """A case of a scenario, to be hunted."""

    subject: str
    version: str
    world: str
    scenario: str
    case: str
    trials: int
    seed: int
    sources: str
    seconds: float
    """For the trials, at most."""
    folder: str

    def cell(self, result: Result | None, why_not: str = "") -> Cell:
        """What came of it."""
        return Cell(
            self.version,
            self.world,
            self.scenario,
            self.case,
            self.trials,
            self.seed,
            self.sources,
            result,
            why_not,
        )


@attrs.frozen(kw_only=True)
class TellOrder:
    """A repro whose story is asked for."""

    repro: str
    sources: str
    target: str


@attrs.frozen(kw_only=True)
class ConfirmOrder:
    """Repros of one signature, to be tried without simulation until one is confirmed."""

    repros: tuple[str, ...]
    attempts: int
    timeout_s: float
    sources: str
    target: str


Order = HuntOrder | TellOrder | ConfirmOrder
KINDS: Mapping[str, type[HuntOrder] | type[TellOrder] | type[ConfirmOrder]] = {
    "hunt": HuntOrder,
    "tell": TellOrder,
    "confirm": ConfirmOrder,
}


@attrs.frozen
class Told:
    """The story of a repro."""

    trace: str
    """Of the repro."""
    sources: str
    text: str


@attrs.frozen
class Tried:
    """What came of one repro without simulation."""

    trace: str
    """Of the repro."""
    scenario: str
    confirmation: Confirmation | None
    """None: it could not be tried."""
    why_not: str = ""

    @property
    def was_run(self) -> bool:
        """There were attempts; of what cannot be had for real there are none."""
        return self.confirmation is not None and bool(self.confirmation.attempts)

    @property
    def is_confirmed(self) -> bool:
        """It was seen for real."""
        return self.confirmation is not None and self.confirmation.level is Level.CONFIRMED


@attrs.frozen
class Proof:
    """What came of a signature's repros without simulation; the best one is the last."""

    sources: str
    tried: tuple[Tried, ...]


# --- files ----------------------------------------------------------------------------------------


@functools.cache
def sources_digest(root: pathlib.Path = ROOT) -> str:
    """Digest of all that decides what a trial shows, and how it is judged."""
    digest = hashlib.blake2b(digest_size=8)
    for part in SOURCES:
        for path in sorted((root / part.relative_to(ROOT)).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def cell_path(folder: pathlib.Path, place: Place) -> pathlib.Path:
    """Where a cell is kept."""
    version, world, scenario, case = place
    return folder / "cells" / version / world / f"{scenario}.{case}.json"


def save_cell(cell: Cell, folder: pathlib.Path) -> None:
    """Write a cell to its place."""
    save(cell, cell_path(folder, cell.place))


def save(value: object, path: pathlib.Path) -> None:
    """Write a record whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.half")
    half.write_bytes(msgspec.json.encode(value))
    half.replace(path)


def load(path: pathlib.Path, kind: type[T]) -> T | None:
    """A record, or None where there is none that this program can read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None


# --- what is asked --------------------------------------------------------------------------------


def scenarios_of(subject: str) -> dict[str, Scenario]:
    """The scenarios of an engine that this version of it can run."""
    known = load_scenarios(str(SCENARIOS), deep=True)
    return {
        name: each
        for name, each in known.items()
        if each.subject == subject
        and not (isinstance(each.workflow, ForeignProgram) and is_too_new(each.workflow))
    }


def here(subject: str) -> Here:
    """What this interpreter has to offer."""
    cases = [
        (name, case.name) for name, each in scenarios_of(subject).items() for case in each.cases
    ]
    return Here(installed_version(subject), platform.python_version(), tuple(cases))


def hunted(order: HuntOrder, scenario: Scenario) -> bool:
    """Hunt the case and save what came of it; whether nobody has interrupted it."""
    variant = placed(preset(order.subject), order.world)
    result, why_not = None, ""
    try:
        result = hunt(
            scenario,
            variant,
            seed=order.seed,
            trials=order.trials,
            seconds=order.seconds,
            case=order.case,
        )
    except HuntDiverged as error:
        result, why_not = error.result, str(error)
    except (UsageError, ReplayDivergence) as error:
        why_not = str(error)
    cell = order.cell(result, why_not)
    save_cell(cell, pathlib.Path(order.folder))
    return cell.is_whole


def told(order: TellOrder) -> None:
    """Tell a story."""
    repro = load_repro(pathlib.Path(order.repro))
    try:
        text = story_text(tell(repro, load_scenarios(str(SCENARIOS), deep=True)), width=WIDTH)
    except DidNotReproduce as error:
        text = f"It does not show again: {error}\n"
    save(Told(repro.trace, order.sources, text), pathlib.Path(order.target))


def tried(repro: Repro, order: ConfirmOrder) -> Tried:
    """One repro without simulation."""
    found, why_not = None, ""
    try:
        known = load_scenarios(str(SCENARIOS), deep=True)
        found = confirm(repro, known, attempts=order.attempts, timeout_s=order.timeout_s)
    except (UsageError, DidNotReproduce) as error:
        why_not = str(error)
    return Tried(repro.trace, repro.scenario, found, why_not)


def confirmed(order: ConfirmOrder) -> None:
    """Try repros until one is confirmed; the best is kept last."""
    found: list[Tried] = []
    for path in order.repros:
        found.append(tried(load_repro(pathlib.Path(path)), order))
        really = sum(each.was_run for each in found)
        if found[-1].is_confirmed or really == REALLY:
            break
    best = max(
        found, key=lambda each: (each.is_confirmed, each.was_run, each.confirmation is not None)
    )
    found.remove(best)
    save(Proof(order.sources, (*found, best)), pathlib.Path(order.target))


def perform(order: Order) -> bool:
    """Do what is asked for; whether it is done."""
    if isinstance(order, HuntOrder):
        return hunted(order, scenarios_of(order.subject)[order.scenario])
    if isinstance(order, TellOrder):
        told(order)
    else:
        confirmed(order)
    return True


def main() -> int:
    """``here SUBJECT``, or the kind of an order and the order as JSON."""
    kind, text = sys.argv[1:]
    if kind == "here":
        sys.stdout.buffer.write(msgspec.json.encode(here(text)))
        return 0
    try:
        return 0 if perform(msgspec.json.decode(text, type=KINDS[kind])) else INTERRUPTED
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
