"""Measures everything the first issue gives a target for and writes reports/first_light.md.

Run with ``python -m bench.report`` (under a minute).  Every figure in the file comes from that run.
"""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import platform
import sys
from collections.abc import Iterable, Sequence
from functools import partial

import attrs

from bench import rooms, workloads
from bench.timing import Timed, interleaved, no_collector
from simworld.campaign import hunt, preset
from simworld.records import Result
from simworld.sim import Kernel, LockstepKernel

ROOT = pathlib.Path(__file__).resolve().parent.parent
REPORT = ROOT / "reports" / "first_light.md"
COMMAND = "python -m bench.report"
PYTEST = "pytest bench/{} --benchmark-only"
ROUNDS = 15
ON_FILES = ("v2_merge", "fixed")
"""Variants that are hunted on the file world, too."""
BARE, WHOLE, HUNTED, PASSES, JUDGED = 20, 40, 1_000, 100, 400
"""How often each job repeats its work within a round."""
LOCAL = 300
"""Trials on the file world within a round."""
PROFILED, SAMPLED = 500, 6_000
"""Trials under the profiler and under the sampler."""


@attrs.frozen
class Row:
    """One line of the table: a figure, its target, and whether it is met."""

    what: str
    cpu: str
    wall: str
    target: str
    command: str


@attrs.frozen
class Measured:
    """All that the run has measured."""

    timed: dict[str, Timed]
    hunts: Result
    bare_turns: int
    whole_turns: int
    passes: int
    records: int
    shrinking: workloads.Shrinking


def measure() -> Measured:
    """All timed jobs, in turns."""
    taken, shrinking, hunter = workloads.parts(), workloads.found_r02(), workloads.first_attempts()
    on_files = {each: workloads.first_attempts_on("local", each) for each in ON_FILES}
    hunts: list[Result] = []

    def hunted() -> None:
        hunts.append(
            hunt(
                workloads.scenario("concurrent_first_attempts"),
                preset("fixed"),
                trials=HUNTED,
            )
        )

    timed = interleaved(
        {
            "hunt": hunted,
            "bare own": lambda: workloads.bare_own(BARE),
            "bare lockstep": lambda: workloads.bare_lockstep(BARE),
            "whole own": lambda: workloads.whole_trials(hunter, Kernel, WHOLE),
            "whole lockstep": lambda: workloads.whole_trials(hunter, LockstepKernel, WHOLE),
            "passes": lambda: [taken.passes() for _ in range(PASSES)],
            "judge": lambda: [taken.judge() for _ in range(JUDGED)],
            "shrink": shrinking.run,
            **{
                f"local {each}": partial(workloads.hunted_trials, hunter, LOCAL)
                for each, hunter in on_files.items()
            },
        },
        rounds=ROUNDS,
    )
    return Measured(
        timed,
        hunts[-1],
        workloads.bare_own(BARE),
        workloads.whole_trials(hunter, Kernel, WHOLE),
        taken.passes(),
        len(taken.trial.records),
        shrinking,
    )


# --- the table -----------------------------------------------------------------------------------


def figures(measured: Measured) -> list[Row]:
    """Every figure beside its target."""
    return [*_speed(measured), *_kernels(measured), *_parts(measured)]


def _speed(measured: Measured) -> list[Row]:
    """A hunt's speed, and how much happens in its trials."""
    command = PYTEST.format("test_trial.py")
    speed, hunts = measured.timed["hunt"], measured.hunts
    turns, deliveries = hunts.turns / HUNTED, hunts.deliveries / HUNTED
    overlap, ended = hunts.overlap_share, hunts.ended_share
    per_s = HUNTED / speed.cpu_s
    return [
        Row(
            "trials per second on one core",
            f"{per_s:,.0f}",
            f"{HUNTED / speed.wall_s:,.0f}",
            _target("≥ 1 000", per_s >= 1_000),
            command,
        ),
        *[_on_files(measured, variant) for variant in ON_FILES],
        _plain("turns per trial, mean", f"{turns:.1f}", _target("≥ 50", turns >= 50), command),
        _plain(
            "deliveries per trial, mean",
            f"{deliveries:.1f}",
            _target("≥ 5", deliveries >= 5),
            command,
        ),
        _plain(
            "trials with overlapping deliveries",
            f"{overlap:.1%}",
            _target("≥ 30 %", overlap >= 0.3),
            command,
        ),
        _plain("runs that ended", f"{ended:.1%}", _target("≥ 99 %", ended >= 0.99), command),
        _time("time per turn of a hunt", speed, hunts.turns, "µs", command),
    ]


def _on_files(measured: Measured, variant: str) -> Row:
    timed = measured.timed[f"local {variant}"]
    per_s = LOCAL / timed.cpu_s
    return Row(
        f"trials per second on the local world, {variant}",
        f"{per_s:,.0f}",
        f"{LOCAL / timed.wall_s:,.0f}",
        _target("≥ 300", per_s >= 300),
        PYTEST.format("test_trial.py"),
    )


def _kernels(measured: Measured) -> list[Row]:
    """Both kernels side by side."""
    command, timed = PYTEST.format("test_kernel.py"), measured.timed
    bare = measured.bare_turns
    return [
        _time("bare choice point, own kernel", timed["bare own"], bare, "µs", command),
        _time("bare choice point, lock-step kernel", timed["bare lockstep"], bare, "µs", command),
        _ratio("bare choice point, lock-step ÷ own", timed, "bare", 5, command),
        _time("whole trial, own kernel", timed["whole own"], WHOLE, "µs", command),
        _time("whole trial, lock-step kernel", timed["whole lockstep"], WHOLE, "µs", command),
        _ratio("whole trial, lock-step ÷ own", timed, "whole", None, command),
    ]


def _parts(measured: Measured) -> list[Row]:
    """Parts of a trial by themselves, and shrinking."""
    command, timed, found = PYTEST.format("test_trial.py"), measured.timed, measured.shrinking
    passes, judge, shrink = timed["passes"], timed["judge"], timed["shrink"]
    small = found.moves_after <= 10 and shrink.wall_s < 1
    return [
        _time(
            "one pass, mean over a log's prefixes", passes, PASSES * measured.passes, "µs", command
        ),
        _time(f"judging {measured.records} records", judge, JUDGED, "µs", command),
        attrs.evolve(
            _time("shrinking the first R-02 failure", shrink, 1, "ms", command),
            target=_target("< 1 s, ≤ 10 moves", small),
        ),
        _plain(
            "its moves and replays",
            f"{found.moves_before} → {found.moves_after} in {found.replays}",
            "",
            command,
        ),
    ]


def _target(text: str, met: bool) -> str:
    return f"{text}: {'met' if met else '**missed**'}"


def _plain(what: str, value: str, target: str, command: str) -> Row:
    return Row(what, value, "", target, command)


def _time(what: str, timed: Timed, count: float, unit: str, command: str) -> Row:
    scale = {"µs": 1e6, "ms": 1e3}[unit] / count
    return Row(
        what,
        f"{timed.cpu_s * scale:.2f} {unit}",
        f"{timed.wall_s * scale:.2f} {unit}",
        "",
        command,
    )


def _ratio(what: str, timed: dict[str, Timed], name: str, least: int | None, command: str) -> Row:
    own, lockstep = timed[f"{name} own"], timed[f"{name} lockstep"]
    ratio = lockstep.ratio(own)
    target = "" if least is None else _target(f"≥ {least}", ratio >= least)
    return Row(what, f"{ratio:.1f}", f"{lockstep.wall_s / own.wall_s:.1f}", target, command)


# --- the page ------------------------------------------------------------------------------------


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    rows = [head, ["---"] * len(head), *lines]
    return [f"| {' | '.join(each)} |" for each in rows]


HEAD = """\
# First light: what it costs

Generated by `{command}`; do not edit. Every figure is of that one run.

* Machine: {cores} cores ({machine}), {python}, {system}, trio {trio}; load average when the run \
began: {load:.1f}.
* Medians of {rounds} rounds in which all jobs take turns, without garbage collection (as in a \
hunt). CPU time decides; wall time stands beside it. Ratios are taken within a round.
* A *trial* is one of `concurrent_first_attempts` on `fixed`, drawing, composing and judging \
included.
* A *bare choice point* is a turn of {tasks} tasks × {points} points under the uniform explorer, \
with the same {bare} seeds for both kernels, each kernel made and closed within the time. The \
lock-step kernels share one trio loop there, so that starting trio does not count; in a whole \
trial it does.
* The lock-step kernel hands over through one central kernel task, two trio steps a switch: that \
shares all choosing with the other kernel.  A hand-over from driver to driver would cost half.

## Figures
"""

PROFILE = """
## Where the time of a trial goes

{sampled} trials, looked at {samples} times at even steps of CPU time; and {profiled} of them \
under cProfile, which counted {calls:,.0f} calls a trial. cProfile charges every call alike and \
so inflates rooms made of many small functions: trust the samples for shares and cProfile for \
counts. Both charge builtins, the standard library, `entropy` and `marks` to the room that called \
them.
"""

TOP = """
## The {count} most expensive functions (own time under cProfile)
"""


def page(
    measured: Measured, counted: rooms.Profiled, seen: tuple[dict[str, float], int], load: float
) -> str:
    """The whole report."""
    shares, samples = seen
    head = HEAD.format(
        command=COMMAND,
        cores=os.cpu_count(),
        machine=platform.machine(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        system=platform.system(),
        trio=importlib.metadata.version("trio"),
        load=load,
        rounds=ROUNDS,
        tasks=workloads.TASKS,
        points=workloads.POINTS,
        bare=BARE,
    )
    profile = PROFILE.format(
        sampled=SAMPLED, samples=samples, profiled=PROFILED, calls=counted.calls / PROFILED
    )
    all_rooms = (*rooms.ROOMS, (rooms.OTHER, (), "what no room called"))
    lines = [
        head,
        *table(
            ("figure", "by CPU time", "by wall time", "target", "also measured by"),
            (
                (row.what, row.cpu, row.wall, row.target, f"`{row.command}`")
                for row in figures(measured)
            ),
        ),
        profile,
        *table(
            ("room", "sampled", "cProfile", "what it does"),
            (
                (room, f"{shares[room]:.1%}", f"{counted.shares[room]:.1%}", what)
                for room, _, what in all_rooms
            ),
        ),
        TOP.format(count=len(counted.top)),
        *table(
            ("function", "room", "share", "calls per trial"),
            (
                (f"`{hot.where}`", hot.room, f"{hot.share:.1%}", f"{hot.calls / PROFILED:.1f}")
                for hot in counted.top
            ),
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, profile, write; 0 unless something could not run."""
    load = os.getloadavg()[0]
    measured = measure()
    hunter = workloads.first_attempts()
    workloads.whole_trials(hunter, Kernel, 1)
    with no_collector():
        seen = rooms.sampled(lambda: workloads.whole_trials(hunter, Kernel, SAMPLED))
        counted = rooms.profiled(lambda: workloads.whole_trials(hunter, Kernel, PROFILED))
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(page(measured, counted, seen, load), encoding="utf-8")
    print(f"{REPORT.relative_to(ROOT)}:")
    for row in figures(measured):
        print(f"  {row.what:40} {row.cpu:>16} {row.wall:>12}  {row.target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
