"""What a trial of a subject costs, and whether memory stays flat.

    python -m bench.subject_speed                    trials a second on each world
    python -m bench.subject_speed --memory 5000      resident memory while so many trials run
    python -m bench.subject_speed --profile 300      the most expensive functions

Target: at least 60 trials a second on one core for a gather of three branches, 100 as the goal;
memory after 5 000 trials as it was after 1 000.
"""

from __future__ import annotations

import argparse
import cProfile
import functools
import gc
import pathlib
import pstats
import resource
import statistics
import time
from collections.abc import Callable

import attrs

from bench.timing import no_collector
from simworld.campaign import Hunter, Scenario, load_scenarios, placed, preset
from simworld.entropy import Stream
from simworld.records import Workload

SUBJECT, SCENARIO = "vercel-workflow", "vercel_gather"
PLACES = ("atomic", "local", "postgres", "hosted", "sdk-local")
BRANCHES = 3
ROUNDS = 5
TRIALS = 60
"""Of one round."""
HOTTEST = 45
MARKS = 5
"""How often memory is looked at."""


def _with_three(draw: Callable[[Stream], Workload], stream: Stream) -> Workload:
    workload = draw(stream)
    durations = (workload.durations_ms * BRANCHES)[:BRANCHES]
    return attrs.evolve(workload, steps=BRANCHES, durations_ms=durations)


def three_branches(scenario: Scenario) -> Scenario:
    """The scenario, with as many branches as the target speaks of in every trial."""
    cases = tuple(
        attrs.evolve(case, draw=functools.partial(_with_three, case.draw))
        for case in scenario.cases
        if case.name != "failing"
    )
    return attrs.evolve(scenario, cases=cases)


def hunter_on(place: str, case: str = "") -> Hunter:
    """A hunter of the gather on one world."""
    scenario = three_branches(load_scenarios("scenarios/vercel")[SCENARIO])
    return Hunter(scenario, placed(preset(SUBJECT), place), case=case)


def speeds() -> None:
    """Trials and turns a second of CPU time, world by world; rounds take turns."""
    hunters = [hunter_on(place) for place in PLACES]
    for hunter in hunters:
        for number in range(5):
            hunter.trial(number)
    taken: dict[str, list[float]] = {place: [] for place in PLACES}
    turns: dict[str, int] = dict.fromkeys(PLACES, 0)
    for _ in range(ROUNDS):
        for place, hunter in zip(PLACES, hunters, strict=True):
            with no_collector():
                begun = time.process_time()
                turns[place] = sum(hunter.trial(number).turns for number in range(TRIALS))
                taken[place].append(time.process_time() - begun)
    print(f"{SCENARIO}, {BRANCHES} branches, all cases but failing, {TRIALS} trials a round")
    for place in PLACES:
        seconds = statistics.median(taken[place])
        print(
            f"{place:10} {TRIALS / seconds:6.0f} trials/s  {turns[place] / TRIALS:5.0f} turns a "
            f"trial  {seconds / turns[place] * 1e6:5.0f} µs a turn"
        )


def resident_mb() -> float:
    """What the process holds of the machine's memory now."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def memory(trials: int, place: str) -> None:
    """Resident memory after every fifth of so many trials."""
    hunter = hunter_on(place)
    for number in range(1, trials + 1):
        hunter.trial(number)
        if number % 100 == 0:
            gc.collect()
        if number % max(1, trials // MARKS) == 0:
            print(f"{place}: {number:6} trials, {resident_mb():.1f} MB")


def profile(trials: int, place: str) -> None:
    """The most expensive functions, by their own time and with what they call."""
    hunter = hunter_on(place, "quiet")
    for number in range(10):
        hunter.trial(number)
    profiler = cProfile.Profile()
    with no_collector():
        profiler.enable()
        for number in range(trials):
            hunter.trial(number)
        profiler.disable()
    stats = pstats.Stats(profiler)
    stats.sort_stats("tottime").print_stats(HOTTEST)
    stats.sort_stats("cumtime").print_stats(HOTTEST)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", type=int, default=0, metavar="TRIALS")
    parser.add_argument("--profile", type=int, default=0, metavar="TRIALS")
    parser.add_argument("--world", default="atomic")
    args = parser.parse_args()
    if args.memory:
        memory(args.memory, args.world)
    elif args.profile:
        profile(args.profile, args.world)
    else:
        speeds()


if __name__ == "__main__":
    main()
