"""The repaired engine under every fault at once: 50 000 trials a world, all laws, no anomaly.

``make prove`` runs it (half an hour on two cores).  Every scenario and the generated programs are
hunted on ``fixed`` with the budgets they have and, beyond those, with all faults that the contract
of the world permits.  Silence counts only beside a twin that is found: the same trials on
``v2_merge``.  A chunk that was proved for the same source is not run again, so it may be stopped at
any time; results are in reports/fixed.json, and the page in reports/fixed.md.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import pathlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor

import attrs
import pytest

from simworld import marks
from simworld.campaign import (
    Hunter,
    Scenario,
    Variant,
    check_possible,
    load_scenarios,
    placed,
    preset,
    with_knob,
)
from simworld.check import ALWAYS, LAWS
from simworld.errors import UsageError
from simworld.records import FAULTS, PASS, FaultBudget
from tests.prove.digests import SHELL, source_digest

WORLDS = ("atomic", "local", "postgres")
TRIALS = 50_000
"""Of each world, over all scenarios."""
SHARES = {
    ("child_pool", "50 workers"): 100,
    ("crash_strip", ""): 4_900,
    ("concurrent_first_attempts", ""): 9_000,
    ("cursor_dedupe", ""): 9_000,
    ("generated_programs", ""): 9_000,
    ("inflated_attempts", ""): 9_000,
    ("retry_exhaustion", ""): 9_000,
}
"""(scenario, case; empty: all) → its share of the trials."""
TURNS_MAX = 50_000
"""Whoever polls takes turns; so long as workers are scarce, half of them."""
KNOBS = {"child_pool": ("lease_ms=30000", "crashes_max=50")}
"""Scenario → knobs: who waits for a child looks every second, through every lease that must end;
and outlives leases that are short, which uses up the budget of starts without a result."""
CHUNK = 1_000
TWIN_TRIALS = 1_000
"""Within so many of the same trials ``v2_merge`` must fail."""
EACH = 2
"""Faults of every kind, beyond what the scenario allows."""
REPORTS = pathlib.Path("reports")
PROVED = REPORTS / "fixed.json"
PAGE = REPORTS / "fixed.md"
SEED = 0
OWN = "tests/prove/test_fixed.py"

pytestmark = pytest.mark.prove


@attrs.frozen
class Chunk:
    """Some trials of one scenario on one world."""

    world: str
    scenario: str
    case: str
    variant: str
    first: int
    count: int

    @property
    def name(self) -> str:
        """Readable, unique."""
        return f"{self.world} {self.scenario} {self.case} {self.variant} {self.first}"


@attrs.frozen
class Outcome:
    """What came of a chunk."""

    trials: int
    anomalies: dict[str, int]
    """Law, kind and place → trials that showed it."""
    first: int
    """Number of the first trial that failed; -1: none did."""
    unknown: int
    runs: int
    ended: int
    overlapped: int
    faults: dict[str, int]
    """Kind → how many struck."""
    marks: dict[str, int]


def budget(world: str) -> FaultBudget:
    """Every kind of fault that the world may meet, and that breaks no promise of its own."""
    return FaultBudget(
        **{
            kind.budget: EACH
            for kind in FAULTS.values()
            if not kind.breaks and possible(world, kind.budget)
        }
    )


def possible(world: str, kind: str) -> bool:
    """Whether this world ever meets such a fault."""
    try:
        check_possible(world, kind)
    except UsageError:
        return False
    return True


def judged_by_all(scenario: Scenario) -> Scenario:
    """The scenario, judged by every law there is, with the turns that so many faults cost."""
    others = tuple(law for law in LAWS if law != scenario.law and law not in ALWAYS)
    return attrs.evolve(scenario, laws=others, turns_max=TURNS_MAX)


def system(chunk: Chunk) -> Variant:
    """What the chunk runs on."""
    variant = placed(preset(chunk.variant), chunk.world)
    for knob in KNOBS.get(chunk.scenario, ()):
        variant = with_knob(variant, knob)
    return variant


def chunks() -> list[Chunk]:
    """Every chunk; those of the twins first, which are short."""
    twins = [
        Chunk(world, scenario, case, "v2_merge", 0, min(share, TWIN_TRIALS))
        for world in WORLDS
        for (scenario, case), share in SHARES.items()
    ]
    return twins + [
        Chunk(world, scenario, case, "fixed", first, min(CHUNK, share - first))
        for world in WORLDS
        for (scenario, case), share in SHARES.items()
        for first in range(0, share, CHUNK)
    ]


def run_chunk(chunk: Chunk) -> Outcome:
    """Run it; of a twin's trials up to the first that fails."""
    scenario = judged_by_all(load_scenarios("scenarios")[chunk.scenario])
    hunter = Hunter(scenario, system(chunk), seed=SEED, case=chunk.case, faults=budget(chunk.world))
    anomalies: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    before = marks.snapshot()
    unknown = runs = ended = overlapped = trials = 0
    failed = -1
    gc.disable()
    try:
        for number in range(chunk.first, chunk.first + chunk.count):
            if number % 100 == 0:
                gc.collect(0)
            trial = hunter.trial(number)
            trials += 1
            runs += trial.runs_count
            ended += trial.ended_count
            overlapped += trial.overlapped
            faults.update(fault.kind for fault in trial.faults)
            anomalies.update({each.signature: 1 for each in trial.anomalies})
            unknown += trial.verdict.outcome not in (PASS, "FAIL")
            if trial.anomalies and failed < 0:
                failed = number
                if chunk.variant != "fixed":
                    break
    finally:
        gc.enable()
    return Outcome(
        trials,
        dict(sorted(anomalies.items())),
        failed,
        unknown,
        runs,
        ended,
        overlapped,
        dict(sorted(faults.items())),
        marks.since(before),
    )


def proved() -> dict[str, Outcome]:
    """What was proved before, for the source as it is now."""
    if not PROVED.exists():
        return {}
    stored = json.loads(PROVED.read_text())
    if stored["source"] != source_digest(SHELL, OWN):
        return {}
    return {name: Outcome(**fields) for name, fields in stored["chunks"].items()}


def store(outcomes: dict[str, Outcome]) -> None:
    """Write both reports anew."""
    REPORTS.mkdir(exist_ok=True)
    document = {
        "command": "make prove",
        "source": source_digest(SHELL, OWN),
        "chunks": {name: attrs.asdict(each) for name, each in sorted(outcomes.items())},
    }
    PROVED.write_text(json.dumps(document, indent=1) + "\n")
    PAGE.write_text("\n".join(page(outcomes)) + "\n")


def page(outcomes: dict[str, Outcome]) -> Iterator[str]:
    """The lines of the report."""
    yield "# The repaired engine under every fault at once"
    yield ""
    yield (
        f"Made by `make prove`: {TRIALS} trials a world, seed {SEED}, default portfolio, all "
        f"{len(LAWS)} laws; up to {EACH} faults of every kind that the world's contract permits, "
        "beyond the scenario's own budget.  Twin: the trial in which `v2_merge` first broke a law "
        "with the same budget and seeds."
    )
    yield ""
    yield "| world | scenario | trials | anomalies | unknown | runs ended | overlap | twin |"
    yield "|---|---|---|---|---|---|---|---|"
    for world in WORLDS:
        for scenario, case in SHARES:
            yield _row(outcomes, world, scenario, case)
    yield ""
    yield "Anomalies on `fixed`:"
    yield ""
    found = [
        f"- {name}, trial {each.first}: {signature} ({count} trials)"
        for name, each in sorted(outcomes.items())
        if " fixed " in name
        for signature, count in each.anomalies.items()
    ]
    yield from found or ["none"]
    yield ""
    yield "Faults that struck:"
    yield ""
    yield f"| kind | {' | '.join(WORLDS)} |"
    yield f"|---|{'---|' * len(WORLDS)}"
    for kind in FAULTS:
        counts = [sum(each.faults.get(kind, 0) for each in _of(outcomes, w)) for w in WORLDS]
        if any(counts):
            yield f"| {kind} | {' | '.join(map(str, counts))} |"
    yield ""
    yield "Places that the search reached on `fixed`:"
    yield ""
    yield f"| mark | {' | '.join(WORLDS)} |"
    yield f"|---|{'---|' * len(WORLDS)}"
    names = sorted({mark for w in WORLDS for each in _of(outcomes, w) for mark in each.marks})
    for name in names:
        counts = [sum(each.marks.get(name, 0) for each in _of(outcomes, w)) for w in WORLDS]
        yield f"| {name} | {' | '.join(map(str, counts))} |"


def _of(outcomes: dict[str, Outcome], world: str, scenario: str = "") -> list[Outcome]:
    begins = f"{world} {scenario} " if scenario else f"{world} "
    return [
        each
        for name, each in outcomes.items()
        if name.startswith(begins) and " fixed " in f"{name} "
    ]


def _row(outcomes: dict[str, Outcome], world: str, scenario: str, case: str) -> str:
    done = _of(outcomes, world, scenario)
    trials = sum(each.trials for each in done)
    runs = sum(each.runs for each in done) or 1
    twin = outcomes.get(Chunk(world, scenario, case, "v2_merge", 0, 0).name)
    found = "" if twin is None else str(twin.first + 1) if twin.first >= 0 else "not found"
    return (
        f"| {world} | {scenario}{f' ({case})' if case else ''} | {trials} "
        f"| {sum(sum(each.anomalies.values()) for each in done)} "
        f"| {sum(each.unknown for each in done)} "
        f"| {100 * sum(each.ended for each in done) / runs:.1f} % "
        f"| {100 * sum(each.overlapped for each in done) / max(trials, 1):.0f} % | {found} |"
    )


CHUNKS = chunks()


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[str, Outcome | Future[Outcome]]]:
    """Known outcomes, and futures of the others."""
    known: dict[str, Outcome | Future[Outcome]] = dict(proved())
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        for chunk in CHUNKS:
            if chunk.name not in known:
                known[chunk.name] = pool.submit(run_chunk, chunk)
        try:
            yield known
        finally:
            pool.shutdown(cancel_futures=True)


def test_the_shares_make_up_the_whole() -> None:
    assert sum(SHARES.values()) == TRIALS
    assert {name for name, _ in SHARES} == {
        name for name, each in load_scenarios("scenarios").items() if not each.canary
    }


@pytest.mark.parametrize("chunk", CHUNKS, ids=lambda chunk: chunk.name)
def test_chunk(chunk: Chunk, outcomes: dict[str, Outcome | Future[Outcome]]) -> None:
    outcome = outcomes[chunk.name]
    if isinstance(outcome, Future):
        outcome = outcome.result()
        store({**proved(), chunk.name: outcome})
    if chunk.variant != "fixed":
        assert outcome.first >= 0, "the twin was not found"
        return
    assert outcome.anomalies == {}
    assert outcome.unknown == 0
    assert outcome.ended >= 0.99 * outcome.runs


def test_every_fault_has_struck(outcomes: dict[str, Outcome | Future[Outcome]]) -> None:
    struck = Counter(dict.fromkeys(FAULTS, 0))
    for each in proved().values():
        struck.update(each.faults)
    wanted = [
        kind.name
        for kind in FAULTS.values()
        if any(possible(world, kind.budget) for world in WORLDS) and not kind.breaks
    ]
    assert [kind for kind in wanted if not struck[kind]] == []
