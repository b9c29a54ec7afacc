"""The searches of the catalogue side by side, and what is kept of them.

Searches do not depend on one another, so processes share them, and one that was made before of the
same source need not be made again.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import pathlib
import signal
import threading
import traceback
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

import msgspec

import simworld
from simworld.campaign.examining import made
from simworld.campaign.loading import load_races, load_scenarios
from simworld.campaign.scenario import Scenario
from simworld.campaign.script import place_of
from simworld.errors import InternalError, ReplayDivergence, UsageError
from simworld.records import Finding, Race, Search, Searched

UNSEEN = (
    *("cli/", "conformance/", "pytest_plugin/", "render/", "service/"),
    *("campaign/book", "campaign/searches", "campaign/twins"),
    *("explore/meetings", "explore/scripted"),
)
"""Parts that no search gets to see."""

_loaded: dict[str, tuple[dict[str, Race], dict[str, Scenario]]] = {}
"""What this process has loaded, by where from."""


def _made_there(where: str | None, search: Search) -> tuple[Searched, Finding | None]:
    """In another process."""
    known = _loaded.get(where or "")
    if known is None:
        known = _loaded[where or ""] = (load_races(where), load_scenarios(where, deep=True))
    races, scenarios = known
    race = races[search.race]
    try:
        return made(search, race, scenarios[race.scenario])
    except (UsageError, ReplayDivergence) as error:
        raise UsageError(f"{_place(search)}: {error}") from None
    except Exception as error:  # as a text: not every error survives the way to the parent
        what = "".join(traceback.format_exception(error)).rstrip()
        raise InternalError(f"{_place(search)}: {what}") from None


def _place(search: Search) -> str:
    return f"entry {search.race} on {search.system}, seed {search.seed}"


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
        if race.scenario:
            scenario = scenarios[race.scenario]
            case = scenario.case(race.case)
            digest.update(repr((scenario.law, scenario.laws, case.budget, case.knobs)).encode())
            for file in _files_of(scenario):
                digest.update(pathlib.Path(file).read_bytes())
        sources[race.id] = digest.hexdigest()
    return sources


def _files_of(scenario: Scenario) -> list[str]:
    """The files that the parts of a scenario were written in."""
    parts = [*scenario.functions, scenario.args]
    parts += [case.draw for case in scenario.cases]
    parts += [each for each in (scenario.client, scenario.oracle, scenario.cost) if each]
    return sorted({place_of(each).rpartition(":")[0] for each in parts} - {""})


def save_searched(path: pathlib.Path, searched: Iterable[Searched]) -> None:
    """Keep what searches have shown, or what was kept before; ``UsageError`` where that fails."""
    data = msgspec.json.format(msgspec.json.encode({"searched": list(searched)}), indent=1)
    try:
        new = path.with_suffix(".new")
        new.write_bytes(data + b"\n")
        new.replace(path)  # whoever is killed half-way leaves the old file whole
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
