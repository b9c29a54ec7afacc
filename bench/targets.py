"""Whether the engine is as fast as it has to be; writes reports/targets.md and targets.json.

Run with ``python -m bench.targets`` on a machine that does nothing else (some ten minutes).  Every
contender is a process; in a round each is asked once, ratios are taken within a round, and what
counts is their median.  An engine against a copy of itself (A/A) shows what noise there is.  Ctrl-C
has what was measured until then written.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import platform
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs
import trio

from bench import streams
from bench.shapes import benchmarks
from bench.streams import Measured
from simworld.benchmark import Contestant, Places, Taken, interleaved, worker_command
from simworld.records import Contender, Sample

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROUNDS, LONG_ROUNDS = 15, 9
SEQUENCES = tuple(f"{count} sequential no-op steps" for count in (10, 25, 50))
GATHERS = tuple(f"gather of {count} no-op steps" for count in (10, 25, 50))
LONG = "1000 sequential no-op steps"
EARLY, LATE = slice(5, 30), slice(-20, None)
"""The gaps around step 10, and the last ones."""
FSYNCS = 50

OURS, OURS_PG, VERCEL = "ours, files", "ours, PostgreSQL", "vercel"
COPIES = {OURS: "ours, files (A/A)", OURS_PG: "ours, PostgreSQL (A/A)"}
"""The same once more: how far two that are equal differ."""
DBOS, DBOS_WAL, DBOS_PG = "dbos, SQLite", "dbos, SQLite (WAL)", "dbos, PostgreSQL"
ASYNC = {DBOS: "dbos, SQLite (async)", DBOS_PG: "dbos, PostgreSQL (async)"}
"""By its other API, for sequences: which one is faster depends on the machine."""

PEERS = """\
## How the others run

* **vercel-workflow** on its own local world and its embedded queue, all in one process, with shared
  sandboxes (the default, one for every pass, is slower).  Its `result` looks once a second, so its
  end is seen where its world writes it.
* **dbos** in one process: plain functions for sequences, and async ones where *(async)* is said and
  for gathers; the caller awaits the workflow itself.  Its journal on SQLite is the one that dbos
  chooses, except where *(WAL)* is said."""

Pick = Callable[[Sample], float | None]


def wall(sample: Sample) -> float | None:
    """Seconds by the clock."""
    return sample.wall_s


def cpu(sample: Sample) -> float | None:
    """Seconds of CPU time."""
    return sample.cpu_s


def gap(sample: Sample) -> float | None:
    """From body to body, the median of the run."""
    return statistics.median(sample.gaps_s) if sample.gaps_s else None


PICKS: Mapping[str, Pick] = {"wall": wall, "CPU": cpu, "step to step": gap}


@attrs.frozen
class Target:
    """What one contender may take at most, as a share of what another takes."""

    section: str
    sync: str
    own: str
    other: str
    workloads: tuple[str, ...]
    pick: str
    most: float | None
    """None: it is only told."""


def _against_dbos(sync: str, wall_most: float, cpu_most: float | None) -> Iterator[Target]:
    section = "dbos, synced" if sync == "on" else "dbos, not synced"
    for own, other in ((OURS, DBOS), (OURS_PG, DBOS_PG)):
        for each in (other, ASYNC[other]):
            yield Target(section, sync, own, each, SEQUENCES, "wall", wall_most)
            yield Target(section, sync, own, each, SEQUENCES, "CPU", cpu_most)


TARGETS = (
    Target("vercel-workflow", "off", OURS, VERCEL, SEQUENCES, "wall", 0.5),
    Target("vercel-workflow", "off", OURS, VERCEL, SEQUENCES, "step to step", 0.5),
    Target("vercel-workflow", "off", OURS, VERCEL, SEQUENCES, "CPU", None),
    *_against_dbos("on", 1.0, 0.5),
    Target("dbos, synced", "on", OURS, DBOS_WAL, SEQUENCES, "wall", None),
    Target("dbos, synced", "on", OURS, DBOS_WAL, SEQUENCES, "CPU", None),
    *_against_dbos("off", 0.5, None),
    Target("gather", "off", OURS, VERCEL, GATHERS, "wall", 0.5),
    Target("gather", "off", OURS, VERCEL, GATHERS, "CPU", None),
)
GROWTH_MOST = 5.0
"""A gather of 50 against one of 10: linear."""
LATE_MOST = 1.3
"""A step at 1 000 against one at 10."""
POURED_MOST = 1 / streams.TARGET
"""Streams through workflows against the same chunks straight, in time."""
_BOTH = (OURS, COPIES[OURS], DBOS, ASYNC[DBOS], OURS_PG, COPIES[OURS_PG], DBOS_PG, ASYNC[DBOS_PG])
COMPANY: Mapping[str, tuple[str, ...]] = {"on": (*_BOTH, DBOS_WAL), "off": (*_BOTH, VERCEL)}
"""Who takes turns."""


@attrs.frozen
class Row:
    """One line of the table; a ratio with its quartiles over the rounds."""

    section: str
    what: str
    sync: str
    workload: str
    pick: str
    ratio: float | None = None
    low: float = 0.0
    high: float = 0.0
    most: float | None = None
    rounds: int = 0
    why_not: str = ""
    noise: tuple[float, float] | None = None
    """The quartiles of what is ours against its own copy."""

    @property
    def verdict(self) -> str:
        """Met or missed, where there is a target."""
        if self.ratio is None:
            return f"not measured: {self.why_not}"
        if self.most is None:
            return ""
        return "met" if self.ratio <= self.most else "**missed**"


@attrs.define
class Found:
    """All that was measured."""

    taken: dict[tuple[str, str, str], Taken] = attrs.Factory(dict)
    """(sync, contender, workload)"""
    synced: dict[tuple[str, str], str] = attrs.Factory(dict)
    absent: dict[tuple[str, str], str] = attrs.Factory(dict)
    streams: list[Measured] = attrs.Factory(list)

    def values(self, sync: str, who: str, workload: str, pick: Pick) -> list[float]:
        """One measure of every sample."""
        taken = self.taken.get((sync, who, workload), Taken())
        return [each for sample in taken.samples if (each := pick(sample)) is not None]

    def why_not(self, sync: str, who: str, workload: str) -> str:
        """Why there is nothing."""
        taken = self.taken.get((sync, who, workload), Taken())
        return self.absent.get((sync, who)) or taken.failed or taken.refused or "it did not run"


# --- measuring ------------------------------------------------------------------------------------


def command_of(who: str, places: Places, engine: str) -> list[str]:
    """The command line of a contender, with a place of its own."""
    sync = ("--sync", places.word)
    peer = [sys.executable, "-m"]
    dbos = [*peer, "bench.peers.dbos_worker", *sync, "--database"]
    own = ("--engine", engine, "--front", "in-process", *sync, "--workloads", "bench.shapes")
    if who in (OURS, COPIES[OURS]):
        return worker_command("--world", f"local:{places.folder()}", *own)
    if who in (OURS_PG, COPIES[OURS_PG]):
        return worker_command("--world", f"postgres:{places.database()}", *own)
    if who == VERCEL:
        return [*peer, "bench.peers.vercel_worker", "--folder", str(places.folder())]
    options = ["--journal", "wal"] if who == DBOS_WAL else []
    if who in ASYNC.values():
        options = ["--api", "async"]
    if who in (DBOS_PG, ASYNC[DBOS_PG]):
        return [*dbos, f"postgres:{places.database()}", *options]
    return [*dbos, f"sqlite:{places.folder()}/dbos.sqlite", *options]


def measure(found: Found, sync: str, engine: str, rounds: int) -> None:
    """Everybody of one durability, in turns."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="targets-"))
        places = Places(pathlib.Path(folder), stack, sync=sync == "on")
        here: list[Contestant] = []
        for who in COMPANY[sync]:
            entered = Contestant(Contender("", who), command_of(who, places, engine))
            contestant = stack.enter_context(entered)
            hello = contestant.hello
            found.synced[sync, who] = f"{hello.synced}{f', {hello.version}' * bool(hello.version)}"
            if hello.absent:
                found.absent[sync, who] = hello.absent
            else:
                here.append(contestant)
        for name in SEQUENCES:
            _workload(found, sync, name, here, rounds)
        others = [each for each in here if each.contender.engine not in ASYNC.values()]
        for name in GATHERS:
            _workload(found, sync, name, others, rounds)
        own = [each for each in here if each.contender.engine in (OURS, OURS_PG)]
        _workload(found, sync, LONG, own, min(rounds, LONG_ROUNDS))


def _workload(found: Found, sync: str, name: str, here: Sequence[Contestant], rounds: int) -> None:
    print(f"sync {sync}: {name}", file=sys.stderr, flush=True)
    taken = [Taken() for _ in here]
    benchmark = next(each for each in benchmarks if each.name == name)
    for contestant, each in zip(here, taken, strict=True):
        found.taken[sync, contestant.contender.engine, name] = each
    interleaved(here, benchmark, taken, samples=rounds, warm_up=True)


def fsync_s(folder: str) -> float:
    """What a write of 200 bytes that reaches the disk takes here, the median of some."""
    spent = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(FSYNCS):
            began = time.perf_counter()
            file.write(b"x" * 200)
            file.flush()
            os.fsync(file.fileno())
            spent.append(time.perf_counter() - began)
    return statistics.median(spent)


# --- what it comes to -----------------------------------------------------------------------------


def ratios(own: Sequence[float], other: Sequence[float]) -> list[float]:
    """Round by round."""
    return [mine / theirs for mine, theirs in zip(own, other, strict=False) if theirs]


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """The median, and the quartiles below and above it."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return middle, low, high


def row_of(
    row: Row, found: Sequence[float], why_not: str = "a contender has no sample of it"
) -> Row:
    """The row with what was found."""
    if not found:
        return attrs.evolve(row, why_not=why_not)
    middle, low, high = spread(found)
    return attrs.evolve(row, ratio=middle, low=low, high=high, rounds=len(found))


def rows_of(found: Found) -> Iterator[Row]:
    """The whole table."""
    for target in TARGETS:
        for workload in target.workloads:
            pick, sync = PICKS[target.pick], target.sync
            both = [found.values(sync, who, workload, pick) for who in (target.own, target.other)]
            missing = target.other if both[0] else target.own
            what = f"{target.own} / {target.other}"
            row = Row(target.section, what, sync, workload, target.pick, None, most=target.most)
            again = found.values(sync, COPIES[target.own], workload, pick)
            if noise := ratios(both[0], again):
                row = attrs.evolve(row, noise=spread(noise)[1:])
            yield row_of(row, ratios(*both), found.why_not(sync, missing, workload))
    yield from _growth(found)
    yield from _late(found)
    yield from _streams(found)


def _growth(found: Found) -> Iterator[Row]:
    first, last = GATHERS[0], GATHERS[-1]
    for sync, who in (("off", OURS), ("on", OURS), ("off", OURS_PG), ("on", OURS_PG)):
        many, few = (found.values(sync, who, workload, wall) for workload in (last, first))
        row = Row("gather grows", who, sync, "50 / 10 steps", "wall", None, most=GROWTH_MOST)
        yield row_of(row, ratios(many, few), found.why_not(sync, who, last))
    many, few = (found.values("off", VERCEL, workload, wall) for workload in (last, first))
    row = Row("gather grows", VERCEL, "off", "50 / 10 steps", "wall", None)
    yield row_of(row, ratios(many, few), found.why_not("off", VERCEL, last))


def late(sample: Sample) -> float | None:
    """A step at the end of a long run, as a multiple of an early one."""
    gaps = sample.gaps_s
    if len(gaps) < 100:
        return None
    return statistics.median(gaps[LATE]) / statistics.median(gaps[EARLY])


def _late(found: Found) -> Iterator[Row]:
    for sync, who in (("on", OURS), ("off", OURS), ("on", OURS_PG), ("off", OURS_PG)):
        row = Row("long runs", who, sync, "step 1 000 / step 10", "step to step", None)
        values = found.values(sync, who, LONG, late)
        yield row_of(attrs.evolve(row, most=LATE_MOST), values, found.why_not(sync, who, LONG))


def _streams(found: Found) -> Iterator[Row]:
    for each in found.streams:
        for place, (name, flow) in enumerate(streams.WORKFLOWS.items()):
            rounds = [one[place] for one in each.rounds]
            # The issue names the first two of them.
            most = None if flow is streams.fanned else POURED_MOST
            row = Row("streams", f"through workflows / straight, {each.title}", "", name, "wall")
            poured = ratios(
                [one.poured.wall for one in rounds], [one.straight.wall for one in rounds]
            )
            yield row_of(attrs.evolve(row, most=most), poured)
        row = Row("streams", f"first byte / round trip, {each.title}", "", "one chunk", "wall")
        firsts = [first / trip for trip, first in each.firsts]
        yield row_of(attrs.evolve(row, most=streams.FIRST_TARGET), firsts)


# --- the report -----------------------------------------------------------------------------------


def _table(rows: Sequence[Row]) -> Iterator[str]:
    yield "| what | synced | workload | measure | ratio | quartiles | noise | target | |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in rows:
        ratio = "–" if row.ratio is None else f"{row.ratio:.2f}"
        band = "–" if row.ratio is None else f"{row.low:.2f} … {row.high:.2f}"
        noise = "–" if row.noise is None else "{:.2f} … {:.2f}".format(*row.noise)
        most = "–" if row.most is None else f"≤ {row.most}"
        yield (
            f"| {row.what} | {row.sync} | {row.workload} | {row.pick} | {ratio} | {band} | {noise} "
            f"| {most} | {row.verdict} |"
        )
    yield ""


def _medians(found: Found) -> Iterator[str]:
    columns = ("wall, ms", "CPU, ms", "step to step, ms", "wall per step, ms", "rounds")
    yield f"| synced | contender | workload | {' | '.join(columns)} |"
    yield "|---|---|---|---|---|---|---|---|"
    counts = {each.name: each.step_count for each in benchmarks}
    for (sync, who, workload), taken in found.taken.items():
        cells = []
        for pick in PICKS.values():
            values = found.values(sync, who, workload, pick)
            cells.append(f"{statistics.median(values) * 1e3:.2f}" if values else "–")
        spent = found.values(sync, who, workload, wall)
        per_step_ms = statistics.median(spent) * 1e3 / counts[workload] if spent else None
        cells.append("–" if per_step_ms is None else f"{per_step_ms:.2f}")
        yield f"| {sync} | {who} | {workload} | {' | '.join(cells)} | {len(taken.samples)} |"
    yield ""


def lines(found: Found, command: str, engine: str, disk_s: float) -> Iterator[str]:
    """The report."""
    rows = list(rows_of(found))
    judged = [row for row in rows if row.most is not None]
    counted = {
        word: sum(1 for row in judged if row.verdict.startswith(start))
        for word, start in (("met", "met"), ("missed", "**"), ("not measured", "not"))
    }
    yield "# Whether it is fast enough"
    yield ""
    yield f"Generated by `{command}`; do not edit.  Every figure is of that one run."
    yield ""
    yield f"**{', '.join(f'{count} {word}' for word, count in counted.items() if count)}.**"
    yield ""
    yield (
        f"Machine: {os.cpu_count()} cores ({platform.machine()}), {platform.system()}, CPython "
        f"{platform.python_version()}; a write of 200 bytes with fsync takes {disk_s * 1e3:.2f} ms "
        f"there.  Ours is the preset `{engine}`.  Bodies do nothing, so wall time is overhead "
        "alone.  Each contender is a process, asked once a round; the ratio is the median of the "
        "ratios within the rounds, with its quartiles; *noise* is the same of ours against a copy "
        "of itself.  CPU time is that of a contender's process: what PostgreSQL's "
        "own processes take is in nobody's figure, neither ours nor dbos's."
    )
    for section in dict.fromkeys(row.section for row in rows):
        yield ""
        yield f"## {section[0].upper()}{section[1:]}"
        yield ""
        yield from _table([row for row in rows if row.section == section])
    yield from PEERS.splitlines()
    yield ""
    yield "## What was synced"
    yield ""
    yield "| synced | contender | in its own words |"
    yield "|---|---|---|"
    for (sync, who), words in found.synced.items():
        yield f"| {sync} | {who} | {found.absent.get((sync, who), words)} |"
    yield ""
    yield "## Medians"
    yield ""
    yield from _medians(found)


def as_json(found: Found, command: str, engine: str) -> dict[str, object]:
    """The same as data."""

    def plain(row: Row) -> dict[str, object]:
        return {**attrs.asdict(row), "verdict": row.verdict.strip("*")}

    return {
        "command": command,
        "engine": engine,
        "targets": [plain(row) for row in rows_of(found)],
        "synced": [
            {"sync": sync, "contender": who, "words": found.absent.get((sync, who), words)}
            for (sync, who), words in found.synced.items()
        ],
        "samples": [
            {
                "sync": sync,
                "contender": who,
                "workload": workload,
                "wall_s": [each.wall_s for each in taken.samples],
                "cpu_s": [each.cpu_s for each in taken.samples],
            }
            for (sync, who, workload), taken in found.taken.items()
        ],
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and write."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="bench.targets", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--engine", default="fast", help="the preset that is ours")
    parser.add_argument("--report", default=str(ROOT / "reports"), help="the folder to write to")
    args = parser.parse_args(argv)
    command = shlex.join(["python", "-m", "bench.targets", *argv])
    found = Found()
    with contextlib.suppress(KeyboardInterrupt):  # what there is by then is told
        for sync in COMPANY:
            measure(found, sync, args.engine, args.rounds)
        with streams.grounds() as places:
            print("streams", file=sys.stderr, flush=True)
            found.streams = [trio.run(streams.measure, each) for each in places]
    report = pathlib.Path(args.report)
    report.mkdir(parents=True, exist_ok=True)
    told = json.dumps(as_json(found, command, args.engine), indent=1)
    (report / "targets.json").write_text(f"{told}\n")
    text = "\n".join(lines(found, command, args.engine, fsync_s(tempfile.gettempdir())))
    (report / "targets.md").write_text(f"{text}\n")
    print(text)


if __name__ == "__main__":
    main()
