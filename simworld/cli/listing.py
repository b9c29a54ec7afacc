"""``simworld list``: the scenarios with their laws and cases, and the variants."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from simworld.cli.common import OK, add_command, add_scenarios, scenarios_of

if TYPE_CHECKING:
    from simworld.cli.common import Commands


def add(commands: Commands) -> None:
    """The command and its options."""
    listing = add_command(
        commands,
        "list",
        short="show scenarios, cases and variants",
        long="Show every scenario with its laws and cases, and the variants.",
        epilog="examples:\n  simworld list\n  simworld list --json -",
    )
    add_scenarios(listing)
    listing.set_defaults(command=_list)


def _list(args: argparse.Namespace) -> int:
    from simworld.campaign import PRESETS
    from simworld.render import Output, check_targets, scenarios_json, scenarios_table

    scenarios = scenarios_of(args.scenarios)
    check_targets(args.json)
    out = Output(args.json)
    if args.json:
        out.write_json(scenarios_json(scenarios, list(PRESETS)))
    if args.json != "-":
        out.say(scenarios_table(scenarios, list(PRESETS), width=out.width, color=out.color))
    out.finish()
    return OK
