"""Scenarios: a workflow, the values and faults to draw, and the *right* outcome per variant.

A scenario never builds a handler or a message: a trial starts with a client's calls, every handler
comes from the queue and every fault from the budget (decisions §7.1).  Without a ``client`` script
the one call is ``start`` with the scenario's ``args``.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from simworld.campaign.places import place_named
from simworld.campaign.script import Script, asked, place_of
from simworld.campaign.variants import PRESETS, Variant, placed, preset, with_knob
from simworld.check import Cost, laws_named
from simworld.engine import Event, Program, Step, Workflow
from simworld.entropy import Stream
from simworld.errors import UsageError, unknown_name
from simworld.records import FAIL, PASS, FaultBudget, ForeignProgram, Verdict, Workload
from simworld.subjects import SUBJECTS, open_host

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

UNCLAIMED = "-"
GUARDS = tuple(f"G{number}" for number in range(9))
FAILING_WEIGHT = 2
"""How much more often a step with a planned failure is aimed at."""
TURNS_MAX = 4_000
"""Operations per trial; half of them may be searched, the rest drains fairly."""
TURNS_LIMIT = 10_000_000
"""No scenario and no repro may ask for more."""


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
    marks: tuple[str, ...] = ()
    """Places a search that draws this case must have been to."""

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.budget, FaultBudget):
            raise UsageError(
                f"the budget of case {self.name} is a FaultBudget, not {self.budget!r}"
            )


@attrs.frozen(eq=False)
class Scenario:
    """A property of a workflow under faults; found, judged and shrunk by the harness."""

    name: str
    title: str
    law: str
    """The primary law: the one the scenario is about."""
    workflow: Workflow[Any, Any] | ForeignProgram
    """Of our own engine, or of another one, which knows its steps itself."""
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
    turns_max: int = TURNS_MAX
    """Operations per trial; more of them for workflows that do more."""
    unpromised: tuple[str, ...] = ()
    """Laws that are judged also where the variant promises nothing: I-14 (bodies of one step do not
    overlap), I-06 (all passes have a sleep end at one instant)."""
    simpler: Callable[[Workload], Iterable[Workload]] | None = None
    """Simpler values than these, the simplest first, beyond smaller and fewer numbers."""
    told: Callable[[Workload], Sequence[str]] | None = None
    """The values for people, in lines; for those that are no use as numbers (``picks``)."""
    generated: bool = False
    """Its workflows are drawn, or it is a storm: ``simworld hunt --generated`` hunts it."""
    canary: bool = False
    """Its claims are false, and every hunt must refute them, case by case, within ``trials_max``
    trials: it guards the harness.  What its cases declare is not looked at."""
    origin: str = ""
    """The module that it was made from, as ``modules.module_scenarios`` takes it; empty: somebody
    has written it."""

    def __attrs_post_init__(self) -> None:
        _check_parts(self)
        names = [case.name for case in self.cases]
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"scenario {self.name} has two cases called {name!r}")
        if not 1 <= self.turns_max <= TURNS_LIMIT:
            raise UsageError(
                f"turns_max of scenario {self.name} is {self.turns_max}; at least 1 and at most "
                f"{TURNS_LIMIT}"
            )

    @property
    def subject(self) -> str:
        """The engine that runs it, if it is none of ours."""
        return self.workflow.subject if isinstance(self.workflow, ForeignProgram) else ""

    @property
    def functions(self) -> list[Callable[..., object]]:
        """What its workflows and steps are written as; another engine's are not looked into."""
        if isinstance(self.workflow, ForeignProgram):
            return []
        functions = [self.workflow.function, *[step.function for step in self.steps]]
        return functions + [child.function for child in self.children]

    def case(self, name: str) -> Case:
        """The case called ``name``; ``UsageError`` with the nearest name otherwise."""
        for case in self.cases:
            if case.name == name:
                return case
        raise unknown_name(f"case of {self.name}", name, [case.name for case in self.cases])

    def program(self, workload: Workload) -> Program:
        """The program under test, with the drawn ``max_retries``, if one was drawn."""
        return _program(self, workload.max_retries)

    def drawn(self, case: Case, stream: Stream) -> Workload:
        """What the case draws."""
        workload = asked(f"draw of case {case.name} of scenario {self.name}", case.draw, stream)
        if not isinstance(workload, Workload):
            raise UsageError(
                f"draw of case {case.name} of scenario {self.name}, at {place_of(case.draw)}, "
                f"returns a Workload, not {workload!r}"
            )
        return workload

    def given(self, workload: Workload) -> tuple[object, ...]:
        """The arguments that the run is started with."""
        args = asked(f"args of scenario {self.name}", self.args, workload)
        if not isinstance(args, tuple):
            raise UsageError(
                f"args of scenario {self.name}, at {place_of(self.args)}, returns a tuple with the "
                f"workflow's arguments, such as (1,), not {args!r}"
            )
        return args

    def victims(self, workload: Workload) -> list[str]:
        """Labels of the steps a nemesis may aim at; those with planned failures more often."""
        if self.targets is not None:
            labels = list(asked(f"targets of scenario {self.name}", self.targets, workload))
        elif self.steps:
            labels = [f"{self.steps[0].name}#{n}" for n in range(1, workload.steps + 1)]
        else:
            labels = []
        failing = [label for label, number in workload.failures if number == 1]
        return labels + failing * FAILING_WEIGHT


def _check_parts(scenario: Scenario) -> None:
    """``UsageError`` for a part that is of another kind than the field's."""
    for field, values, kind, cure in (
        (
            "workflow",
            (scenario.workflow,),
            Workflow | ForeignProgram,
            "decorate the function with @workflow",
        ),
        ("steps", scenario.steps, Step, "decorate each function with @step"),
        ("children", scenario.children, Workflow, "decorate each function with @workflow"),
        ("cases", scenario.cases, Case, "write Case(…)"),
    ):
        if not isinstance(values, tuple | list):
            raise UsageError(
                f"{field} of scenario {scenario.name} is a tuple, such as (one, other), not "
                f"{values!r}"
            )
        for value in values:
            if not isinstance(value, kind):
                raise UsageError(f"{field} of scenario {scenario.name}: {value!r} is none; {cure}")
    if not scenario.cases:
        raise UsageError(f"scenario {scenario.name} has no cases; give it one: Case(…)")


def check_failures(scenario: Scenario, workload: Workload) -> None:
    """``UsageError`` for a planned failure of a step that the scenario does not have."""
    for label, number in workload.failures:
        name, _, ordinal = label.rpartition("#")
        steps = _steps_of(scenario, workload)
        if name not in steps or not ordinal.isdecimal() or number < 1:
            known = ", ".join(f"{each}#1" for each in sorted(steps))
            raise UsageError(
                f"scenario {scenario.name} plans that body {number} of {label!r} fails; write the "
                f"label of one of its steps ({known or 'it has none'}, …) and a number from 1"
            )


def _steps_of(scenario: Scenario, workload: Workload) -> Iterable[str]:
    if isinstance(scenario.workflow, ForeignProgram):
        return open_host(scenario.subject).steps(scenario.workflow)
    return scenario.program(workload).steps


@functools.lru_cache(maxsize=256)
def _program(scenario: Scenario, max_retries: int | None) -> Program:
    assert isinstance(scenario.workflow, Workflow)
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
    if scenario.canary:
        return Verdict(FAIL, scenario.law)
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
    """``v2_merge``, ``fixed wait_push=local``, or a guard alone for ``v2_merge`` with it.

    The worlds that are repaired share all claims; of the others nobody claims anything.
    """
    if not place_named(variant.place).repaired:
        return ""
    guard = f"attempt_guard={variant.engine.attempt_guard}"
    if variant.name == "v2_merge" and variant.changed == (guard,):
        return str(variant.engine.attempt_guard)
    return " ".join((variant.name, *variant.changed))


def claimed_variant(key: str) -> Variant:
    """The variant that a key of ``Case.expect`` stands for; ``UsageError`` if there is none.

    Behind `` @ `` a world may follow, as in ``Result.system``; its own knobs are set first.
    """
    key, _, place = key.partition(" @ ")
    name, *knobs = key.split()
    if name in GUARDS and not knobs:
        name, knobs = "v2_merge", [f"attempt_guard={name}"]
    if name not in PRESETS and name not in SUBJECTS:
        raise unknown_name("variant", name, [*PRESETS, *GUARDS, *SUBJECTS])
    variant = placed(preset(name), place) if place else preset(name)
    for setting in knobs:
        variant = with_knob(variant, setting)
    return variant


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
