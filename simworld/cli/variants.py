"""``simworld variants``: every knob, and what each variant, or each world, sets it to."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from simworld.cli.common import OK, add_command

if TYPE_CHECKING:
    from simworld.cli.common import Commands


def add(commands: Commands) -> None:
    """The command and its options."""
    variants = add_command(
        commands,
        "variants",
        short="show every knob and what each variant sets",
        long="Show every knob with its values, and what each variant sets it to.  A variant is\n"
        "a named set of knobs; hunt --set KNOB=VALUE changes one of them.  A world sets the knobs\n"
        "of storage and queue, whatever the variant.",
        epilog="examples:\n  simworld variants\n  simworld variants v2_merge fixed\n"
        "  simworld variants --worlds\n  simworld variants b12 --json -",
    )
    variants.add_argument("names", nargs="*", metavar="NAME", help="default: all of them")
    variants.add_argument(
        "--worlds", action="store_true", help="show worlds (hunt --world NAME), not variants"
    )
    variants.set_defaults(command=_variants)


def _variants(args: argparse.Namespace) -> int:
    from simworld.campaign import (
        PLACES,
        PRESETS,
        SUBJECT_PLACES,
        as_variant,
        knob_table,
        preset,
    )
    from simworld.render import Output, check_targets, knobs_table, variants_json, variants_table

    knobs = knob_table()
    named, known = (as_variant, {**PLACES, **SUBJECT_PLACES}) if args.worlds else (preset, PRESETS)
    chosen = [named(name) for name in dict.fromkeys(args.names or known)]
    check_targets(args.json)
    out = Output(args.json)
    if args.json:
        out.write_json(variants_json(knobs, chosen))
    if args.json != "-":
        out.say(knobs_table(knobs, width=out.width, color=out.color))
        out.say("\n" + variants_table(knobs, chosen, width=out.width, color=out.color))
    out.finish()
    return OK
