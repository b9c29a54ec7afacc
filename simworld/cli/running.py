"""The hunts of one command, one after the other, and what ends them early."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from simworld.cli.common import USAGE, complain
from simworld.errors import ReplayDivergence, UsageError

if TYPE_CHECKING:
    from simworld.campaign import Pool, Scenario, Variant
    from simworld.records import FaultBudget, Result, Unjudged
    from simworld.render import Pace

TRIALS = 1_000
TRIALS_UNBOUNDED = 10**12
"""With --seconds alone, time is the only bound."""
HASH_SEED_TRIALS = 50
"""Trials that --run-twice also compares between processes with other hash seeds."""


class Done:
    """What came of the hunts."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.complete: list[bool] = []
        """Of each result, whether its hunt ran to its end."""
        self.unjudged: list[Unjudged] = []
        self.mistakes: list[str] = []
        """Hunts that a mistake of their scenario or workflow has ended."""
        self.stopped: BaseException | None = None
        """What ended all hunts early, if anything did."""
        self.unwritten = False
        """A file that was asked for is missing."""

    def add(self, result: Result, *, complete: bool) -> None:
        """Keep a result."""
        self.results.append(result)
        self.complete.append(complete)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """What cannot be written is told at once, and does not keep the rest from being written."""
        try:
            yield
        except UsageError as error:
            complain(USAGE, f"error: {error}")
            self.unwritten = True


def run_hunts(
    args: argparse.Namespace, plan: Sequence[tuple[Scenario, Variant]], faults: FaultBudget
) -> Done:
    """All hunts of the plan; a mistake ends only the hunt it is made in."""
    from simworld.records import Unjudged
    from simworld.render import Pace

    done, pace = Done(), Pace()
    try:
        with _pool(args, len(plan)) as pool:
            for at, (scenario, variant) in enumerate(plan):
                label = f"{at + 1}/{len(plan)} {scenario.name} on {system(variant)}"
                with _mistakes(done, scenario, variant):
                    _run_one(args, label, scenario, variant, faults, pool, pace, done)
    except (Exception, KeyboardInterrupt) as error:
        done.stopped = error
        judged = len(done.results) + len(done.unjudged)
        for scenario, variant in plan[judged:]:
            reason = "interrupted" if isinstance(error, KeyboardInterrupt) else "an error before it"
            done.unjudged.append(Unjudged(scenario.name, system(variant), f"not run: {reason}"))
    return done


def trials_of(args: argparse.Namespace) -> int:
    """The bound of every hunt."""
    if args.trials is not None:
        return int(args.trials)
    return TRIALS_UNBOUNDED if args.seconds else TRIALS


def system(variant: Variant) -> str:
    """The variant with its changed knobs and its world, as ``Result.system``."""
    return f"{' '.join((variant.name, *variant.changed))}{at_world(variant)}"


def at_world(variant: Variant) -> str:
    """The variant's world, if that is not the atomic one."""
    return "" if variant.place == "atomic" else f" @ {variant.place}"


def jobs_of(args: argparse.Namespace) -> int:
    """How many processes run trials."""
    from simworld.campaign import cores

    return int(args.jobs) or cores()


@contextlib.contextmanager
def _pool(args: argparse.Namespace, hunts: int) -> Iterator[Pool | None]:
    """The processes that run trials; None: this one does."""
    if args.jobs == 1 or not hunts:
        yield None
        return
    from simworld.campaign import Pool

    with Pool(jobs_of(args), where=args.scenarios, say=_say) as pool:
        yield pool


def _say(text: str) -> None:
    complain(0, text)


@contextlib.contextmanager
def _mistakes(done: Done, scenario: Scenario, variant: Variant) -> Iterator[None]:
    """Note a mistake of the scenario's or the workflow's author, and go on."""
    from simworld.campaign import HuntDiverged
    from simworld.records import Unjudged

    before = len(done.results)
    try:
        yield
    except (UsageError, ReplayDivergence) as error:
        complain(USAGE, f"error: {error}")
        done.mistakes.append(f"{scenario.name} on {system(variant)}")
        if isinstance(error, HuntDiverged):
            done.add(error.result, complete=False)
        elif len(done.results) == before:
            done.unjudged.append(Unjudged(scenario.name, system(variant), str(error)))


def _run_one(
    args: argparse.Namespace,
    label: str,
    scenario: Scenario,
    variant: Variant,
    faults: FaultBudget,
    pool: Pool | None,
    pace: Pace,
    done: Done,
) -> None:
    """One hunt; ``KeyboardInterrupt`` behind its result if it was interrupted."""
    from simworld.campaign import check_hash_seeds, hunt
    from simworld.render import progress_bar

    with progress_bar(label, seconds=args.seconds, stream=sys.stderr, pace=pace) as progress:
        result = hunt(
            scenario,
            variant,
            seed=args.seed.number,
            trials=trials_of(args),
            seconds=args.seconds,
            explorer=args.explorer,
            case=args.case,
            run_twice=args.run_twice,
            faults=faults,
            progress=progress,
            pool=pool,
        )
    done.add(result, complete=not result.interrupted)
    if result.interrupted:
        raise KeyboardInterrupt
    if args.run_twice:
        check_hash_seeds(
            scenario,
            variant,
            where=args.scenarios,
            seed=args.seed.number,
            trials=min(result.trials, HASH_SEED_TRIALS),
            case=args.case,
            explorer=args.explorer,
        )
