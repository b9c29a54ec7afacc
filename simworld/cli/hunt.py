"""``simworld hunt``: run trials, show the table, save repros, tell the smallest failure."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from simworld.cli.common import (
    BROKEN,
    FAILED,
    OK,
    UNDECIDED,
    USAGE,
    add_command,
    add_scenarios,
    complain,
    jobs_number,
    scenarios_of,
    whole_number,
)
from simworld.cli.gate import add_gate, beside_ledger, ledger_of, tell_known, write_junit
from simworld.cli.running import (
    TRIALS,
    TRIALS_UNBOUNDED,
    Done,
    at_world,
    jobs_of,
    run_hunts,
    trials_of,
)
from simworld.cli.subject import add_subject, elsewhere, from_module, of_engine, runnable, wanted_of
from simworld.cli.telling import report, tell_smallest
from simworld.entropy import seed_of
from simworld.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from simworld.campaign import Scenario, Variant
    from simworld.cli.common import Commands, Parser
    from simworld.records import Compared, FaultBudget
    from simworld.render import Output

VARIANTS = ("v2_merge", "fixed")
REPROS = "repros"


class Seed(NamedTuple):
    """The number that is used, and the commit that it stands for, if one does."""

    number: int
    commit: str = ""

    def __str__(self) -> str:
        return f"{self.number} (commit {self.commit})" if self.commit else str(self.number)


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
        "  simworld hunt --generated --variant fixed --world local --trials 500\n"
        "  simworld hunt --jobs auto --seconds 60 --json results.json\n"
        "  simworld hunt --subject vercel-workflow --module shop.flows --workflow checkout\n"
        "  simworld hunt --subject vercel-workflow==0.9.0 --subject vercel-workflow==0.12.0\n"
        "  simworld hunt --variant fixed --seed $GITHUB_SHA --junit hunt.xml --save artefacts\n"
        "  simworld hunt --known known.json --update-known   # write what is known now\n"
        "  simworld hunt --known known.json                  # fail only for what is new\n\n"
        "exit codes: 0 all PASS, 1 some FAIL, 3 some UNKNOWN and no FAIL (or interrupted);\n"
        "with --expect: 0 when every verdict and law is the declared one, else 1;\n"
        "with --known: 1 only where a failure is not in the ledger;\n"
        "2 where a scenario or workflow made a mistake, after all other hunts",
    )
    _add_what(hunt)
    add_subject(hunt)
    _add_how(hunt)
    add_gate(hunt)
    add_scenarios(hunt)
    hunt.set_defaults(command=_hunt)


def _add_what(hunt: Parser) -> None:
    """Options that say what is hunted."""
    hunt.add_argument("names", nargs="*", metavar="SCENARIO", help="default: all scenarios")
    hunt.add_argument(
        "--generated",
        action="store_true",
        help="hunt drawn programs with drawn clients, and the storms",
    )
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
        "--world",
        action="append",
        metavar="NAME",
        help="repeatable (simworld variants --worlds shows all); default: atomic",
    )


def _add_how(hunt: Parser) -> None:
    """Options that say how it is hunted, and where repros go."""
    hunt.add_argument(
        "--trials",
        type=whole_number,
        metavar="N",
        help=f"per scenario and variant; default {TRIALS}",
    )
    hunt.add_argument(
        "--seconds",
        type=_seconds,
        metavar="S",
        help="bound the time of each hunt instead; how many trials that is varies",
    )
    hunt.add_argument("--explorer", default="portfolio", metavar="NAME", help="default: portfolio")
    hunt.add_argument(
        "--seed",
        type=_seed,
        default=Seed(0),
        metavar="N",
        help="a number, or a commit hash that stands for one; default: 0",
    )
    hunt.add_argument(
        "--jobs",
        type=jobs_number,
        default=1,
        metavar="N",
        help="run trials in N processes (auto: one per core); same findings; default: 1",
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


def _seed(text: str) -> Seed:
    try:
        return Seed(seed_of(text), "" if text.isdecimal() else text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


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

    wanted = wanted_of(args)
    if elsewhere(wanted):
        from simworld.cli.versions import hunt_versions

        return hunt_versions(args, wanted)
    out = Output(args.json)
    out.say(f"seed {args.seed}")  # before anything that can fail
    plan = _plan(args, wanted[0].name if wanted else "")
    ledger = ledger_of(args)
    written = {"--junit": args.junit, "--known": args.known if args.update_known else None}
    check_targets(args.json, args.save, others=written)
    _announce(args, out, plan)
    done = run_hunts(args, plan, _faults(args))
    beside = beside_ledger(ledger, done) if ledger else None
    saved = report(args, out, done, beside)
    if ledger and beside:
        tell_known(out, ledger, done, beside)
    write_junit(args, done, saved, beside)
    tell_smallest(args, out, done.results, saved, beside)
    if isinstance(done.stopped, Exception):
        raise done.stopped
    surprises = surprise_lines(done.results) if args.expect else []
    for line in surprises:
        out.say(line)
    out.finish()
    return _code(args, done, beside, surprised=bool(surprises))


def _code(args: argparse.Namespace, done: Done, beside: Compared | None, *, surprised: bool) -> int:
    """The exit code; a mistake outweighs a failure, and a failure what nobody knows."""
    silent = [f"{each.scenario} on {each.system}" for each in done.results if each.silent]
    if silent:
        return complain(BROKEN, f"the harness finds nothing where it must: {', '.join(silent)}")
    if done.mistakes:
        if len(done.results) + len(done.unjudged) > 1:
            complain(USAGE, f"error: mistakes (told above) ended {'; '.join(done.mistakes)}")
        return USAGE
    if done.unwritten:
        return USAGE
    outcomes = {each.verdict.outcome for each in done.results if not each.canary}
    failed = "FAIL" in outcomes
    if beside is not None:  # what an update writes down is known from now on
        failed = bool(beside.new) and not args.update_known
    if surprised or (failed and not args.expect):
        return FAILED
    undecided = "UNKNOWN" in outcomes and not args.expect
    return UNDECIDED if undecided or done.stopped is not None else OK


def _plan(args: argparse.Namespace, subject: str) -> list[tuple[Scenario, Variant]]:
    """Every hunt to run, of a subject or of our own engine; ``UsageError`` for anything nobody
    knows."""
    from simworld.campaign import (
        check_possible,
        check_together,
        declared_verdict,
        placed,
        preset,
        with_knob,
    )
    from simworld.explore import make_explorer
    from simworld.subjects import installed_version

    if subject:
        installed_version(subject)
    variants = []
    for name in [subject] if subject else dict.fromkeys(args.variant or VARIANTS):
        for world in _worlds(args):
            variant = placed(preset(name), world)
            for setting in args.set:
                variant = with_knob(variant, setting)
            check_together(variant)
            variants.append(variant)
    make_explorer(args.explorer)
    _faults(args)
    for setting in args.fault:
        for world in _worlds(args):
            check_possible(world, setting.partition("=")[0])
    if args.fault and args.expect:
        raise UsageError("nothing is declared of hunts with more faults; leave out --expect")
    plan = [(scenario, variant) for scenario in _chosen(args, subject) for variant in variants]
    for scenario, variant in plan if args.expect else []:
        if declared_verdict(scenario, variant, args.case) is None:
            knobs = f" with {' '.join(args.set)}" if args.set else ""
            raise UsageError(
                f"{scenario.name} declares no verdict on {variant.name}{knobs}"
                f"{at_world(variant)}, so "
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


def _worlds(args: argparse.Namespace) -> list[str]:
    return list(dict.fromkeys(args.world or ["atomic"]))


def _chosen(args: argparse.Namespace, subject: str) -> list[Scenario]:
    """The scenarios to hunt: those that were named, or all; with --case those that have it."""
    from simworld.campaign import load_scenarios

    from_module(args, subject)
    deep = args.names or args.generated or subject
    known = scenarios_of(args.scenarios) if deep else load_scenarios(args.scenarios)
    known = of_engine(known, args.names, subject)
    if subject and not known:
        where = args.scenarios or "the folder scenarios/ of this directory"
        raise UsageError(
            f"no scenario in {where} is for {subject}; name a folder that has some with "
            "--scenarios, or a module of workflows with --module"
        )
    for name in args.names:
        if name not in known:
            raise unknown_name("scenario", name, known)
    names = [*args.names, *(name for name in known if args.generated and known[name].generated)]
    if args.generated and not names:
        where = args.scenarios or "the folder scenarios/ of this directory"
        raise UsageError(f"no scenario in {where} is generated, so --generated hunts nothing")
    chosen = runnable(args, [known[name] for name in dict.fromkeys(names or known)], subject)
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

    options = [variant.title for _, variant in plan[:1]] if args.subject else []
    options += [f"explorer {args.explorer}", f"world {', '.join(_worlds(args))}"]
    options += [f"case {args.case}"] if args.case else []
    options += args.set
    options += args.fault
    options += ["every trial twice"] if args.run_twice else []
    options += [f"repros to {args.save}"]
    options += [f"{jobs_of(args)} jobs"] if args.jobs != 1 else []
    trials = trials_of(args)
    heading = hunt_heading(
        list(dict.fromkeys(scenario.name for scenario, _ in plan)),
        list(dict.fromkeys(variant.name for _, variant in plan)),
        trials=None if trials == TRIALS_UNBOUNDED else trials,
        seconds=args.seconds,
        options=options,
    )
    out.say(heading)
