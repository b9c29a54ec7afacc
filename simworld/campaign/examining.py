"""Examining the catalogue: faulty systems are searched until they fail, all others to the end.

One search is one system from one seed.  Searches do not depend on one another, so processes share
them, and one that was made before of the same source need not be made again.
"""

from __future__ import annotations

import gc
import hashlib
import multiprocessing
import os
import pathlib
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

import msgspec

import simworld
from simworld import marks
from simworld.campaign.hunt import Hunter, no_collector
from simworld.campaign.loading import load_races, load_scenarios
from simworld.campaign.scenario import Scenario, claimed_variant
from simworld.campaign.script import place_of
from simworld.campaign.tally import keys_of
from simworld.campaign.trial import Trial
from simworld.check import laws_named
from simworld.errors import UsageError, unknown_name
from simworld.records import Finding, Race, Role, Search, Searched

SHRUNK_SEEDS = 3
"""Failures of so many seeds are shrunk, which tells how many moves one takes; the first is told."""
COLLECT_EVERY = 100
"""Trials between two collections of garbage."""
UNSEEN = (
    *("cli/", "conformance/", "pytest_plugin/", "render/", "service/"),
    *("campaign/book", "campaign/twins", "explore/meetings", "explore/scripted"),
)
"""Parts that no search gets to see."""


def check_races(races: Mapping[str, Race], scenarios: Mapping[str, Scenario]) -> None:
    """``UsageError`` for an entry that names what does not exist."""
    for race in races.values():
        if race.absent:
            continue
        try:
            if race.scenario not in scenarios:
                raise unknown_name("scenario", race.scenario, scenarios)
            scenarios[race.scenario].case(race.case)
            laws_named(race.laws)
            for _, system in race.systems:
                claimed_variant(system)
        except UsageError as error:
            raise UsageError(f"entry {race.id}: {error}") from None


def searches_of(race: Race, *, seeds: int, trials: int, clean_trials: int) -> Iterator[Search]:
    """Everything to search for one entry, from ``seeds`` seeds.

    A seed has ``trials`` trials where something must be found, ``clean_trials`` where nothing may.
    """
    for role, system in race.systems:
        for seed in range(seeds):
            size = clean_trials if role.is_clean else trials
            yield Search(race.id, role, system, seed, size)


def made(search: Search, race: Race, scenario: Scenario) -> tuple[Searched, Finding | None]:
    """Make a search; with the shrunk failure, of a faulty system and a seed whose is shrunk."""
    hunter = Hunter(scenario, claimed_variant(search.system), seed=search.seed, case=race.case)
    reached, began = marks.snapshot(), time.perf_counter()
    number = runs = ended = overlapped = 0
    law = ""
    with no_collector():
        for number in range(min(search.trials, scenario.trials_max)):
            if number % COLLECT_EVERY == 0:
                gc.collect(0)
            trial = hunter.trial(number)
            overlapped += trial.overlapped
            if not trial.is_breach:
                runs += trial.runs_count
                ended += trial.ended_count
            law = _broken(race, search, trial)
            if law:
                break
    seconds = time.perf_counter() - began
    missing = [mark for mark in hunter.marks if mark not in marks.since(reached)]
    finding = None
    if law and search.role is Role.FAULTY and search.seed < SHRUNK_SEEDS:
        finding = _shrunk(hunter, number, law, blaming=search.seed == 0)
    return Searched(
        search,
        number + 1,
        law,
        None if finding is None else finding.moves_after,
        seconds,
        ended / runs if runs else 1.0,
        overlapped / (number + 1),
        tuple(missing),
    ), finding


def _broken(race: Race, search: Search, trial: Trial) -> str:
    """The law that ends the search: one of the entry; where nothing may break, any.

    What a fault brings about that breaks a promise of its own world is nobody's but the entry's.
    """
    broken = [each.law for each in trial.anomalies]
    own = [law for law in race.laws if law in broken]
    if own:
        return own[0]
    return broken[0] if broken and search.role.is_clean and not trial.is_breach else ""


def _shrunk(hunter: Hunter, number: int, law: str, *, blaming: bool) -> Finding:
    setup, trial = hunter.setup(number), hunter.trial(number)
    keys = keys_of(setup.case.name, trial)
    key = next(key for key, anomaly in keys.items() if anomaly.law == law)
    return hunter.finding(number, key, blaming=blaming)


# --- side by side ---------------------------------------------------------------------------------

_loaded: dict[str, tuple[dict[str, Race], dict[str, Scenario]]] = {}
"""What this process has loaded, by where from."""


def _made_there(where: str | None, search: Search) -> tuple[Searched, Finding | None]:
    """In another process."""
    known = _loaded.get(where or "")
    if known is None:
        known = _loaded[where or ""] = (load_races(where), load_scenarios(where, deep=True))
    races, scenarios = known
    race = races[search.race]
    return made(search, race, scenarios[race.scenario])


def _begun() -> None:
    """A process of its own: Ctrl-C is its parent's affair, and it does not outlive that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def examine(
    searches: Sequence[Search], *, where: str | None, jobs: int
) -> Generator[tuple[Searched, Finding | None], None, None]:
    """Make the searches in ``jobs`` processes; what each has shown, in the order in which they end.

    ``where`` the scenarios are, as for ``load_scenarios``.  Closing it ends the searches under way.
    """
    if jobs < 1:
        raise UsageError(f"searches need at least one process, not {jobs}")
    others = multiprocessing.active_children()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=_begun) as pool:
        pending: set[Future[tuple[Searched, Finding | None]]] = {
            pool.submit(_made_there, where, search) for search in searches
        }
        try:
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for each in done:
                    yield each.result()
        except BrokenProcessPool as error:
            raise UsageError(
                "a process that was searching has died (out of memory, or killed from outside); "
                "run it again with fewer --jobs"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children() if pending else ():
                if process not in others:
                    process.terminate()


# --- what is kept ---------------------------------------------------------------------------------


def sources_of(races: Mapping[str, Race], scenarios: Mapping[str, Scenario]) -> dict[str, str]:
    """Entry → digest of what its searches depend on: the package, its scenario's files, itself."""
    package = pathlib.Path(simworld.__file__).parent
    common = hashlib.blake2b(digest_size=8)
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        if not name.startswith(UNSEEN):
            common.update(name.encode() + path.read_bytes())
    sources: dict[str, str] = {}
    for race in races.values():
        digest = common.copy()
        digest.update(repr(race).encode())
        for file in _files_of(scenarios[race.scenario]) if race.scenario else ():
            digest.update(pathlib.Path(file).read_bytes())
        sources[race.id] = digest.hexdigest()
    return sources


def _files_of(scenario: Scenario) -> list[str]:
    """The files that the parts of a scenario were written in."""
    parts: list[Callable[..., object]] = [scenario.workflow.function, scenario.args]
    parts += [case.draw for case in scenario.cases]
    parts += [step.function for step in scenario.steps]
    parts += [child.function for child in scenario.children]
    parts += [each for each in (scenario.client, scenario.oracle, scenario.cost) if each]
    return sorted({place_of(each).rpartition(":")[0] for each in parts} - {""})


def save_searched(path: pathlib.Path, searched: Iterable[Searched]) -> None:
    """Keep what searches have shown; ``UsageError`` where the file cannot be written."""
    data = msgspec.json.format(msgspec.json.encode({"searched": list(searched)}), indent=1)
    try:
        path.write_bytes(data + b"\n")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def load_searched(path: pathlib.Path, sources: Mapping[str, str]) -> list[Searched]:
    """What was kept and is of the same source still; nothing where there is no file."""
    try:
        document = msgspec.json.decode(path.read_bytes())
        searched = msgspec.convert(document["searched"], list[Searched])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError, KeyError, TypeError) as error:
        raise UsageError(f"cannot take up what {path} holds: {error}; delete it") from error
    return [each for each in searched if sources.get(each.search.race) == each.source]
