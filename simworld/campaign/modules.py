"""Somebody's own workflows for a subject, hunted as they are: a scenario for each of them.

A module is named like a place that scenarios come from, so that whoever loads scenarios by that
name (another process, a replay) finds the same ones: ``vercel-workflow:shop.flows`` is every
workflow in there that takes no arguments, ``vercel-workflow:shop.flows:checkout["7", 20]`` one of
them with what it is given.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Sequence

import attrs

from simworld import marks
from simworld.campaign.scenario import Case, Scenario
from simworld.campaign.trial import prepared, run_trial
from simworld.campaign.variants import preset
from simworld.check import FOREIGN
from simworld.entropy import Stream
from simworld.errors import SimworldError, UsageError, unknown_name
from simworld.explore import make_explorer
from simworld.records import BodyEnded, FaultBudget, ForeignProgram, Profile, Workload
from simworld.sim import NoFaults
from simworld.subjects import SUBJECTS, open_host

LAW = "I-12"
"""A run whose steps do not fail for good does not fail."""


def is_module(where: str) -> bool:
    """Whether it names a module of workflows, not a place that scenarios come from."""
    subject, colon, _ = where.partition(":")
    return bool(colon) and subject in SUBJECTS


def where_of(subject: str, module: str, workflow: str, args: str | None) -> str:
    """The name of a module, of one of its workflows, or of that with arguments (a JSON list)."""
    if args is not None and not workflow:
        raise UsageError("--args are the arguments of one workflow; name it with --workflow")
    named = f":{workflow}" if workflow else ""
    return f"{subject}:{module}{named}{'' if args is None else _listed(args)}"


def _listed(text: str) -> str:
    """The JSON list, in one form."""
    try:
        values = json.loads(text)
    except ValueError as error:
        raise UsageError(
            f"--args takes a JSON list, such as '[\"7\", 20]', not {text!r}: {error}"
        ) from error
    if not isinstance(values, list):
        raise UsageError(f"--args takes a JSON list, such as '[{json.dumps(values)}]', not {text}")
    return json.dumps(values)


@functools.cache
def module_scenarios(where: str) -> dict[str, Scenario]:
    """The scenarios of a module, by the names of its workflows."""
    subject, _, rest = where.partition(":")
    module, _, asked_for = rest.partition(":")
    name, bracket, listed = asked_for.partition("[")
    given: list[object] = json.loads(bracket + listed) if bracket else []
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    host = open_host(subject)
    workflows = host.workflows(module)
    if name and name not in workflows:
        raise unknown_name(f"workflow of {module}", name, workflows)
    if name:
        _check_args(ForeignProgram(subject, module, name), given)
    programs = [ForeignProgram(subject, module, each) for each in ([name] if name else workflows)]
    chosen = [each for each in programs if name or _takes_none(each)]
    if not chosen:
        told = ", ".join(f"{each}{workflows[each]}" for each in sorted(workflows))
        raise UsageError(
            f"every workflow of {module} takes arguments ({told}); name one with --workflow and "
            "give it some with --args"
        )
    return {each.name: _scenario(each, given, where) for each in chosen}


def _takes_none(program: ForeignProgram) -> bool:
    try:
        open_host(program.subject).check_args(program, [])
    except UsageError:
        return False
    return True


def _check_args(program: ForeignProgram, given: Sequence[object]) -> None:
    """``UsageError`` unless the workflow can be called with these."""
    try:
        open_host(program.subject).check_args(program, given)
    except UsageError as error:
        raise UsageError(
            f"{error}; give them with --args, a JSON list such as '[\"7\", 20]'"
        ) from error


# --- the scenario of a workflow -------------------------------------------------------------------


def _scenario(program: ForeignProgram, given: Sequence[object], where: str) -> Scenario:
    calm = Scenario(
        name=program.workflow,
        title=f"{program.workflow} of {program.module} ends well, whatever is permitted happens",
        law=LAW,
        laws=FOREIGN,
        workflow=program,
        steps=(),
        args=lambda workload: tuple(given),
        cases=_cases(program),
        origin=where,
    )
    bodies = _bodies(calm)
    labels = list(dict.fromkeys(each.step for each in bodies))
    broken = {each.step for each in bodies if each.outcome != "ok"}
    failing = _failing(program, [label for label in labels if label not in broken])
    cases = calm.cases if failing is None else (*calm.cases, failing)
    return attrs.evolve(calm, cases=cases, targets=lambda workload: labels)


def _bodies(scenario: Scenario) -> list[BodyEnded]:
    """The bodies that run when nothing is disturbed.

    The ordinal of a step counts all that its run asks for: only a run can tell it.
    """
    quiet = scenario.cases[0]
    stream = Stream(0)
    explorer = make_explorer("default")
    explorer.begin(stream.fork("explorer"), Profile())
    workload = scenario.drawn(quiet, stream)
    setup = prepared(scenario, quiet, preset(scenario.subject), workload, explorer, NoFaults())
    try:
        with marks.uncounted():
            records = run_trial(setup).records
    except SimworldError:
        return []  # the hunt meets it, too, and tells it
    return [each for each in records if isinstance(each, BodyEnded)]


def _steps(program: ForeignProgram) -> list[str]:
    """The steps of the workflow's module, by name."""
    return sorted(open_host(program.subject).steps(program))


def _cases(program: ForeignProgram) -> tuple[Case, ...]:
    """One sort of trouble each: what fails in one of them fails because of it."""

    def quiet(stream: Stream) -> Workload:
        return Workload(steps=len(_steps(program)))

    def case(name: str, title: str, **budget: int) -> Case:
        return Case(name=name, title=title, draw=quiet, budget=FaultBudget(**budget), expect={})

    return (
        case("quiet", "nothing goes wrong; only who comes first is not known"),
        case("duplicates", "messages are delivered more than once", duplicates=3),
        case("crashes", "processes die between two operations", crashes=2),
        case(
            "lost_answers", "the world does what it is asked and its answer is lost", lost_answers=2
        ),
        case("refused", "the world refuses some calls", server_errors=2, throttles=1),
        case(
            "slow", "bodies take long, and their messages come again", slow_bodies=2, redeliveries=1
        ),
    )


def _failing(program: ForeignProgram, labels: Sequence[str]) -> Case | None:
    """The bodies of one of these steps fail, never so often that its retries are used up; None
    where none of them has retries."""
    retries = {step: n for step, n in open_host(program.subject).steps(program).items() if n}
    able = [label for label in labels if _step_of(label) in retries]

    def draw(stream: Stream) -> Workload:
        label = stream.choice(able)
        times = stream.between(1, retries[_step_of(label)])
        failures = tuple((label, number) for number in range(1, times + 1))
        return Workload(steps=len(_steps(program)), failures=failures)

    if not able:
        return None
    return Case(
        name="failing",
        title="bodies of a step raise, but not so often that its retries are used up",
        draw=draw,
        budget=FaultBudget(),
        expect={},
        marks=("body.flaked",),
    )


def _step_of(label: str) -> str:
    return label.rpartition("#")[0]
