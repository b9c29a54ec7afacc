"""``simworld check-log``: judge event logs that a real engine has recorded."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from simworld.cli.common import FAILED, OK, UNDECIDED, USAGE, add_command, complain
from simworld.errors import UsageError

if TYPE_CHECKING:
    from simworld.check import LogJudge
    from simworld.cli.common import Commands
    from simworld.records import LogVerdict

STDIN = "-"
CHUNK_BYTES = 256 * 1024


def add(commands: Commands) -> None:
    """The command and its options."""
    command = add_command(
        commands,
        "check-log",
        short="judge event logs of a real engine",
        long="Judge recorded event logs by every law that a log alone can break.\n\n"
        "A file holds JSON lines (an event a line), an array of events, an object with its\n"
        'events under "data" (as events.list answers) or "events", or several of these one after\n'
        "the other; runs may be mixed, and a run may go on in the next file.  An event has runId,\n"
        "eventId, eventType, createdAt (ISO 8601, without an offset UTC; or whole milliseconds\n"
        "since 1970), correlationId (that of the step, hook or wait) and eventData; other fields\n"
        "are kept.  The events of a run come in the order of its log, oldest first.\n\n"
        "A log whose run has not ended is judged as far as it goes; with --ended it must have.",
        epilog="examples:\n  simworld check-log run.json\n"
        "  simworld check-log logs/*.jsonl --ended --json verdict.json\n"
        "  simworld check-log --law I-05 --law I-09 export.json\n"
        "  zcat events.jsonl.gz | simworld check-log -\n\n"
        "exit codes: 0 no law is broken, 1 some are, 2 no such file or nothing readable in it,\n"
        "3 parts could not be read, nothing was judged, or interrupted",
    )
    command.add_argument(
        "files", nargs="+", metavar="FILE", help=f"any number; {STDIN} for standard input"
    )
    command.add_argument(
        "--law",
        action="append",
        default=[],
        metavar="ID",
        help="judge only this law; repeatable (I-17 and L-03 are judged only when named: I-17 "
        "wants a deterministic workflow, L-03 a time without failures)",
    )
    command.add_argument(
        "--ended",
        action="store_true",
        help="the logs are complete: a run that has not ended is stuck (L-01)",
    )
    command.add_argument(
        "--max-retries",
        type=_retries,
        metavar="N",
        help="every step may be tried again N times: judge exhausted retries, too (I-12)",
    )
    command.set_defaults(command=_check_log)


def _retries(text: str) -> int:
    if not text.isdecimal() or len(text) > 6:
        raise argparse.ArgumentTypeError(f"takes a whole number of at least 0, not {text!r}")
    return int(text)


def _check_log(args: argparse.Namespace) -> int:
    from simworld.check import LogJudge
    from simworld.render import Output, check_targets, log_verdict_json, log_verdict_text

    judge = LogJudge(args.law, ended=args.ended, max_retries=args.max_retries)
    sizes = [_size(name) for name in args.files]
    check_targets(args.json)
    out = Output(args.json)
    interrupted, reached = _feed(judge, args.files, sizes)
    told = judge.finish(interrupted=interrupted)
    out.say(log_verdict_text(told, width=out.width))
    if args.json:
        out.write_json(log_verdict_json(told))
    out.finish()
    if interrupted:
        complain(UNDECIDED, f"interrupted after {told.events_count} events, in {reached}")
    return _code(told)


def _code(told: LogVerdict) -> int:
    if told.verdict.outcome == "PASS":
        return OK
    if told.verdict.outcome == "FAIL":
        return FAILED
    if told.misreads_count and not (told.events_count or told.interrupted):
        return complain(USAGE, "error: nothing in the input is an event (see check-log --help)")
    return UNDECIDED


def _size(name: str) -> int:
    """Bytes of the file; ``UsageError`` if it cannot be read.  A pipe is opened only once."""
    if name == STDIN:
        return 0
    path = Path(name)
    try:
        if path.is_file() or not path.exists():
            with path.open("rb") as file:
                return os.fstat(file.fileno()).st_size
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from error
    if path.is_dir():
        raise UsageError(f"{name} is a directory; name the files in it ({name}/*.json)")
    return 0


def _feed(judge: LogJudge, names: Sequence[str], sizes: Sequence[int]) -> tuple[bool, str]:
    """Judge all files; whether somebody pressed Ctrl-C, and the file that was being read."""
    from simworld.render import reading_bar

    source, done = "", 0
    with reading_bar("reading", bytes_count=sum(sizes), stream=sys.stderr) as update:

        def chunks(file: BinaryIO) -> Iterator[bytes]:
            nonlocal done
            while chunk := file.read(CHUNK_BYTES):
                done += len(chunk)
                if update is not None:
                    found = f"{judge.events_count} events, {judge.anomalies_count} anomalies"
                    update(done, found)
                yield chunk

        try:
            for name in names:
                if name == STDIN:
                    source = "<stdin>"
                    judge.feed(source, chunks(sys.stdin.buffer))
                else:
                    source = name
                    with Path(name).open("rb") as file:
                        judge.feed(source, chunks(file))
        except KeyboardInterrupt:
            return True, source
        except OSError as error:
            raise UsageError(f"cannot read {source}: {error.strerror}") from error
    return False, source
