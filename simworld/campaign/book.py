"""The scenario book: interleavings that people know by heart, one page each, run on every preset.

A page is a scenario with one case, whose trial follows a script instead of a search.  What must
come out is declared as in every case; what a preset makes of it is observed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from simworld.campaign.replaying import repro_of
from simworld.campaign.scenario import Case, Scenario, declared_verdict
from simworld.campaign.script import Script
from simworld.campaign.trial import prepared, run_trial
from simworld.campaign.variants import PRESETS, Variant, placed
from simworld.engine import Event, Step, Workflow
from simworld.entropy import Stream, derive
from simworld.errors import ScriptError, UsageError
from simworld.explore import Candidate, Scripted
from simworld.records import (
    PASS,
    UNKNOWN,
    Fault,
    FaultBudget,
    Profile,
    Repro,
    Verdict,
    Workload,
)
from simworld.sim import RecordedFaults

EVERYWHERE = dict.fromkeys(PRESETS, PASS)
"""What comes out on every preset where no race is known."""
PLAIN = Workload()


@attrs.frozen(eq=False)
class Page:
    """One interleaving."""

    id: str
    title: str
    """What happens, and what is right, in a sentence."""
    scenario: Scenario
    """With one case; its ``draw`` gives the values, from a stream that is always the same."""
    script: Callable[[], Scripted] = Scripted
    faults: tuple[Fault, ...] = ()
    """At least one of them strikes on a preset that the page is about: messages are called
    otherwise where another message does the same."""
    world: str = "atomic"

    def __attrs_post_init__(self) -> None:
        if len(self.scenario.cases) != 1:
            raise UsageError(f"page {self.id}: its scenario has one case, not several")


def page(
    name: str,
    title: str,
    workflow: Workflow[Any, Any],
    *steps: Step[Any, Any],
    laws: Sequence[str],
    client: Script | None = None,
    oracle: Callable[[Workload, Sequence[Event]], object] | None = None,
    script: Callable[[], Scripted] = Scripted,
    faults: Sequence[Fault] = (),
    world: str = "atomic",
    workload: Workload = PLAIN,
    knobs: Sequence[str] = (),
    races: Sequence[str] = (),
    expect: Mapping[str, str] = EVERYWHERE,
    unpromised: Sequence[str] = (),
) -> Page:
    """A page with its scenario; the first of ``laws`` is the one that it is about."""
    if not laws:
        raise UsageError(f"page {name} names no law that it is about")
    case = Case(
        name=name,
        title=title,
        draw=lambda stream: workload,
        budget=FaultBudget(),
        expect=expect,
        races=tuple(races),
        knobs=tuple(knobs),
    )
    scenario = Scenario(
        name=f"book_{name.replace('-', '_')}",
        title=title,
        law=laws[0],
        laws=tuple(laws[1:]),
        workflow=workflow,
        steps=steps,
        args=lambda workload: (),
        client=client,
        oracle=oracle,
        unpromised=tuple(unpromised),
        cases=(case,),
    )
    return Page(name, title, scenario, script, tuple(faults), world)


@attrs.frozen
class Observed:
    """What a preset makes of a page."""

    page: str
    variant: str
    expected: Verdict | None
    """What the page declares; None where it makes no claim."""
    verdict: Verdict
    unfollowed: str
    """What of the script and the faults never came true on this preset; empty: all did."""
    repro: Repro | None
    """Of a failure, for whoever wants its story."""

    @property
    def is_right(self) -> bool:
        """Nothing else than what was declared."""
        declared = self.expected
        if declared is None:
            return True
        same = (declared.outcome, declared.law) == (self.verdict.outcome, self.verdict.law)
        return same and not self.unfollowed


def observe(page: Page, variant: Variant) -> Observed:
    """Run the page once on a preset, in the page's world."""
    scenario, variant = page.scenario, placed(variant, page.world)
    case, stream = scenario.cases[0], Stream(derive(0, scenario.name))
    workload = scenario.drawn(case, stream)
    script = page.script()
    script.begin(stream, Profile())
    faults = RecordedFaults(page.faults)
    setup = prepared(scenario, case, variant, workload, script, faults)
    try:
        trial = run_trial(setup)
    except ScriptError as error:
        verdict = Verdict(UNKNOWN, reason="the script cannot be followed")
        declared = declared_verdict(scenario, variant)
        return Observed(page.id, variant.name, declared, verdict, str(error), None)
    repro = None
    if trial.anomalies:
        law = trial.verdict.law
        repro = repro_of(
            setup,
            Candidate(trial.schedule, trial.faults, workload),
            next(each for each in trial.anomalies if each.law == law),
            variant=variant,
            seed=0,
            trial=0,
            explorer=script.name,
            moves_before=len(trial.blocks) + len(trial.faults),
        )
    declared = declared_verdict(scenario, variant)
    unfollowed = script.unfollowed() or _unstruck(page.faults, trial.faults)
    return Observed(page.id, variant.name, declared, trial.verdict, unfollowed, repro)


def _unstruck(planned: Sequence[Fault], struck: Sequence[Fault]) -> str:
    """The faults of a page, if none of them has struck."""
    if not planned or struck:
        return ""
    return f"no fault struck: {', '.join(f'{each.kind} of {each.target}' for each in planned)}"
