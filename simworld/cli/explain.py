"""``simworld explain``: which two operations race, shown beside the nearest run that passes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from simworld.cli.common import OK, UNDECIDED, add_command, add_scenarios, complain, scenarios_of
from simworld.errors import DidNotReproduce

if TYPE_CHECKING:
    from simworld.cli.common import Commands


def add(commands: Commands) -> None:
    """The command and its options."""
    explain = add_command(
        commands,
        "explain",
        short="show what makes a saved failure vanish",
        long="Look for the one change with which the failure of a repro vanishes: two operations"
        "\nin the other order, or one fault less.  Shows both runs side by side.",
        epilog="example:\n  simworld explain repros/NAME.json\n\n"
        "exit codes: 0 there is such a change, 3 there is none, or the failure does not show",
    )
    explain.add_argument("repro", metavar="REPRO", help="a file that hunt has saved")
    add_scenarios(explain)
    explain.set_defaults(command=_explain)


def _explain(args: argparse.Namespace) -> int:
    from simworld.campaign import load_repro, tell
    from simworld.render import Output, check_targets, explanation_json, explanation_text

    repro = load_repro(Path(args.repro))
    scenarios = scenarios_of(args.scenarios, repro)
    check_targets(args.json)
    out = Output(args.json)
    story, message = None, ""
    try:
        story = tell(repro, scenarios)
    except DidNotReproduce as error:
        message = str(error)
        complain(UNDECIDED, f"there is nothing to explain: {message}")
    else:
        out.say(explanation_text(story, width=out.width))
    if args.json:
        out.write_json(explanation_json(args.repro, repro, story, message))
    out.finish()
    return OK if story is not None and story.twin is not None else UNDECIDED
