"""``simworld bench``: how fast the engines are, in virtual time and on real worlds."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from simworld.cli.common import (
    FAILED,
    OK,
    UNDECIDED,
    add_command,
    whole_number,
    write_report,
)
from simworld.errors import UsageError

if TYPE_CHECKING:
    from simworld.benchmark import Plan
    from simworld.cli.common import Commands
    from simworld.records import Bench

PAGE, DATA, PLOTS = "benchmarks.md", "benchmarks.json", "benchmarks"
WORLDS = ("sim:atomic", "sim:local", "sim:postgres", "local", "postgres")
ENGINES = ("v1", "v2_merge", "fixed", "fast")


def add(commands: Commands) -> None:
    """The command and its options."""
    bench = add_command(
        commands,
        "bench",
        short="measure engines, in virtual time and on real worlds",
        long="Run workloads and measure them: in virtual time (worlds sim:NAME) what they take is\n"
        "counted, exactly; on real worlds each contender is a process, and samples are taken in\n"
        "turn.  What a stream holds is compared in every sample.",
        epilog="examples:\n  simworld bench --world sim:atomic --world sim:local\n"
        '  simworld bench --world local --engine fixed --engine fast --workload "no-op steps"\n'
        "  simworld bench --world local --front in-process --front raw --front starlette\n"
        "  simworld bench --json before.json; simworld bench --baseline before.json\n"
        "  simworld bench --full --peers --report reports\n\n"
        "all that goes without saying takes half an hour; Ctrl-C keeps what there is\n\n"
        "exit codes: 0 all measured, 1 a workload failed, 3 interrupted, or nothing was measured",
    )
    for option, what, default in (
        (
            "world",
            "sim:NAME, memory, local, local:DIR, postgres or postgres:DSN (a server)",
            WORLDS,
        ),
        ("engine", "a preset", ENGINES),
        ("front", "in-process, raw, starlette or quart, for real worlds", ("in-process",)),
    ):
        bench.add_argument(
            f"--{option}",
            action="append",
            metavar="NAME",
            help=f"{what}; repeatable; default: {', '.join(default)}",
        )
    bench.add_argument(
        "--workload",
        action="append",
        metavar="NAME",
        help="one workload, or all whose names contain this; repeatable; default: the short ones",
    )
    bench.add_argument("--full", action="store_true", help="the long workloads, too")
    bench.add_argument("--peers", action="store_true", help="other engines on the same workloads")
    bench.add_argument(
        "--samples", type=whole_number, metavar="N", help="of each (default: one, or a window)"
    )
    bench.add_argument(
        "--sync", choices=("on", "off"), default="on", help="what counts is on the disk, or not"
    )
    bench.add_argument("--baseline", metavar="FILE", help="compare with what --json has written")
    bench.add_argument("--report", metavar="DIR", help=f"write {PAGE}, {DATA} and plots there")
    bench.add_argument(
        "--percentiles", action="store_true", help="print them, too; the report always has them"
    )
    bench.add_argument(
        "--workloads", metavar="WHERE", help="file or module (default: bench/shapes.py)"
    )
    bench.set_defaults(command=_bench)


def _bench(args: argparse.Namespace) -> int:
    from simworld.benchmark import measure
    from simworld.render import (
        Output,
        bench_json,
        bench_text,
        check_targets,
        counting_bar,
        read_bench,
    )

    plan = _plan(args)
    baseline = read_bench(args.baseline) if args.baseline else None
    check_targets(args.json, args.report, folder_option="--report")
    out = Output(args.json)
    with counting_bar("measuring", plan.cells_count, "cell", stream=sys.stderr) as on_step:
        bench = measure(plan, on_step)
    if args.report:
        out.say(_write(Path(args.report), bench, baseline))
    if args.json:
        out.write_json(bench_json(bench))
    if args.json != "-":
        out.say(
            bench_text(
                bench,
                baseline,
                percentiles=args.percentiles,
                width=out.width,
                color=out.color,
            )
        )
    out.finish()
    if bench.interrupted:
        return UNDECIDED
    if any(each.failed for each in bench.cells):
        return FAILED
    measured = any(each.samples or each.counts for each in bench.cells)
    return OK if measured else UNDECIDED


def _plan(args: argparse.Namespace) -> Plan:
    from simworld.benchmark import (
        Plan,
        chosen_benchmarks,
        contenders_of,
        load_benchmarks,
        load_peers,
    )

    known = load_benchmarks(args.workloads)
    benchmarks = chosen_benchmarks(known, args.workload or (), full=args.full)
    contenders = contenders_of(
        *(
            list(dict.fromkeys(given or default))
            for given, default in (
                (args.world, WORLDS),
                (args.engine, ENGINES),
                (args.front, ("in-process",)),
            )
        )
    )
    if any(not each.is_virtual for each in contenders):
        _check_service()
    return Plan(
        command=_command(args),
        benchmarks=benchmarks,
        contenders=contenders,
        peers=list(load_peers(args.workloads).values()) if args.peers else (),
        workloads=args.workloads,
        samples=args.samples,
        sync=args.sync == "on",
    )


def _check_service() -> None:
    try:
        import simworld.service  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"real worlds need {error.name}; install it with: pip install 'simworld[service]', or "
            "measure simulated ones, for example --world sim:atomic"
        ) from error


def _command(args: argparse.Namespace) -> str:
    """What somebody would have to type to get the same; where it is written says nothing."""
    words = ["simworld", "bench"]
    for option in ("world", "engine", "front", "workload"):
        words += [word for each in getattr(args, option) or () for word in (f"--{option}", each)]
    words += ["--full"] * args.full + ["--peers"] * args.peers
    for option in ("samples", "baseline", "workloads", "report"):
        value = getattr(args, option)
        words += [f"--{option}", str(value)] if value else []
    words += ["--sync", "off"] if args.sync == "off" else []
    return shlex.join(words)


def _write(folder: Path, bench: Bench, baseline: Bench | None) -> str:
    """The page, its data and its plots; a line on what there is."""
    from simworld.render import bench_json, bench_plots, bench_report

    plots: dict[str, bytes] = {}
    no_plots = ""
    try:
        plots = bench_plots(bench)
    except UsageError as error:
        no_plots = f"No plots: {error}."
    paths = [f"{PLOTS}/{name}.svg" for name in plots]
    report = bench_report(bench, baseline, plots=paths, no_plots=no_plots)
    write_report(folder / PAGE, report)
    write_report(folder / DATA, bench_json(bench).decode())
    for name, svg in plots.items():
        write_report(folder / PLOTS / f"{name}.svg", svg.decode())
    return f"wrote {folder / PAGE}, {DATA} and {len(plots)} plots beside it. {no_plots}".strip()
