"""The command line: hunt for races, replay one, list what there is.

Nothing is decided here: a command reads its arguments, checks everything that can be checked
before the first trial, calls the campaign and prints what ``render`` makes of it.  Exit codes:
0 PASS, 1 FAIL, 2 usage, 3 UNKNOWN or not reproduced, 4 the harness itself failed.  Heavy imports
happen inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
import shutil
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from simworld import __version__
from simworld.errors import (
    DidNotReproduce,
    InternalError,
    SimworldError,
    UncontrolledNondeterminism,
    UsageError,
    unknown_name,
)

if TYPE_CHECKING:
    from simworld.campaign import Scenario, Variant
    from simworld.records import Finding, Repro, Result
    from simworld.render import Output

OK, FAILED, USAGE, UNDECIDED, BROKEN = 0, 1, 2, 3, 4

VARIANTS = ("v2_merge", "fixed")
TRIALS = 1_000
TRIALS_UNBOUNDED = 10**12
HASH_SEED_TRIALS = 50
"""Trials that --run-twice also compares between processes with other hash seeds."""
"""With --seconds alone, time is the only bound."""
REPROS = "repros"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    try:
        args = _parser().parse_args(argv)
        code: int = args.command(args)
    except UsageError as error:
        code = _complain(USAGE, f"error: {error}")
    except KeyboardInterrupt:
        code = _complain(UNDECIDED, "interrupted")
    except UncontrolledNondeterminism as error:
        code = _complain(BROKEN, f"the same seed gave two different traces: {error}")
    except Exception as error:
        if os.environ.get("SIMWORLD_DEBUG") == "1":
            traceback.print_exc()
        code = _complain(
            BROKEN,
            f"internal error: {type(error).__name__}: {error} (please report this with the whole "
            "command line; SIMWORLD_DEBUG=1 shows the traceback)",
        )
    return code


def _complain(code: int, line: str) -> int:
    """One line on stderr, whatever the message looked like."""
    print(f"simworld: {' '.join(line.split())}", file=sys.stderr)
    return code


# --- arguments -----------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Reports bad arguments as every other bad input is reported: in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = _Parser(
        prog="simworld",
        description="Find, shrink, tell and replay races of durable workflow engines.",
        epilog="examples:\n  simworld list\n  simworld hunt --trials 2000\n"
        "  simworld replay repros/NAME.json\n\nexit codes: 0 pass, 1 fail, 2 usage, 3 unknown or "
        "not reproduced, 4 simworld itself failed",
        formatter_class=raw,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"simworld {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, dest="command_name")
    for add in (_add_hunt, _add_replay, _add_list):
        command = add(commands)
        command.formatter_class = raw
        command.allow_abbrev = False
        command.add_argument(
            "--scenarios",
            metavar="WHERE",
            help="folder, file or module (default: ./scenarios, else installed ones)",
        )
        command.add_argument(
            "--json", metavar="FILE", help="write the outcome as JSON; - for stdout, and only that"
        )
    return parser


_Commands = argparse._SubParsersAction  # the only name argparse gives it


def _add_hunt(commands: _Commands[_Parser]) -> _Parser:
    hunt = commands.add_parser(
        "hunt",
        help="search scenarios for races",
        description="Run many trials of scenarios on variants of the engine, shrink each kind of "
        "failure,\ntell the smallest one and save a repro of every one.",
        epilog="examples:\n  simworld hunt\n"
        "  simworld hunt inflated_attempts --variant v2_merge --seed 7 --trials 5000\n"
        "  simworld hunt --variant v2_merge --set attempt_guard=G0 --expect\n"
        "  simworld hunt --seconds 60 --json results.json\n\n"
        "exit codes: 0 all PASS, 1 some FAIL, 3 some UNKNOWN and no FAIL (or interrupted);\n"
        "with --expect: 0 when every verdict and law is the declared one, else 1",
    )
    hunt.add_argument("names", nargs="*", metavar="SCENARIO", help="default: all scenarios")
    hunt.add_argument(
        "--variant",
        action="append",
        metavar="NAME",
        help=f"repeatable; default: {' and '.join(VARIANTS)}",
    )
    hunt.add_argument("--case", default="", metavar="NAME", help="draw only this case")
    hunt.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KNOB=VALUE",
        help="change one knob of every variant; repeatable",
    )
    hunt.add_argument(
        "--trials", type=_count, metavar="N", help=f"per scenario and variant; default {TRIALS}"
    )
    hunt.add_argument(
        "--seconds", type=_seconds, metavar="S", help="bound the time of each hunt instead"
    )
    hunt.add_argument("--explorer", default="portfolio", metavar="NAME", help="default: portfolio")
    hunt.add_argument("--seed", type=_seed, default=0, metavar="N", help="default: 0")
    hunt.add_argument("--world", default="atomic", metavar="NAME", help="default: atomic")
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
    hunt.set_defaults(command=_hunt)
    return hunt


def _add_replay(commands: _Commands[_Parser]) -> _Parser:
    replay = commands.add_parser(
        "replay",
        help="show a saved failure again",
        description="Follow the schedule of a repro step by step and tell what happens.",
        epilog="example:\n  simworld replay repros/NAME.json\n\n"
        "exit codes: 1 the failure shows again, 0 the schedule now runs clean,\n"
        "3 the schedule can no longer be followed",
    )
    replay.add_argument("repro", metavar="REPRO", help="a file that hunt has saved")
    replay.set_defaults(command=_replay)
    return replay


def _add_list(commands: _Commands[_Parser]) -> _Parser:
    catalogue = commands.add_parser(
        "list",
        help="show scenarios, cases and variants",
        description="Show every scenario with its laws and cases, and the variants.",
        epilog="examples:\n  simworld list\n  simworld list --json -",
    )
    catalogue.set_defaults(command=_list)
    return catalogue


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


# --- hunt ----------------------------------------------------------------------------------------


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
    from simworld.campaign import WORLDS, declared_verdict, preset, with_knob
    from simworld.explore import make_explorer

    variants = []
    for name in dict.fromkeys(args.variant or VARIANTS):
        variant = preset(name)
        for setting in args.set:
            variant = with_knob(variant, setting)
        variants.append(variant)
    make_explorer(args.explorer)
    if args.world not in WORLDS:
        raise unknown_name("world", args.world, WORLDS)
    plan = [(scenario, variant) for scenario in _chosen(args) for variant in variants]
    for scenario, variant in plan if args.expect else []:
        if declared_verdict(scenario, variant, args.case) is None:
            knobs = f" with {' '.join(args.set)}" if args.set else ""
            raise UsageError(
                f"{scenario.name} declares no verdict on {variant.name}{knobs}, so --expect has "
                "nothing to compare with"
            )
    return plan


def _chosen(args: argparse.Namespace) -> list[Scenario]:
    """The scenarios to hunt: those that were named, or all; with --case those that have it."""
    known = _load_scenarios(args.scenarios)
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


def _load_scenarios(where: str | None) -> dict[str, Scenario]:
    from simworld.campaign import load_scenarios

    try:
        return load_scenarios(where)
    except SimworldError:
        raise
    except Exception as error:  # a scenario file is the user's code: it may fail in any way
        place = where or "scenarios/"
        raise UsageError(
            f"cannot load scenarios from {place}: {type(error).__name__}: {error}"
        ) from error


def _announce(
    args: argparse.Namespace, out: Output, plan: Sequence[tuple[Scenario, Variant]]
) -> None:
    from simworld.render import hunt_heading

    options = [f"explorer {args.explorer}", f"world {args.world}"]
    options += [f"case {args.case}"] if args.case else []
    options += args.set
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
    from simworld.campaign import check_hash_seeds, hunt
    from simworld.render import progress_bar

    results: list[Result] = []
    try:
        for number, (scenario, variant) in enumerate(plan, start=1):
            label = f"{number}/{len(plan)} {scenario.name} on {variant.name}"
            with progress_bar(label, seconds=args.seconds, stream=sys.stderr) as progress:
                result = hunt(
                    scenario,
                    variant,
                    seed=args.seed,
                    trials=_trials(args),
                    seconds=args.seconds,
                    explorer=args.explorer,
                    case=args.case,
                    world=args.world,
                    run_twice=args.run_twice,
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
            _complain(BROKEN, f"a repro was not saved: {error}")
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
        story = tell(repro, _load_scenarios(args.scenarios))
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


# --- replay and list -----------------------------------------------------------------------------


def _replay(args: argparse.Namespace) -> int:
    from simworld.campaign import load_repro, replay
    from simworld.render import Output, check_targets, replay_json, story_text

    repro = load_repro(Path(args.repro))
    scenarios = _load_scenarios(args.scenarios)
    check_targets(args.json)
    out = Output(args.json)
    moves = len(repro.schedule.entries) + len(repro.faults)
    out.say(
        f"replaying {args.repro}: {repro.scenario} on {repro.variant}, seed {repro.seed}, "
        f"trial {repro.trial}, {moves} move{'' if moves == 1 else 's'}\n"
    )
    story = None
    try:
        story = replay(repro, scenarios)
    except DidNotReproduce as error:
        code, outcome, message = UNDECIDED, "did-not-reproduce", str(error)
        _complain(code, f"the schedule cannot be followed: {message}")
    else:
        if story is None:
            code, outcome, message = OK, "clean", f"{repro.law} holds under this schedule now"
            out.say(f"The schedule was followed to its end: {message}.")
        else:
            code, outcome, message = FAILED, "failed", story.anomaly.message
            out.say(story_text(story, width=out.width))
            same = (story.anomaly.law, story.anomaly.place) == (repro.law, repro.place)
            out.say("The failure shows again." if same else "Another failure shows.")
    if args.json:
        out.write_json(replay_json(args.repro, repro, outcome, message, story))
    out.finish()
    return code


def _list(args: argparse.Namespace) -> int:
    from simworld.campaign import PRESETS
    from simworld.render import Output, catalogue_json, catalogue_table, check_targets

    scenarios = _load_scenarios(args.scenarios)
    check_targets(args.json)
    out = Output(args.json)
    if args.json:
        out.write_json(catalogue_json(scenarios, list(PRESETS)))
    if args.json != "-":
        out.say(catalogue_table(scenarios, list(PRESETS), width=out.width, color=out.color))
    out.finish()
    return OK


if __name__ == "__main__":
    sys.exit(main())
