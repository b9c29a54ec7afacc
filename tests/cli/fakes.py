"""A campaign that answers what a test wants, so that the command line is tested alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import attrs
import msgspec
import pytest

from simworld.campaign import (
    HuntDiverged,
    compared,
    load_ledger,
    save_ledger,
    updated,
    where_of,
)
from simworld.errors import UsageError, unknown_name
from simworld.records import ForeignProgram, Progress, Repro, Result, RunLogLine, Story, Verdict
from simworld.subjects import SUBJECTS
from tests.render import samples


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@attrs.frozen(eq=False)
class FakeCase:
    name: str
    title: str = "a case"
    races: tuple[str, ...] = ("R-02",)
    marks: tuple[str, ...] = ()


@attrs.frozen(eq=False)
class FakeScenario:
    name: str
    cases: tuple[FakeCase, ...]
    title: str = "what it is about"
    law: str = "I-12"
    laws: tuple[str, ...] = ("I-21",)
    marks: tuple[str, ...] = ("delivery.duplicate",)
    canary: bool = False
    generated: bool = False
    subject: str = ""
    workflow: ForeignProgram | None = None


@attrs.frozen
class FakeVariant:
    name: str
    place: str = "atomic"
    changed: tuple[str, ...] = ()
    title: str = "what it is"


SCENARIOS = {
    each.name: each
    for each in (
        FakeScenario("inflated_attempts", (FakeCase("duplicates"), FakeCase("mirror_guard"))),
        FakeScenario("retry_exhaustion", (FakeCase("killed"),)),
    )
}
EXPECTED = {"v2_merge": Verdict("FAIL", "I-12"), "fixed": Verdict("PASS")}
PRESETS = {name: FakeVariant(name) for name in EXPECTED}
KNOBS = ("attempt_guard", "dedup")


@attrs.frozen
class FakePool:
    """Processes that nobody starts."""

    jobs: int
    where: str | None
    say: Callable[[str], None] = attrs.field(eq=False)

    def __enter__(self) -> FakePool:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""


@attrs.define(slots=False)
class FakeCampaign:
    """Answers and records; a test changes what it needs."""

    calls: list[dict[str, Any]] = attrs.Factory(list)
    results: Callable[[str, str], Result] | None = None
    """(scenario, variant) → result; None: what is declared."""
    replayed: Story | Exception | None = attrs.Factory(samples.story)
    told: Story | Exception = attrs.Factory(samples.story)
    scenarios: dict[str, FakeScenario] | Exception = attrs.Factory(lambda: SCENARIOS)
    places: list[str | None] = attrs.Factory(list)
    compared: list[tuple[str, str, int]] = attrs.Factory(list)

    def load_scenarios(
        self, where: str | None = None, *, deep: bool = False
    ) -> dict[str, FakeScenario]:
        self.places.append(where)
        if isinstance(self.scenarios, Exception):
            raise self.scenarios
        return self.scenarios

    def preset(self, name: str) -> FakeVariant:
        if name in SUBJECTS:
            return FakeVariant(name)
        if name not in PRESETS:
            raise unknown_name("variant", name, PRESETS)
        return PRESETS[name]

    def with_knob(self, variant: FakeVariant, setting: str) -> FakeVariant:
        knob, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"--set takes knob=value, not {setting!r}")
        if knob not in KNOBS:
            raise unknown_name("knob", knob, KNOBS)
        if value not in ("G0", "G8"):
            raise unknown_name(f"value of {knob}", value, ("G0", "G8"))
        return attrs.evolve(variant, changed=(*variant.changed, setting))

    def placed(self, variant: FakeVariant, place: str) -> FakeVariant:
        if place not in ("atomic", "local"):
            raise unknown_name("world", place, ("atomic", "local"))
        return attrs.evolve(variant, place=place)

    def check_possible(self, place: str, kind: str) -> None:
        if kind == "torn_writes" and place != "local":
            raise UsageError(f"world {place} has no {kind}")

    def check_together(self, variant: FakeVariant) -> None:
        """Every knob goes with every world here."""

    def declared_verdict(self, scenario: Any, variant: Any, case: str = "") -> Verdict | None:
        return None if variant.changed else EXPECTED[variant.name]

    def hunt(self, scenario: Any, variant: Any, **options: Any) -> Result:
        self.calls.append({"scenario": scenario.name, "variant": variant, **options})
        progress = options["progress"]
        if progress is not None:
            progress(Progress(scenario.name, variant.name, 1, options["trials"], 0))
        if self.results is not None:
            return self.results(scenario.name, variant.name)
        return declared(scenario.name, variant.name)

    def check_hash_seeds(self, scenario: Any, variant: Any, **options: Any) -> None:
        self.compared.append((scenario.name, variant.name, options["trials"]))

    def tell(self, repro: Repro, scenarios: Any) -> Story:
        if isinstance(self.told, Exception):
            raise self.told
        return attrs.evolve(self.told, repro=repro)

    def replay(self, repro: Repro, scenarios: Any) -> Story | None:
        if isinstance(self.replayed, Exception):
            raise self.replayed
        return self.replayed

    def with_twin(self, story: Story, scenarios: Any) -> Story:
        return story

    def run_log(self, repro: Repro, scenarios: Any) -> tuple[RunLogLine, ...]:
        fields = {"step": "work#3", "error": "boom: it is late"}
        return (RunLogLine(7, 1_750_000_001_234, "run", "start/flow", "step failed", fields),)

    def save_repro(self, repro: Repro, path: Path) -> None:
        path.write_bytes(msgspec.json.encode(repro))

    def load_repro(self, path: Path) -> Repro:
        try:
            return msgspec.json.decode(path.read_bytes(), type=Repro)
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from error
        except msgspec.DecodeError as error:
            raise UsageError(f"{path} is not a repro: {error}") from error

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put it where the command line imports the campaign from."""
        module = ModuleType("simworld.campaign")
        names = "load_scenarios preset placed with_knob declared_verdict hunt tell replay run_log"
        names += " save_repro load_repro check_hash_seeds check_possible check_together with_twin"
        for name in names.split():
            setattr(module, name, getattr(self, name))
        module.PRESETS = PRESETS  # type: ignore[attr-defined]
        for real in (HuntDiverged, compared, load_ledger, save_ledger, updated, where_of):
            setattr(module, real.__name__, real)
        module.cores = lambda: 3  # type: ignore[attr-defined]
        module.Pool = FakePool  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "simworld.campaign", module)


def declared(scenario: str, variant: str, **changed: Any) -> Result:
    """A result that came out as declared."""
    make = samples.result if EXPECTED[variant].outcome == "FAIL" else samples.passing
    return make(scenario=scenario, variant=variant, **changed)
