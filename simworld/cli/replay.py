"""``simworld replay``: follow the schedule of a repro again and tell what happens."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from simworld.cli.common import (
    FAILED,
    OK,
    UNDECIDED,
    add_command,
    add_scenarios,
    complain,
    scenarios_of,
)
from simworld.errors import DidNotReproduce, UsageError

if TYPE_CHECKING:
    from simworld.campaign import Scenario
    from simworld.cli.common import Commands
    from simworld.records import Repro
    from simworld.render import Output


def add(commands: Commands) -> None:
    """The command and its options."""
    replay = add_command(
        commands,
        "replay",
        short="show a saved failure again",
        long="Follow the schedule of a repro step by step and tell what happens.",
        epilog="examples:\n  simworld replay repros/NAME.json\n"
        "  simworld replay repros/NAME.json --log text\n"
        "  simworld replay repros/NAME.json --log json > run.log\n\n"
        "exit codes: 1 the failure shows again, 0 the schedule now runs clean,\n"
        "3 the schedule can no longer be followed",
    )
    replay.add_argument("repro", metavar="REPRO", help="a file that hunt has saved")
    replay.add_argument(
        "--log",
        choices=("text", "json"),
        help="show the run's own log, too: key=value lines, or JSON lines alone on stdout",
    )
    add_scenarios(replay)
    replay.set_defaults(command=_replay)


def _replay(args: argparse.Namespace) -> int:
    from simworld.campaign import load_repro, replay, with_twin
    from simworld.render import Output, check_targets, replay_json, story_text

    if args.log == "json" and args.json == "-":
        raise UsageError("--log json and --json - both want stdout; give --json a file")
    repro = load_repro(Path(args.repro))
    scenarios = scenarios_of(args.scenarios, repro)
    check_targets(args.json)
    out = Output(args.json, lines_on_stdout=args.log == "json")
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
        complain(code, f"the schedule cannot be followed: {message}")
    else:
        if story is None:
            code, outcome, message = OK, "clean", f"{repro.law} holds under this schedule now"
            out.say(f"The schedule was followed to its end: {message}.")
        else:
            code, outcome, message = FAILED, "failed", story.anomaly.message
            story = with_twin(story, scenarios)
            out.say(story_text(story, width=out.width))
            same = (story.anomaly.law, story.anomaly.place) == (repro.law, repro.place)
            out.say("The failure shows again." if same else "Another failure shows.")
        if args.log:
            _show_log(out, args.log, repro, scenarios)
    if args.json:
        out.write_json(replay_json(args.repro, repro, outcome, message, story))
    out.finish()
    return code


def _show_log(out: Output, form: str, repro: Repro, scenarios: Mapping[str, Scenario]) -> None:
    """What the runtime noted during the trial, under its own schedule."""
    from simworld.campaign import run_log
    from simworld.render import log_json, log_text

    lines = run_log(repro, scenarios)
    if form == "json":
        out.lines(log_json(lines))
    else:
        out.say(f"\nThe run's log\n\n{log_text(lines) or 'nothing was noted'}")
