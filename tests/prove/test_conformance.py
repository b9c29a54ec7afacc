"""Every world against the atomic one, over 2 000 drawn sequences each; reports/conformance.md.

``make prove`` runs it (half an hour on two cores); the gate does a twentieth of it.  What was done
for the same source is not done again, so it may be stopped at any time.
"""

from __future__ import annotations

import collections
import hashlib
import json
import multiprocessing
import pathlib
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, NamedTuple

import pytest

from simworld.conformance import (
    Difference,
    Turns,
    check_concurrent,
    check_reopen,
    check_same,
    check_world,
    deviations,
)
from simworld.records import WorldProfile
from simworld.substrates import PrivateServer
from tests.conformance import real
from tests.conformance.real import SMALL
from tests.conformance.worlds import atomic

CHUNKS, CHUNK = 8, 250
"""Together the sequences of a world."""
HITS_MIN = 20
PAIRS = 200
"""Sequences on two substrates, and with reopening."""
CASES, REAL_CASES = 4_000, 500
"""Operations at the same time: in memory, and for real."""

WHOLE = WorldProfile()
PROVED = pathlib.Path("reports/conformance.json")
TABLE = pathlib.Path("reports/conformance.md")
QUICK = {
    "local grouped": {"local_commits": "grouped", "local_memory": True},
    "postgres appending": {"pg_writes": "append"},
}
"""What real workers run, and its knobs."""
WORLDS = ("atomic", "local", "local on disk", "postgres", "postgres on a server", "hosted", *QUICK)
SAME = ("local", "local-pr", "local-4x", "postgres", "postgres-merged")
REAL = ("local on disk", "postgres on a server")
MERGED = ("local-pr", "local-4x", "postgres-merged", "hosted-merged")
RACING = MERGED[:3]
SOUND = ("local", "postgres", *REAL, *QUICK)

pytestmark = pytest.mark.prove


class Job(NamedTuple):
    """A piece of the proof."""

    kind: str
    world: str
    number: int = 0

    @property
    def name(self) -> str:
        return f"{self.kind}, {self.world}, {self.number}"


JOBS = [
    *(Job("world", world, number) for world in WORLDS for number in range(CHUNKS)),
    *(Job("same", world) for world in SAME),
    *(Job("reopened", world) for world in REAL),
    *(Job("together", world) for world in (*SOUND, *RACING)),
    *(Job("deviations", world) for world in MERGED),
]


# --- one job, in a process of its own -------------------------------------------------------------


def run_job(job: Job) -> dict[str, Any]:
    """What came of it, as JSON has it."""
    with tempfile.TemporaryDirectory() as folder, PrivateServer(durable=False) as server:
        dsn = server.new_database()
        return _DOING[job.kind](job, folder, dsn)


def _make(place, folder, dsn, **options):
    name = place.split()[0]
    if place == "atomic":
        return atomic(page_max=SMALL.page_max)
    if place == "local on disk":
        return real.disk(folder, **options)
    if place == "postgres on a server":
        return real.postgres(dsn, **options)
    makers = {"local": real.local, "postgres": real.twins, "hosted": real.hosted}
    return makers[name.partition("-")[0]](name, **options, **QUICK.get(place, {}))


def _counts(report) -> dict[str, Any]:
    return {
        "sequences": report.sequences,
        "operations": report.operations,
        "refused": report.refused,
        "hits": dict(report.hits),
        "unreachable": dict(report.unreachable),
        "difference": "" if report.ok else str(report),
    }


def _world(job, folder, dsn):
    made = _make(job.world, folder, dsn)
    return _counts(check_world(made, sequences=CHUNK, seed=job.number, profile=SMALL))


def _same(job, folder, dsn):
    if job.world.startswith("local"):
        one = real.disk(folder, job.world)
    else:
        one = real.postgres(dsn, job.world)
    other = _make(job.world, folder, dsn)
    return _counts(check_same(one, other, sequences=PAIRS, profile=SMALL))


def _reopened(job, folder, dsn):
    on_disk = job.world == "local on disk"
    places = real.disk_places(folder) if on_disk else real.postgres_places(dsn)
    return _counts(check_reopen(places, sequences=PAIRS, profile=SMALL))


def _together(job, folder, dsn):
    if job.world in REAL:
        turns, options, cases = None, {}, REAL_CASES
    else:
        turns, cases = Turns(), CASES
        around = turns.files if job.world.startswith("local") else turns.tables
        options = {"around": around}
    made = _make(job.world, folder, dsn, world=WHOLE, **options)
    report = check_concurrent(made, turns=turns, cases=cases)
    found = {kind: [count, str(each)] for kind, (count, each) in report.violations.items()}
    return {"cases": report.cases, "violations": found}


def _deviations(job, folder, dsn):
    found = deviations(_make(job.world, folder, dsn), profile=SMALL)
    return {"cells": [[each.cell, *_brief(each), str(each)] for each in found]}


def _brief(difference: Difference) -> tuple[str, str]:
    """What the model and the world say, in a few words."""
    parts = {name: (model, world) for name, model, world in difference.parts}
    for name in ("refused", "rules"):
        if name in parts:
            model, world = parts[name]
            silent = "accepts" if name == "refused" else "nothing"
            return tuple(silent if each == "None" else each.strip("'") for each in (model, world))
    names = " and ".join(parts)
    return f"another {names}", f"another {names}"


_DOING = {
    "world": _world,
    "same": _same,
    "reopened": _reopened,
    "together": _together,
    "deviations": _deviations,
}


# --- all jobs, and what is already known ----------------------------------------------------------


ROOMS = ("engine", "ports", "records", "worlds", "substrates", "conformance")
OTHERS = {
    "atomic": ("worlds/local/", "worlds/postgres/", "worlds/hosted", "substrates/"),
    "local": ("worlds/postgres/", "worlds/hosted", "substrates/pg_", "substrates/postgres"),
    "postgres": ("worlds/local/", "worlds/hosted", "substrates/disk"),
    "hosted": ("worlds/local/", "worlds/postgres/", "substrates/"),
}
"""Kind of world → rooms of the others."""
NOWHERE = ("worlds/queue/", "worlds/__init__", "substrates/__init__", "substrates/trio_")
"""What changes no storage: the queue, doors, other adapters."""


def source_digest(job: Job) -> str:
    """Digest of everything that a piece depends on."""
    others = (*OTHERS[job.world.partition(" ")[0].partition("-")[0]], *NOWHERE)
    digest = hashlib.blake2b(digest_size=8)
    files = [each for room in ROOMS for each in pathlib.Path("simworld", room).rglob("*.py")]
    files += [*pathlib.Path("tests/conformance").glob("*.py"), pathlib.Path(__file__)]
    for path in sorted(files):
        if not path.as_posix().removeprefix("simworld/").startswith(others):
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def proved() -> dict[str, dict[str, Any]]:
    """What was done before, for the source as it is now."""
    if not PROVED.exists():
        return {}
    stored = json.loads(PROVED.read_text())["jobs"]
    names = {job.name: source_digest(job) for job in JOBS}
    return {
        name: outcome for name, outcome in stored.items() if outcome["source"] == names.get(name)
    }


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, Any]]:
    """Of all jobs; those that are not known are done."""
    known = proved()
    PROVED.parent.mkdir(exist_ok=True)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        todo = [job for job in JOBS if job.name not in known]
        doing = {pool.submit(run_job, job): (job, source_digest(job)) for job in todo}
        for future in as_completed(doing):
            job, source = doing[future]
            known[job.name] = {"source": source, **future.result()}
            document = {"command": "make prove", "jobs": known}
            PROVED.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    TABLE.write_text("\n".join(report(known)) + "\n")
    return known


def total(outcomes: dict[str, dict[str, Any]], world: str) -> dict[str, Any]:
    """The chunks of a world, added up."""
    parts = [outcomes[Job("world", world, number).name] for number in range(CHUNKS)]
    hits: collections.Counter[str] = collections.Counter()
    for part in parts:
        hits.update(part["hits"])
    return {
        **{
            name: sum(part[name] for part in parts)
            for name in ("sequences", "operations", "refused")
        },
        "hits": hits,
        "difference": "\n".join(part["difference"] for part in parts if part["difference"]),
    }


@pytest.mark.parametrize("world", WORLDS)
def test_a_world_is_a_world(world: str, outcomes: dict[str, dict[str, Any]]) -> None:
    found = total(outcomes, world)
    assert found["difference"] == ""
    assert found["sequences"] >= 2_000
    assert found["refused"] >= 0.2 * found["operations"]
    assert min(found["hits"].values()) >= HITS_MIN


@pytest.mark.parametrize("world", SAME)
def test_two_substrates_show_one_world(world: str, outcomes: dict[str, dict[str, Any]]) -> None:
    assert outcomes[Job("same", world).name]["difference"] == ""


@pytest.mark.parametrize("world", REAL)
def test_a_world_survives(world: str, outcomes: dict[str, dict[str, Any]]) -> None:
    assert outcomes[Job("reopened", world).name]["difference"] == ""


@pytest.mark.parametrize("world", SOUND)
def test_repaired_worlds_explain_everything(
    world: str, outcomes: dict[str, dict[str, Any]]
) -> None:
    assert outcomes[Job("together", world).name]["violations"] == {}


@pytest.mark.parametrize("world", RACING)
def test_merged_worlds_do_not(world: str, outcomes: dict[str, dict[str, Any]]) -> None:
    assert outcomes[Job("together", world).name]["violations"]


# --- the report -----------------------------------------------------------------------------------


def report(outcomes: dict[str, dict[str, Any]]) -> Iterator[str]:
    """What was done, and what came of it."""
    yield "# Conformance"
    yield ""
    yield (
        "Made by `make prove`: drawn sequences of operations on every world, each compared step by "
        f"step with the atomic world.  A sequence aims at some cells of spec §1.3 (each is hit at "
        f"least {HITS_MIN} times in {CHUNKS * CHUNK} sequences), at leases, and at names that no "
        "world takes."
    )
    yield ""
    yield "| world | sequences | operations | illegal | least hit | differences |"
    yield "|---|---|---|---|---|---|"
    for world in WORLDS:
        found = total(outcomes, world)
        cell, hits = min(found["hits"].items(), key=lambda item: item[1])
        share = found["refused"] / found["operations"]
        yield (
            f"| {world} | {found['sequences']} | {found['operations']} | {share:.0%} | "
            f"{_cell(cell)}: {hits} | {'some' if found['difference'] else 0} |"
        )
    yield from _pairs(outcomes)
    yield from _races(outcomes)
    yield from _listed(outcomes)
    yield from _unreachable(outcomes)


def _cell(cell: str) -> str:
    return cell.replace(" | ", " · ")


def _pairs(outcomes: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield ""
    yield "## One world on two substrates, and opened again"
    yield ""
    yield "| what | sequences | operations | differences |"
    yield "|---|---|---|---|"
    rows = [(f"{each}: in memory and for real", Job("same", each)) for each in SAME]
    rows += [(f"{each}: closed and opened again", Job("reopened", each)) for each in REAL]
    for what, job in rows:
        found = outcomes[job.name]
        differs = "some" if found["difference"] else 0
        yield f"| {what} | {found['sequences']} | {found['operations']} | {differs} |"


def _races(outcomes: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield ""
    yield "## At the same time"
    yield ""
    yield (
        "Two to four operations on one run, issued together; in memory their operations on files "
        "or tables are interleaved as drawn.  A case is explained if some order of them on the "
        "atomic world gives the same answers and leaves the same rows and logs."
    )
    yield ""
    yield "| world | cases | not explained |"
    yield "|---|---|---|"
    for world in (*SOUND, *RACING):
        found = outcomes[Job("together", world).name]
        count = sum(count for count, _ in found["violations"].values())
        yield f"| {world} | {found['cases']} | {count} |"
    for world in RACING:
        yield ""
        yield f"What no order explains on {world}, made as small as it goes, and how often:"
        yield ""
        violations = outcomes[Job("together", world).name]["violations"].items()
        told = [f"{kind} ({count})" for kind, (count, _) in sorted(violations)]
        yield "; ".join(told) + "."


def _listed(outcomes: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield ""
    yield "## Where the merged worlds deviate, one operation after another"
    for world in MERGED:
        found = outcomes[Job("deviations", world).name]["cells"]
        yield ""
        yield f"**{world}**: {len(found) or 'no'} cells."
        if not found:
            continue
        yield ""
        yield "| event | state · run | atomic | this world |"
        yield "|---|---|---|---|"
        rows: dict[tuple[str, str, str], list[str]] = {}
        for cell, model, mine, _ in found:
            event, _, where = cell.partition(" | ")
            rows.setdefault((event, model, mine), []).append(_cell(where))
        for (event, model, mine), where in rows.items():
            yield f"| {event} | {'; '.join(where)} | {model} | {mine} |"


def _unreachable(outcomes: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield ""
    yield "## Cells of §1.3 that no history leads to"
    cells: dict[str, list[str]] = {}
    for cell, reason in outcomes[JOBS[0].name]["unreachable"].items():
        cells.setdefault(reason, []).append(_cell(cell))
    for reason, names in cells.items():
        yield ""
        yield f"{reason[0].upper()}{reason[1:]} ({len(names)}): {'; '.join(names)}."
