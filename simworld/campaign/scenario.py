"""Scenarios: a workflow, the values and faults to draw, and the *right* outcome per variant.

A scenario never builds a handler or a message: a trial starts with a client's calls, every handler
comes from the queue and every fault from the budget (decisions §7.1).  Without a ``client`` script
the one call is ``start`` with the scenario's ``args``.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import attrs

from simworld.campaign.script import Script
from simworld.campaign.variants import PRESETS, Variant, with_knob
from simworld.check import Cost, laws_named
from simworld.engine import Event, Program, Step, Workflow
from simworld.entropy import Stream
from simworld.errors import UsageError, unknown_name
from simworld.records import FAIL, PASS, FaultBudget, Verdict, Workload

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

UNCLAIMED = "-"
GUARDS = tuple(f"G{number}" for number in range(9))
FAILING_WEIGHT = 2
"""How much more often a step with a planned failure is aimed at."""


@attrs.frozen(eq=False)
class Case:
    """One form of a scenario: what is drawn, what may go wrong, what must come out."""

    name: str
    title: str
    draw: Callable[[Stream], Workload]
    budget: FaultBudget
    expect: Mapping[str, str]
    """Variant → ``PASS``, ``FAIL law`` or ``-`` (no claim).

    ``FAIL I-17 I-18``: the first law is the claim, the others may show beside it.

    A variant is a preset (``fixed``), a preset with knobs in alphabetical order (``fixed
    wait_push=local``), or a guard alone (``G2``: ``v2_merge`` with it).
    """
    races: tuple[str, ...] = ()
    """Entries of the catalogue (spec §6) this case is about."""
    knobs: tuple[str, ...] = ()
    """``knob=value`` settings that belong to the case, on every variant."""


@attrs.frozen(eq=False)
class Scenario:
    """A property of a workflow under faults; found, judged and shrunk by the harness."""

    name: str
    title: str
    law: str
    """The primary law: the one the scenario is about."""
    workflow: Workflow[Any, Any]
    steps: tuple[Step[Any, Any], ...]
    args: Callable[[Workload], tuple[object, ...]]
    cases: tuple[Case, ...]
    laws: tuple[str, ...] = ()
    """Further laws beside the primary one and the set that is always on."""
    marks: tuple[str, ...] = ()
    """Places the search must have been to, over all trials."""
    may_fail: bool = False
    """The workflow or its bodies may fail by themselves, beyond the planned flakes."""
    oracle: Callable[[Workload, Sequence[Event]], object] | None = None
    """The output a completed run must have, given its log."""
    workloads: Callable[[], SearchStrategy[tuple[str, Workload, FaultBudget]]] | None = None
    """Property-based form: a strategy for (case name, values, fault budget)."""
    client: Script | None = None
    """What the client does, if that is more than starting one run; no world error may leave it."""
    children: tuple[Workflow[Any, Any], ...] = ()
    """Further workflows, which steps start as child runs and client scripts by name."""
    targets: Callable[[Workload], Sequence[str]] | None = None
    """Labels of the steps a nemesis may aim at; None: those of the first of ``steps``."""
    trials_max: int = sys.maxsize
    """A hunt runs no more trials than this; for scenarios whose trials are dozens of runs each."""
    cost: Callable[[Workload], Cost | None] | None = None
    """What one run may cost (I-27); None: it is not judged."""

    def case(self, name: str) -> Case:
        """The case called ``name``; ``UsageError`` with the nearest name otherwise."""
        for case in self.cases:
            if case.name == name:
                return case
        raise unknown_name(f"case of {self.name}", name, [case.name for case in self.cases])

    def program(self, workload: Workload) -> Program:
        """The program under test, with the drawn ``max_retries``."""
        return _program(self, workload.max_retries)

    def victims(self, workload: Workload) -> list[str]:
        """Labels of the steps a nemesis may aim at; those with planned failures more often."""
        if self.targets is not None:
            labels = list(self.targets(workload))
        elif self.steps:
            labels = [f"{self.steps[0].name}#{n}" for n in range(1, workload.steps + 1)]
        else:
            labels = []
        failing = [label for label, number in workload.failures if number == 1]
        return labels + failing * FAILING_WEIGHT


@functools.lru_cache(maxsize=256)
def _program(scenario: Scenario, max_retries: int) -> Program:
    return Program.of(
        scenario.workflow, *scenario.steps, children=scenario.children, max_retries=max_retries
    )


@functools.lru_cache(maxsize=256)
def case_variant(case: Case, variant: Variant) -> Variant:
    """The variant as the case runs it."""
    for setting in case.knobs:
        variant = with_knob(variant, setting)
    return variant


def declared_verdict(scenario: Scenario, variant: Variant, case: str = "") -> Verdict | None:
    """What the scenario says must come out, or None where it makes no claim for these knobs.

    ``case`` empty: all cases together (any that must fail makes the whole fail).
    """
    key = _claim_key(variant)
    cases = [scenario.case(case)] if case else scenario.cases
    claims = [each.expect.get(key, UNCLAIMED) for each in cases]
    laws = [claim.split()[1] for claim in claims if claim.startswith(FAIL)]
    if laws:
        return Verdict(FAIL, scenario.law if scenario.law in laws else laws[0])
    return Verdict(PASS) if PASS in claims else None


def claimed_laws(scenario: Scenario, variant: Variant, case: str) -> tuple[str, ...] | None:
    """The laws that a case says may be broken; None where it makes no claim."""
    claim = scenario.case(case).expect.get(_claim_key(variant), UNCLAIMED)
    return None if claim == UNCLAIMED else tuple(claim.split()[1:])


def _claim_key(variant: Variant) -> str:
    """``v2_merge``, ``fixed wait_push=local``, or a guard alone for ``v2_merge`` with it."""
    guard = f"attempt_guard={variant.engine.attempt_guard}"
    if variant.name == "v2_merge" and variant.changed == (guard,):
        return str(variant.engine.attempt_guard)
    return " ".join((variant.name, *variant.changed))


def claimed_variant(key: str) -> Variant:
    """The variant that a key of ``Case.expect`` stands for; ``UsageError`` if there is none."""
    name, *knobs = key.split()
    if name in GUARDS and not knobs:
        name, knobs = "v2_merge", [f"attempt_guard={name}"]
    if name not in PRESETS:
        raise unknown_name("variant in a declared verdict", name, [*PRESETS, *GUARDS])
    variant = PRESETS[name]
    for setting in knobs:
        variant = with_knob(variant, setting)
    return variant


def load_scenarios(where: str | None = None) -> dict[str, Scenario]:
    """The scenarios of a folder, a file or a module, by name.

    None: the folder ``scenarios`` of the current directory; without one, whatever installed
    packages offer under the entry point group ``simworld.scenarios`` (decisions §5.11).
    """
    if where is not None:
        path = pathlib.Path(where)
        modules = _from_path(path) if path.exists() else [_import(where)]
    elif pathlib.Path("scenarios").is_dir():
        modules = _from_path(pathlib.Path("scenarios"))
    else:
        points = importlib.metadata.entry_points(group="simworld.scenarios")
        modules = [point.load() for point in sorted(points, key=lambda point: point.name)]
    found: dict[str, Scenario] = {}
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Scenario):
                if found.get(value.name, value) is not value:
                    raise UsageError(f"two scenarios are called {value.name!r}")
                found[value.name] = value
    if not found:
        raise UsageError(
            f"no scenarios in {where or 'the folder scenarios/ of this directory'}; "
            "name a folder, file or module with --scenarios"
        )
    return dict(sorted(found.items()))


def _from_path(path: pathlib.Path) -> list[ModuleType]:
    path = path.resolve()
    files = sorted(path.glob("*.py")) if path.is_dir() else [path]
    folder = path if path.is_dir() else path.parent
    parent = str(folder.parent)
    if parent not in sys.path:
        sys.path.insert(0, parent)
    return [_load(folder, file) for file in files if file.stem != "__init__"]


def _load(folder: pathlib.Path, file: pathlib.Path) -> ModuleType:
    """The module of one file, found by its place: another package may have the folder's name."""
    name = f"{folder.name}.{file.stem}"
    known = sys.modules.get(name)
    if known is not None and known.__file__ == str(file):
        return known
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"cannot load scenarios from {str(file)!r}: it is no Python file")
    module = importlib.util.module_from_spec(spec)
    if known is None:
        sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        sys.modules.pop(name, None)
        raise UsageError(f"cannot load scenarios from {str(file)!r}: {error}") from error
    return module


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(f"cannot load scenarios from {name!r}: {error}") from error


def check_claims(scenario: Scenario) -> None:
    """``UsageError`` for a declared verdict that no variant can ever ask for."""
    for case in scenario.cases:
        for key, claim in case.expect.items():
            if _claim_key(claimed_variant(key)) != key and key not in GUARDS:
                raise UsageError(
                    f"case {case.name}: write {_claim_key(claimed_variant(key))!r}, not {key!r}"
                )
            if claim not in (PASS, UNCLAIMED) and not claim.startswith(f"{FAIL} "):
                raise UsageError(f"case {case.name}: {claim!r} is no verdict")
            if claim.startswith(FAIL):
                laws_named(claim.split()[1:])
