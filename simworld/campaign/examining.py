"""Examining the catalogue: faulty systems are searched until they fail, all others to the end.

One search is one system from one seed.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Mapping

import attrs

from simworld import marks
from simworld.campaign.grounds import check_together
from simworld.campaign.hunt import COLLECT_EVERY, Hunter, no_collector
from simworld.campaign.scenario import Scenario, claimed_variant
from simworld.campaign.tally import keys_of
from simworld.campaign.trial import Trial
from simworld.check import laws_named
from simworld.errors import UsageError, unknown_name
from simworld.records import Finding, Race, Role, Search, Searched

SHRUNK_SEEDS = 3
"""Failures of so many seeds are shrunk, which tells how many moves one takes; the first is told."""


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


def rebased(race: Race, base: str) -> Race | None:
    """The entry with ``base`` in the place of ``fixed``; None if nothing of it is about ``fixed``.

    So a change that is meant to alter nothing but speed is judged by all that is known: what mends
    a race must still mend it, and what brings it about is still found.
    """
    faulty = _rebased(race.faulty, base)
    fixes = [
        attrs.evolve(fix, system=system)
        for fix in race.fixes
        if (system := _rebased(fix.system, base)) and (faulty or not fix.remains)
    ]
    if race.absent or not fixes:
        return None
    laws = race.laws if faulty else ()
    return attrs.evolve(race, faulty=faulty, laws=laws, fixes=tuple(fixes))


def _rebased(system: str, base: str) -> str:
    """Empty for a system that is not ``fixed``, or that the base cannot be."""
    name, _, rest = system.partition(" ")
    if name != "fixed":
        return ""
    system = f"{base} {rest}".rstrip()
    try:
        check_together(claimed_variant(system))
    except UsageError:
        return ""
    return system


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
