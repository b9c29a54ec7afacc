"""``simworld book``: interleavings that people know by heart, run on every preset."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from simworld.cli.common import (
    FAILED,
    OK,
    add_command,
    add_scenarios,
    chosen,
    scenarios_of,
    write_report,
)

if TYPE_CHECKING:
    from simworld.campaign import Observed
    from simworld.cli.common import Commands

PAGE = "book.md"


def add(commands: Commands) -> None:
    """The command and its options."""
    book = add_command(
        commands,
        "book",
        short="run scripted interleavings on every preset",
        long="Run every page of the scenario book, an interleaving that is scripted instead of "
        "searched,\non every preset of the engine, and compare the outcome with the declared one.",
        epilog="examples:\n  simworld book\n"
        "  simworld book --only smoke-one-step --variant v2_merge --story\n"
        "  simworld book --report reports\n\n"
        "exit codes: 0 all as declared, 1 something is not",
    )
    book.add_argument("--only", default="", metavar="ID,…", help="these pages alone")
    book.add_argument(
        "--variant", action="append", metavar="NAME", help="repeatable; default: every preset"
    )
    book.add_argument("--story", action="store_true", help="tell the story of every failure")
    book.add_argument("--report", metavar="DIR", help=f"write {PAGE} there")
    add_scenarios(book)
    book.set_defaults(command=_book)


def _book(args: argparse.Namespace) -> int:
    from simworld.campaign import PRESETS, load_pages, observe, preset
    from simworld.render import Output, book_json, book_report, book_table, check_targets

    pages = chosen(load_pages(args.scenarios), args.only, "page")
    variants = [preset(name) for name in dict.fromkeys(args.variant or PRESETS)]
    target = Path(args.report) / PAGE if args.report else None
    check_targets(args.json)
    out = Output(args.json)
    observed = [observe(page, variant) for page in pages.values() for variant in variants]
    for each in observed if args.story else ():
        _tell(args, out.say, each)
    if target is not None:
        words = ["simworld", "book", *(["--only", args.only] if args.only else [])]
        words += [word for name in args.variant or () for word in ("--variant", name)]
        command = shlex.join([*words, "--report", args.report])
        write_report(target, book_report(pages, observed, command=command))
    if args.json:
        out.write_json(book_json(pages, observed))
    if args.json != "-":
        out.say(book_table(pages, observed, width=out.width, color=out.color))
    out.finish()
    return OK if all(each.is_right for each in observed) else FAILED


def _tell(args: argparse.Namespace, say: Callable[[str], None], observed: Observed) -> None:
    """The story of a failure, or why the script cannot be followed."""
    from simworld.campaign import tell
    from simworld.render import story_text

    if observed.repro is not None:
        say(f"{observed.page} on {observed.variant}\n")
        say(story_text(tell(observed.repro, scenarios_of(args.scenarios))))
    elif observed.unfollowed:
        say(f"{observed.page} on {observed.variant}: {observed.unfollowed}\n")
