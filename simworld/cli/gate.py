"""What a build server asks of hunts: the ledger of known failures, and a JUnit file."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from simworld.cli.telling import At, replay_line, smallest, story_of
from simworld.errors import UsageError

if TYPE_CHECKING:
    from simworld.cli.common import Parser
    from simworld.cli.running import Done
    from simworld.records import Compared, Known
    from simworld.render import Output

WIDTH = 100
"""Of stories in a file."""


def add_gate(hunt: Parser) -> None:
    """The options."""
    hunt.add_argument(
        "--junit", metavar="FILE", help="write the outcome for build servers, as JUnit XML"
    )
    hunt.add_argument(
        "--known",
        metavar="FILE",
        help="a ledger of known failures: only others make the exit code 1",
    )
    hunt.add_argument(
        "--update-known",
        action="store_true",
        help="write the ledger: add what is new, take out what is no longer found",
    )


class Ledger(NamedTuple):
    """The ledger that --known names, as it was before the hunts."""

    path: Path
    known: tuple[Known, ...]
    update: bool
    since: str
    """The commit that new entries are said to be since."""


def ledger_of(args: argparse.Namespace) -> Ledger | None:
    """What --known names; ``UsageError`` where it cannot be read."""
    from simworld.campaign import load_ledger

    if not args.known:
        if args.update_known:
            raise UsageError("--update-known writes the ledger that --known names; name one")
        return None
    if args.expect:
        raise UsageError(
            "--expect fails what scenarios do not declare and --known what the ledger does not "
            "list; give one of them"
        )
    path = Path(args.known)
    known = () if args.update_known and not path.exists() else load_ledger(path)
    return Ledger(path, known, args.update_known, args.seed.commit)


def beside_ledger(ledger: Ledger, done: Done) -> Compared:
    """The findings beside the ledger."""
    from simworld.campaign import compared

    return compared(ledger.known, done.results, complete=done.complete)


def tell_known(out: Output, ledger: Ledger, done: Done, beside: Compared) -> None:
    """Say what is known, new and gone; write the ledger if that was asked for."""
    from simworld.campaign import save_ledger, updated
    from simworld.render import known_lines

    lines = known_lines(done.results, beside)
    if ledger.update:
        entries = updated(ledger.known, done.results, beside, since=ledger.since)
        with done.writing():
            save_ledger(entries, ledger.path)
            lines.append(f"the ledger {ledger.path} is up to date")
    if lines:
        out.say("\n" + "\n".join(lines))


def write_junit(
    args: argparse.Namespace, done: Done, saved: Mapping[At, str], beside: Compared | None
) -> None:
    """Write the file that --junit names, if it was given."""
    if not args.junit:
        return
    from simworld.render import JunitTold, junit_xml

    told = {}
    for at, result in enumerate(done.results):
        findings = [(at, nth) for nth in range(0 if result.canary else len(result.findings))]
        new = [each for each in beside.new if each[0] == at] if beside else []
        chosen = smallest(done.results, new or findings)
        if chosen is not None:
            story = story_of(args, result.findings[chosen[1]].repro, width=WIDTH)
            replays = {
                each[1]: replay_line(args, saved[each]) for each in findings if each in saved
            }
            told[at] = JunitTold(story, replays)
    document = junit_xml(
        done.results, told=told, unjudged=done.unjudged, beside=beside, expect=args.expect
    )
    with done.writing():
        try:
            Path(args.junit).write_bytes(document)
        except OSError as error:
            raise UsageError(f"cannot write {args.junit}: {error.strerror}") from error
