"""``simworld hunt``: run trials, show the table, save repros, tell the smallest failure."""

from __future__ import annotations

import argparse
import math
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from simworld.cli.common import (
    BROKEN,
    FAILED,
    OK,
    UNDECIDED,
    add_command,
    add_scenarios,
    complain,
    scenarios_of,
)
from simworld.errors import DidNotReproduce, InternalError, UsageError, unknown_name

if TYPE_CHECKING:
    from simworld.campaign import Scenario, Variant
    from simworld.cli.common import Commands
    from simworld.records import FaultBudget, Finding, Repro, Result
    from simworld.render import Output

VARIANTS = ("v2_merge", "fixed")
TRIALS = 1_000
TRIALS_UNBOUNDED = 10**12
"""With --seconds alone, time is the only bound."""
HASH_SEED_TRIALS = 50
"""Trials that --run-twice also compares between processes with other hash seeds."""
REPROS = "repros"


def add(commands: Commands) -> None:
    """The command and its options."""
    hunt = add_command(
        commands,
        "hunt",
        short="search scenarios for races",
        long="Run many trials of scenarios on variants of the engine, shrink each kind of "
        "failure,\ntell the smallest one and save a repro of every one.",
        epilog="examples:\n  simworld hunt\n"
        "  simworld hunt inflated_attempts --variant v2_merge --seed 7 --trials 5000\n"
        "  simworld hunt --variant v2_merge --set attempt_guard=G0 --expect\n"
        "  simworld hunt inflated_attempts --world atomic --world local --world postgres\n"
        "  simworld hunt --seconds 60 --json results.json\n\n"
        "exit codes: 0 all PASS, 1 some FAIL, 3 some UNKNOWN and no FAIL (or interrupted);\n"
        "with --expect: 0 when every verdict and law is the declared one, else 1",
    )
    hunt.add_argument("names", nargs="*", metavar="SCENARIO", help="default: all scenarios")
    hunt.add_argument(
        "--variant",
        action="append",
        metavar="NAME",
        help=f"repeatable (simworld variants shows all); default: {' and '.join(VARIANTS)}",
    )
    hunt.add_argument("--case", default="", metavar="NAME", help="draw only this case")
    hunt.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KNOB=VALUE",
        help="change one knob of every variant; repeatable (simworld variants shows all)",
    )
    hunt.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND=N",
        help="let N more faults of a kind happen in each trial (stale_reads=2); repeatable",
    )
    hunt.add_argument(
        "--trials", type=_count, metavar="N", help=f"per scenario and variant; default {TRIALS}"
    )
    hunt.add_argument(
        "--seconds", type=_seconds, metavar="S", help="bound the time of each hunt instead"
    )
    hunt.add_argument("--explorer", default="portfolio", metavar="NAME", help="default: portfolio")
    hunt.add_argument("--seed", type=_seed, default=0, metavar="N", help="default: 0")
    hunt.add_argument(
        "--world",
        action="append",
        metavar="NAME",
        help="repeatable (simworld variants --worlds shows all); default: atomic",
    )
    hunt.add_argument(
        "--expect", action="store_true", help="compare every verdict and law with the declared one"
    )
    hunt.add_argument(
        "--save", default=REPROS, metavar="DIR", help=f"where repros go; default: {REPROS}/"
    )
    hunt.add_argument(
        "--run-twice",
        action="store_true",
        help="run every trial twice, some in other processes too, and compare the traces",
    )
    add_scenarios(hunt)
    hunt.set_defaults(command=_hunt)


def _count(text: str) -> int:
    return _whole(text, 1)


def _seed(text: str) -> int:
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"takes a whole number of at least {least}, not {text!r}")
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"takes a number of seconds above 0, not {text!r}")
    return value


# --- the command ----------------------------------------------------------------------------------


def _hunt(args: argparse.Namespace) -> int:
    from simworld.render import Output, check_targets, surprise_lines

    plan = _plan(args)
    check_targets(args.json, args.save)
    out = Output(args.json)
    _announce(args, out, plan)
    results, stopped = _run(args, plan)
    if results or isinstance(stopped, KeyboardInterrupt):
        _report(args, out, results)
    if isinstance(stopped, Exception):
        raise stopped
    interrupted = stopped is not None
    surprises = surprise_lines(results) if args.expect else []
    for line in surprises:
        out.say(line)
    out.finish()
    outcomes = {each.verdict.outcome for each in results}
    if surprises or (not args.expect and "FAIL" in outcomes):
        return FAILED
    return UNDECIDED if interrupted or (not args.expect and "UNKNOWN" in outcomes) else OK


def _plan(args: argparse.Namespace) -> list[tuple[Scenario, Variant]]:
    """Every hunt to run; ``UsageError`` for anything nobody knows."""
    from simworld.campaign import check_possible, declared_verdict, placed, preset, with_knob
    from simworld.explore import make_explorer

    variants = []
    for name in dict.fromkeys(args.variant or VARIANTS):
        for world in _worlds(args):
            variant = placed(preset(name), world)
            for setting in args.set:
                variant = with_knob(variant, setting)
            variants.append(variant)
    make_explorer(args.explorer)
    _faults(args)
    for setting in args.fault:
        for world in _worlds(args):
            check_possible(world, setting.partition("=")[0])
    if args.fault and args.expect:
        raise UsageError("nothing is declared of hunts with more faults; leave out --expect")
    plan = [(scenario, variant) for scenario in _chosen(args) for variant in variants]
    for scenario, variant in plan if args.expect else []:
        if declared_verdict(scenario, variant, args.case) is None:
            knobs = f" with {' '.join(args.set)}" if args.set else ""
            raise UsageError(
                f"{scenario.name} declares no verdict on {variant.name}{knobs}{_at(variant)}, so "
                "--expect has nothing to compare with; declare it in Case.expect, name other "
                "scenarios or variants, or leave --expect out"
            )
    return plan


def _faults(args: argparse.Namespace) -> FaultBudget:
    import attrs

    from simworld.records import FaultBudget

    kinds = [field.name for field in attrs.fields(FaultBudget)]
    found: dict[str, int] = {}
    for setting in args.fault:
        kind, equals, count = setting.partition("=")
        if not equals or not count.isdecimal() or len(count) > 6:
            raise UsageError(f"--fault takes kind=number (crashes=2), not {setting!r}")
        if kind not in kinds:
            raise unknown_name("kind of fault", kind, kinds)
        found[kind] = int(count)
    return FaultBudget(**found)


def _at(variant: Variant) -> str:
    return "" if variant.place == "atomic" else f" @ {variant.place}"


def _worlds(args: argparse.Namespace) -> list[str]:
    return list(dict.fromkeys(args.world or ["atomic"]))


def _chosen(args: argparse.Namespace) -> list[Scenario]:
    """The scenarios to hunt: those that were named, or all; with --case those that have it."""
    known = scenarios_of(args.scenarios)
    for name in args.names:
        if name not in known:
            raise unknown_name("scenario", name, known)
    chosen = [known[name] for name in dict.fromkeys(args.names or known)]
    if not args.case:
        return chosen
    lacking = [each for each in chosen if args.case not in {case.name for case in each.cases}]
    if lacking and (args.names or len(lacking) == len(chosen)):
        cases = {case.name for each in lacking for case in each.cases}
        raise unknown_name(f"case of {lacking[0].name}" if args.names else "case", args.case, cases)
    return [each for each in chosen if each not in lacking]


def _announce(
    args: argparse.Namespace, out: Output, plan: Sequence[tuple[Scenario, Variant]]
) -> None:
    from simworld.render import hunt_heading

    options = [f"explorer {args.explorer}", f"world {', '.join(_worlds(args))}"]
    options += [f"case {args.case}"] if args.case else []
    options += args.set
    options += args.fault
    options += ["every trial twice"] if args.run_twice else []
    options += [f"repros to {args.save}"]
    trials = _trials(args)
    heading = hunt_heading(
        list(dict.fromkeys(scenario.name for scenario, _ in plan)),
        list(dict.fromkeys(variant.name for _, variant in plan)),
        seed=args.seed,
        trials=None if trials == TRIALS_UNBOUNDED else trials,
        seconds=args.seconds,
        options=options,
    )
    out.say(heading)


def _trials(args: argparse.Namespace) -> int:
    if args.trials is not None:
        return int(args.trials)
    return TRIALS_UNBOUNDED if args.seconds else TRIALS


def _run(
    args: argparse.Namespace, plan: Sequence[tuple[Scenario, Variant]]
) -> tuple[list[Result], BaseException | None]:
    """The results so far, and what stopped the run early, if anything did."""
    from simworld.campaign import HuntDiverged, check_hash_seeds, hunt
    from simworld.render import progress_bar

    results: list[Result] = []
    try:
        for number, (scenario, variant) in enumerate(plan, start=1):
            label = f"{number}/{len(plan)} {scenario.name} on {variant.name}{_at(variant)}"
            with progress_bar(label, seconds=args.seconds, stream=sys.stderr) as progress:
                result = hunt(
                    scenario,
                    variant,
                    seed=args.seed,
                    trials=_trials(args),
                    seconds=args.seconds,
                    explorer=args.explorer,
                    case=args.case,
                    run_twice=args.run_twice,
                    faults=_faults(args),
                    progress=progress,
                )
            results.append(result)
            if result.interrupted:
                return results, KeyboardInterrupt()
            if args.run_twice:
                check_hash_seeds(
                    scenario,
                    variant,
                    where=args.scenarios,
                    seed=args.seed,
                    trials=min(result.trials, HASH_SEED_TRIALS),
                    case=args.case,
                    explorer=args.explorer,
                )
    except HuntDiverged as error:
        return [*results, error.result], error
    except (Exception, KeyboardInterrupt) as error:
        return results, error
    return results, None


def _save(results: Sequence[Result], folder: Path) -> dict[tuple[int, int], str]:
    """Write every repro; what could not be written is missing from the answer."""
    from simworld.campaign import save_repro
    from simworld.render import repro_names

    saved: dict[tuple[int, int], str] = {}
    for (at, nth), name in repro_names(results).items():
        path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            save_repro(results[at].findings[nth].repro, path)
        except (OSError, UsageError) as error:
            complain(BROKEN, f"a repro was not saved: {error}")
        else:
            saved[at, nth] = str(path)
    return saved


def _report(args: argparse.Namespace, out: Output, results: Sequence[Result]) -> None:
    """Table, repros, JSON, and the story of the smallest failure with the way to replay it."""
    from simworld.render import notes_text, results_json, results_table, summary_line

    if results:
        out.say(f"\n{results_table(results, width=out.width, color=out.color)}")
        if notes := notes_text(results):
            out.say(f"{notes}\n")
        out.say(summary_line(results))
    else:
        out.say("interrupted before there was any result")
    saved = _save(results, Path(args.save))
    if args.json:
        out.write_json(results_json(results, saved))
    findings = [
        (*_interest(result, finding), at, nth)
        for at, result in enumerate(results)
        for nth, finding in enumerate(result.findings)
    ]
    if findings:
        *_, at, nth = min(findings)
        _tell(args, out, results[at].findings[nth].repro, saved.get((at, nth)))


def _interest(result: Result, finding: Finding) -> tuple[bool, bool, int, int]:
    """Smaller is better to tell: of the law in question, in need of a certain order, short."""
    return (
        finding.anomaly.law != result.verdict.law,
        not finding.repro.schedule.entries,
        finding.moves_after,
        finding.moves_before,
    )


def _tell(args: argparse.Namespace, out: Output, repro: Repro, path: str | None) -> None:
    from simworld.campaign import tell
    from simworld.render import story_text

    try:
        story = tell(repro, scenarios_of(args.scenarios))
    except DidNotReproduce as error:
        raise InternalError(f"a failure just found does not replay: {error}") from error
    out.say(f"\nThe smallest failure\n\n{story_text(story, width=out.width)}")
    if path:
        where = ["--scenarios", args.scenarios] if args.scenarios else []
        out.say(f"Replay it:\n  {_program()} {shlex.join(['replay', path, *where])}")


def _program() -> str:
    """How to call this program again, as it was called now."""
    called = sys.argv[0]
    if Path(called).name != "simworld":
        return "python -m simworld.cli"
    return "simworld" if shutil.which("simworld") == called else shlex.quote(called)
