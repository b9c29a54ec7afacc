"""The ledger file: known signatures as JSON, sorted, to be committed beside the code.

A finding that the ledger lists does not fail a build; one that it does not list does.  An entry
that a complete hunt no longer finds is news, and nobody's failure.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Iterator, Sequence

import attrs
import msgspec

from simworld.errors import UsageError
from simworld.records import Compared, Finding, Known, Result

SCHEMA = 1
_FIELDS = [field.name for field in attrs.fields(Known)]
_ORDER = ("scenario", "case", "variant", "world", "signature", "since", "note")
"""The keys of an entry, in the order in which they are written and sorted."""


def load_ledger(path: pathlib.Path) -> tuple[Known, ...]:
    """The entries; ``UsageError`` for a file that is missing or is something else."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(
            f"there is no ledger {path}; make one of what is found now with --known {path} "
            "--update-known"
        ) from error
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    try:
        fields = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no ledger: {error}") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("known"), list):
        raise UsageError(f'{path} is no ledger: it has no list called "known"')
    if fields.get("schema") != SCHEMA:
        raise UsageError(
            f"{path} is a ledger of format {fields.get('schema')!r}; this simworld reads {SCHEMA}"
        )
    return tuple(_entry(each, number, path) for number, each in enumerate(fields["known"], start=1))


def _entry(fields: object, number: int, path: pathlib.Path) -> Known:
    where = f"entry {number} of the ledger {path}"
    if isinstance(fields, dict):
        for name in fields:
            if name not in _FIELDS:
                raise UsageError(f"{where}: {name!r} is none of {', '.join(_ORDER)}")
    try:
        return msgspec.convert(fields, Known)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: {error}") from error


def save_ledger(known: Iterable[Known], path: pathlib.Path) -> None:
    """Write the entries, sorted, each once; ``UsageError`` where the file cannot be written."""
    rows = sorted(
        ({name: getattr(each, name) for name in _ORDER} for each in dict.fromkeys(known)),
        key=lambda row: tuple(row.values()),
    )
    entries = [{name: value for name, value in row.items() if value} for row in rows]
    text = msgspec.json.format(msgspec.json.encode({"schema": SCHEMA, "known": entries}), indent=2)
    try:
        path.write_bytes(text + b"\n")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def compared(
    known: Sequence[Known], results: Sequence[Result], *, complete: Sequence[bool]
) -> Compared:
    """The findings beside the ledger; ``complete`` says of each hunt whether it ran to its end."""
    listed: dict[tuple[int, int], Known] = {}
    new = []
    for at, nth, finding in _findings(results):
        entry = next((each for each in known if _names(each, results[at], finding)), None)
        if entry is None:
            new.append((at, nth))
        else:
            listed[at, nth] = entry
    seen = list(listed.values())
    gone = [
        each
        for each in known
        if each not in seen
        and any(
            whole and _hunts(result, each) for result, whole in zip(results, complete, strict=True)
        )
    ]
    return Compared(listed, tuple(new), tuple(gone))


def updated(
    known: Sequence[Known], results: Sequence[Result], beside: Compared, *, since: str
) -> list[Known]:
    """The ledger with what is new and without what is gone; notes are kept."""
    kept = [each for each in known if each not in beside.gone]
    found = [(results[at], results[at].findings[nth]) for at, nth in beside.new]
    return kept + [
        Known(
            result.scenario,
            result.variant,
            finding.anomaly.signature,
            result.world,
            finding.repro.case,
            since=since,
        )
        for result, finding in found
    ]


def _findings(results: Sequence[Result]) -> Iterator[tuple[int, int, Finding]]:
    """All but those of canaries, planted to be found, and those that a world is to blame for."""
    for at, result in enumerate(results):
        for nth, finding in enumerate(() if result.canary else result.findings):
            if not finding.is_worlds:
                yield at, nth, finding


def _names(known: Known, result: Result, finding: Finding) -> bool:
    """Whether the entry is about this finding."""
    return (
        _about(known, result)
        and known.signature == finding.anomaly.signature
        and known.case in ("", finding.repro.case)
    )


def _hunts(result: Result, known: Known) -> bool:
    """Whether the hunt would have found it: it draws the entry's case, or all cases."""
    return _about(known, result) and result.case in ("", known.case)


def _about(known: Known, result: Result) -> bool:
    return (known.scenario, known.variant, known.world) == (
        result.scenario,
        result.variant,
        result.world,
    )
