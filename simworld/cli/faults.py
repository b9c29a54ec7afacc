"""``simworld faults``: what may go wrong, who permits it, and in which worlds."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from simworld.cli.common import OK, add_command

if TYPE_CHECKING:
    from simworld.cli.common import Commands


def add(commands: Commands) -> None:
    """The command and its options."""
    faults = add_command(
        commands,
        "faults",
        short="show every kind of fault and where it may strike",
        long="Show every kind of fault: what it does, which contract permits it, and the worlds\n"
        "in which it may strike.  hunt --fault KIND=N lets N more of a kind happen in each trial.",
        epilog="examples:\n  simworld faults\n  simworld faults --world postgres\n"
        "  simworld faults --json -",
    )
    faults.add_argument(
        "--world", default="", metavar="NAME", help="show only what may strike in this world"
    )
    faults.set_defaults(command=_faults)


def _faults(args: argparse.Namespace) -> int:
    from simworld.campaign import may_strike, place_named, worlds_with
    from simworld.records import FAULTS
    from simworld.render import Output, check_targets, faults_json, faults_table

    kinds = list(FAULTS.values())
    if args.world:
        name = place_named(args.world).name
        kinds = [kind for kind in kinds if may_strike(kind, name)]
    check_targets(args.json)
    out = Output(args.json)
    if args.json:
        out.write_json(faults_json(kinds, worlds_with))
    if args.json != "-":
        out.say(faults_table(kinds, worlds_with, width=out.width, color=out.color))
    out.finish()
    return OK
