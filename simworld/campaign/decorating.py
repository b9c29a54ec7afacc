"""``@simworld.scenario``: a scenario written as one decorated function, with defaults that search.

    @simworld.scenario(steps=[charge], args=([10, 20],), oracle=lambda workload, log: 30)
    @workflow
    async def order(amounts: list[int]) -> int: ...

Where the workflow lies elsewhere, what the client does is decorated instead:

    @simworld.scenario(workflow=order, steps=[charge])
    async def paid_in_time(client: Client, workload: Workload) -> None:
        await client.start([10, 20])

Either way the name becomes a ``Scenario`` of one case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Never

from simworld.campaign.scenario import TURNS_MAX, Case, Scenario
from simworld.campaign.script import Script
from simworld.engine import Event, Step, Workflow
from simworld.entropy import Stream
from simworld.errors import UsageError
from simworld.records import PASS, FaultBudget, Workload

ROUGH = FaultBudget(duplicates=3, crashes=1, lost_answers=1)
"""What may go wrong where nobody says otherwise."""
LAWS = ("I-12", "I-13", "I-14", "I-16", "I-17", "I-21", "L-02")
"""Judged beside ``I-18`` and those that always are."""
HOLDS = {"fixed": PASS}


def scenario_of(
    *bare: Never,
    workflow: Workflow[Any, Any] | None = None,
    steps: Sequence[Step[Any, Any]] = (),
    children: Sequence[Workflow[Any, Any]] = (),
    args: tuple[object, ...] | Callable[[Workload], tuple[object, ...]] = (),
    oracle: Callable[[Workload, Sequence[Event]], object] | None = None,
    draw: Callable[[Stream], Workload] | None = None,
    budget: FaultBudget = ROUGH,
    expect: Mapping[str, str] = HOLDS,
    law: str = "I-18",
    laws: Sequence[str] = LAWS,
    marks: Sequence[str] | None = None,
    knobs: Sequence[str] = (),
    may_fail: bool = False,
    turns_max: int = TURNS_MAX,
) -> Callable[[Workflow[Any, Any] | Script], Scenario]:
    """Make a scenario of a ``@workflow``, or of what its client does; called like the function.

    ``args`` are what the one run is started with: a tuple, or a function of what was drawn.
    ``draw`` gives the values of a trial; without it there are none, and faults are aimed at the
    first call of each step.  ``marks`` None: the search must have met the faults of ``budget``.
    The rest is as in ``Scenario`` and ``Case``.
    """

    if bare:
        raise UsageError(
            f"@simworld.scenario takes what it needs in parentheses: @simworld.scenario(steps=[…]) "
            f"above {bare[0]!r}"
        )
    if not (isinstance(args, tuple) or callable(args)):
        raise UsageError(
            f"args of @simworld.scenario is a tuple with the workflow's arguments, such as (1,), "
            f"or a function that returns one, not {args!r}"
        )

    def make(decorated: Workflow[Any, Any] | Script) -> Scenario:
        main, script = _parts(decorated, workflow)
        function = main.function if script is None else script
        name = function.__name__
        title = (function.__doc__ or name).strip().splitlines()[0].rstrip(".")
        return Scenario(
            name=name,
            title=title,
            law=law,
            laws=tuple(laws),
            workflow=main,
            steps=tuple(steps),
            children=tuple(children),
            args=args if callable(args) else lambda workload: args,
            oracle=oracle,
            client=script,
            targets=None if draw else lambda workload: [f"{each.name}#1" for each in steps],
            may_fail=may_fail,
            turns_max=turns_max,
            cases=(
                Case(
                    name="drawn" if draw else "rough",
                    title=title,
                    draw=draw or (lambda stream: Workload(steps=len(steps))),
                    budget=budget,
                    expect=expect,
                    knobs=tuple(knobs),
                    marks=_met(budget) if marks is None else tuple(marks),
                ),
            ),
        )

    return make


def _parts(
    decorated: Workflow[Any, Any] | Script, workflow: Workflow[Any, Any] | None
) -> tuple[Workflow[Any, Any], Script | None]:
    """The workflow, and the client's script if it is that which was decorated."""
    if not isinstance(decorated, Workflow):
        if workflow is None:
            raise UsageError(
                f"@simworld.scenario does not know the workflow of {decorated!r}; put @workflow "
                "below it, or name the workflow that this client starts: workflow=…"
            )
        return workflow, decorated
    if workflow is not None:
        raise UsageError(
            f"@simworld.scenario(workflow={workflow.name}) decorates what a client does, not the "
            f"workflow {decorated.name}; leave out workflow="
        )
    return decorated, None


def _met(budget: FaultBudget) -> tuple[str, ...]:
    """Marks of a search that has met the faults it was allowed."""
    met = {"duplicates": "delivery.duplicate", "crashes": "handler.crashed"}
    return tuple(mark for kind, mark in met.items() if getattr(budget, kind, 0))
