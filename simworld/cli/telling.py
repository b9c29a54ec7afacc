"""What a hunt leaves behind: the table, repros, JSON, and the story of the smallest failure."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from simworld.cli.common import BROKEN, complain, scenarios_of
from simworld.errors import DidNotReproduce, InternalError, UsageError

if TYPE_CHECKING:
    from simworld.cli.running import Done
    from simworld.records import Compared, Repro, Result
    from simworld.render import Output

At = tuple[int, int]
"""A finding: its result's index, and its own in there."""


def report(
    args: argparse.Namespace,
    out: Output,
    done: Done,
    beside: Compared | None,
) -> dict[At, str]:
    """Table, repros and JSON; the repros' paths."""
    from simworld.render import notes_text, results_json, results_table, summary_line

    results = done.results
    if results:
        out.say(f"\n{results_table(results, width=out.width, color=out.color)}")
        if notes := notes_text(results):
            out.say(f"{notes}\n")
        out.say(summary_line(results))
    elif isinstance(done.stopped, KeyboardInterrupt):
        out.say("interrupted before there was any result")
    saved = _save(results, Path(args.save))
    if args.json:
        with done.writing():
            out.write_json(results_json(results, saved, unjudged=done.unjudged, beside=beside))
    return saved


def _save(results: Sequence[Result], folder: Path) -> dict[At, str]:
    """Write every repro; what could not be written is missing from the answer."""
    from simworld.campaign import save_repro
    from simworld.render import repro_names

    saved: dict[At, str] = {}
    for (at, nth), name in repro_names(results).items():
        path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            save_repro(results[at].findings[nth].repro, path)
        except (OSError, UsageError) as error:
            complain(BROKEN, f"a repro was not saved: {error}")
        else:
            saved[at, nth] = str(path)
    return saved


def tell_smallest(
    args: argparse.Namespace,
    out: Output,
    results: Sequence[Result],
    saved: Mapping[At, str],
    beside: Compared | None,
) -> None:
    """The story of the smallest failure, with the way to replay it; beside a ledger, of a new one.

    Nobody is told what a canary finds.
    """
    every = [
        (at, nth)
        for at, result in enumerate(results)
        for nth in range(0 if result.canary else len(result.findings))
    ]
    chosen = smallest(results, every if beside is None else beside.new)
    if chosen is None:
        return
    at, nth = chosen
    story = story_of(args, results[at].findings[nth].repro, width=out.width)
    out.say(f"\nThe smallest failure\n\n{story}")
    if chosen in saved:
        out.say(f"Replay it:\n  {replay_line(args, saved[chosen])}")


def smallest(results: Sequence[Result], findings: Sequence[At]) -> At | None:
    """The finding that is best to tell."""
    ranked = [(*results[at].interest(results[at].findings[nth]), at, nth) for at, nth in findings]
    if not ranked:
        return None
    *_, at, nth = min(ranked)
    return at, nth


def story_of(args: argparse.Namespace, repro: Repro, *, width: int) -> str:
    """The story of a failure that was just found."""
    from simworld.campaign import tell
    from simworld.render import story_text

    try:
        story = tell(repro, scenarios_of(args.scenarios))
    except DidNotReproduce as error:
        raise InternalError(f"a failure just found does not replay: {error}") from error
    return story_text(story, width=width)


def replay_line(args: argparse.Namespace, path: str) -> str:
    """The command that replays a repro; one that was found in a module says so itself."""
    where = ["--scenarios", args.scenarios] if args.scenarios and not args.module else []
    return f"{_program()} {shlex.join(['replay', path, *where])}"


def _program() -> str:
    """How to call this program again, as it was called now."""
    called = sys.argv[0]
    if Path(called).name != "simworld":
        return "python -m simworld.cli"
    return "simworld" if shutil.which("simworld") == called else shlex.quote(called)
