"""Strikes one run everywhere, on every preset and world, and writes reports/strip.md.

Run with ``python -m bench.strip`` (some minutes on two cores).  What is done is kept in
reports/strip.json, so that a run which was stopped goes on where it was; after a change of simworld
or of the scenario it begins anew.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import pathlib
from collections.abc import Iterator, Mapping

import attrs
import msgspec

from simworld.campaign import (
    PLACES,
    PRESETS,
    Strip,
    StripRow,
    crash_strip,
    load_scenarios,
    placed,
    preset,
)

ROOT = pathlib.Path(__file__).resolve().parent.parent
REPORT = ROOT / "reports" / "strip.md"
KEPT = REPORT.with_suffix(".json")
COMMAND = "python -m bench.strip"
SCENARIO = "crash_strip"
PAIRS, PAIRS_FAULTY = 2_000, 300
"""Pairs of faults for the repaired engine on the repaired worlds; for what fails anyway."""
ROWS_MAX = 40
"""Rows of one preset and world that the page shows; the numbers above them are of all."""


@attrs.frozen
class Kept:
    """What earlier runs have shown, of one state of the source."""

    source: str
    strips: tuple[Strip, ...] = ()


def run(asked: tuple[str, str]) -> Strip:
    """The strip of a preset on a world; in a process of its own."""
    variant, world = asked
    scenario = load_scenarios("scenarios")[SCENARIO]
    pairs = PAIRS if PLACES[world].repaired and variant == "fixed" else PAIRS_FAULTY
    return crash_strip(scenario, placed(preset(variant), world), pairs_max=pairs)


def source() -> str:
    """Digest of everything that a strip depends on."""
    digest = hashlib.blake2b(digest_size=8)
    for path in (*sorted((ROOT / "simworld").rglob("*.py")), ROOT / f"scenarios/{SCENARIO}.py"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def kept() -> dict[tuple[str, str], Strip]:
    """What earlier runs have shown of the source as it is now."""
    if not KEPT.exists():
        return {}
    found = msgspec.json.decode(KEPT.read_bytes(), type=Kept)
    if found.source != source():
        return {}
    return {(strip.variant, strip.world): strip for strip in found.strips}


def keep(strips: Mapping[tuple[str, str], Strip]) -> None:
    """Write them down, whole or not at all."""
    found = Kept(source(), tuple(strips[key] for key in sorted(strips)))
    fresh = KEPT.with_suffix(".new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    fresh.replace(KEPT)


# --- the page -------------------------------------------------------------------------------------


def cell(strip: Strip | None) -> str:
    """Where recovery fails, in numbers."""
    if strip is None:
        return "not run"
    if strip.undisturbed:
        laws = ", ".join(dict.fromkeys(each.split()[0] for each in strip.undisturbed))
        return f"fails undisturbed ({laws}); {_numbers(strip)}"
    return f"✓ {strip.singles} + {strip.pairs}" if not strip.rows else f"✗ {_numbers(strip)}"


def _numbers(strip: Strip) -> str:
    singles = f"{strip.singles_failed} of {strip.singles}"
    return f"{singles}, pairs {strip.pairs_failed} of {strip.pairs}"


def place(row: StripRow) -> str:
    """What was struck; for pairs, the faults of the first one that failed."""
    if row.struck:
        return row.struck
    faults = ", ".join(f"{each.kind} of {each.target} at {each.value}" for each in row.repro.faults)
    return f"pairs, such as {faults}"


def report(strips: Mapping[tuple[str, str], Strip]) -> Iterator[str]:
    """The lines of the page."""
    yield "# The crash strip"
    yield ""
    yield (
        f"Made by `{COMMAND}`: the undisturbed run of `{SCENARIO}` (steps in a row and side by "
        "side, a hook, a sleep, a retry, a stream), struck at every one of its operations by a "
        "crash before it and by the loss of its answer, and by pairs of these.  Judged by all "
        "laws.  ✓ n + m: n single faults and m pairs, none of which did any harm; ✗: how many "
        "did.  A pair counts as failed if it breaks a law that its first fault does not break."
    )
    yield ""
    yield f"| preset | {' | '.join(PLACES)} |"
    yield f"|---|{'---|' * len(PLACES)}"
    for variant in PRESETS:
        line = [cell(strips.get((variant, world))) for world in PLACES]
        yield f"| {variant} | {' | '.join(line)} |"
    yield ""
    yield "Operations of the undisturbed run, and the pairs there are:"
    yield ""
    yield f"| preset | {' | '.join(PLACES)} |"
    yield f"|---|{'---|' * len(PLACES)}"
    for variant in PRESETS:
        found = [strips.get((variant, world)) for world in PLACES]
        told = [f"{each.operations}; {each.pairs_possible}" if each else "–" for each in found]
        yield f"| {variant} | {' | '.join(told)} |"
    for (variant, world), strip in strips.items():
        if strip.rows or strip.undecided:
            yield from _section(variant, world, strip)


def _section(variant: str, world: str, strip: Strip) -> Iterator[str]:
    yield ""
    yield f"## {variant} on {world}"
    yield ""
    if strip.undisturbed:
        yield f"Breaks without any fault: {', '.join(strip.undisturbed)}."
        yield ""
    if strip.undecided:
        yield f"Not decided: {strip.undecided}."
        yield ""
    if not strip.rows:
        return
    yield "| struck | law | what broke | trials | the first one |"
    yield "|---|---|---|---|---|"
    for row in strip.rows[:ROWS_MAX]:
        message = row.repro.message.replace("|", "\\|")
        yield f"| {place(row)} | {row.law} | {row.kind} | {row.count} | {message} |"
    if len(strip.rows) > ROWS_MAX:
        yield ""
        yield f"… and {len(strip.rows) - ROWS_MAX} rows more in {KEPT.name}."


def main() -> None:
    """Run what is missing, and write."""
    strips = kept()
    cells = [(variant, world) for variant in PRESETS for world in PLACES]
    todo = [each for each in cells if each not in strips]
    REPORT.parent.mkdir(exist_ok=True)
    with multiprocessing.get_context("spawn").Pool(2) as pool:  # its end ends the processes
        try:
            for strip in pool.imap_unordered(run, todo):
                if strip.interrupted:
                    break
                strips[strip.variant, strip.world] = strip
                where = f"{len(strips)}/{len(cells)} {strip.variant} on {strip.world}"
                print(f"{where}: {cell(strip)}", flush=True)
                keep(strips)
        except KeyboardInterrupt:
            print(f"interrupted; what is done is kept in {KEPT}")
    ordered = {each: strips[each] for each in cells if each in strips}
    REPORT.write_text("\n".join(report(ordered)) + "\n")
    print(f"wrote {REPORT}")


if __name__ == "__main__":
    main()
