"""The same seed in another process, under another hash seed: is the trace the same?

``RunTwice`` compares two runs inside one process; it cannot see a workflow that iterates a set of
strings, whose order is fixed for the life of a process.  So the same trials are run in processes
with other values of ``PYTHONHASHSEED`` and their traces compared (design §4).  Where they differ,
one finished log is replayed in each of them: if the workflow asks for different things, that is
its author's mistake (``ReplayDivergence``), else it lies elsewhere.
"""

from __future__ import annotations

import base64
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import attrs

from simworld.campaign.hunt import Hunter
from simworld.campaign.loading import load_scenarios
from simworld.campaign.scenario import Scenario
from simworld.campaign.trial import run_trial
from simworld.campaign.variants import Variant, placed, preset, with_knob
from simworld.engine import TERMINAL_RUN_EVENTS, Event, RunIdentity, asked_for, run_pass
from simworld.errors import InternalError, ReplayDivergence, UncontrolledNondeterminism

HASH_SEEDS = ("1", "2", "3")
_PROGRAM = "from simworld.campaign.twice import main; main()"


def check_hash_seeds(
    scenario: Scenario,
    variant: Variant,
    *,
    where: str | None,
    seed: int,
    trials: int,
    case: str = "",
    explorer: str = "portfolio",
) -> None:
    """Raise ``ReplayDivergence`` if passes over one log differ between processes, else
    ``UncontrolledNondeterminism`` with the first differing turn or event, if any.

    ``where`` is what the scenarios were loaded from; the processes load them again.
    """
    request = {
        "scenario": scenario.name,
        "where": where,
        "variant": variant.name,
        "changed": list(variant.changed),
        "world": variant.place,
        "seed": seed,
        "case": case,
        "explorer": explorer,
        "trials": trials,
    }
    answers = [_in_process(request, hash_seed) for hash_seed in HASH_SEEDS]
    for number in range(trials):
        if len({answer[number] for answer in answers}) > 1:
            if not scenario.subject:  # only of our own engine it is known what a pass asks for
                hunter = Hunter(scenario, variant, seed=seed, explorer=explorer, case=case)
                _compare_passes(hunter, request, number)
            paths = [
                _in_process({**request, "path_of": number}, hash_seed) for hash_seed in HASH_SEEDS
            ]
            raise UncontrolledNondeterminism(_first_difference(scenario.name, number, paths))


def _compare_passes(hunter: Hunter, request: Mapping[str, object], number: int) -> None:
    """``ReplayDivergence`` where the processes disagree about a log that this one has made."""
    trial = hunter.trial(number)
    for run_id, log in trial.logs.items():
        row = trial.final.runs[run_id]
        one = _Replayed(
            RunIdentity(run_id, row.workflow_name, row.started_at_ms, row.created_at_ms),
            tuple(event for event in log if event.type not in TERMINAL_RUN_EVENTS),
            trial.final.now_ms,
        )
        again = {**request, "log_of": number, "log": base64.b64encode(pickle.dumps(one)).decode()}
        first, *others = [_in_process(again, hash_seed) for hash_seed in HASH_SEEDS]
        for other in others:
            for left, right in zip_longest(first, other, fillvalue="nothing"):
                if left != right:
                    raise ReplayDivergence(
                        f"workflow {row.workflow_name} depends on PYTHONHASHSEED: over the same "
                        f"{len(one.log)} events of trial {number} of {hunter.scenario.name} it "
                        f"asks for\n  {left}\nin one process and for\n  {right}\nin another; usual "
                        "cause: iteration over a set, whose order is no function of the log (sort "
                        "it, or use a list)"
                    )


@attrs.frozen
class _Replayed:
    """A run's log without its end, for one pass in another process."""

    identity: RunIdentity
    log: tuple[Event, ...]
    now_ms: int


def _first_difference(name: str, number: int, paths: Sequence[list[str]]) -> str:
    for line, (first, *others) in enumerate(zip(*paths, strict=False), start=1):
        for other in others:
            if other != first:
                return (
                    f"trial {number} of {name} depends on PYTHONHASHSEED; line {line} of its "
                    f"turns and events is\n  {first}\nin one process and\n  {other}\nin another; "
                    "usual causes: iteration over a set, order by hash() or id()"
                )
    return f"trial {number} of {name} depends on PYTHONHASHSEED: one process did more than another"


def _in_process(request: Mapping[str, object], hash_seed: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        input=json.dumps(request),
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise InternalError(f"the trials could not be run in another process:\n{done.stderr}")
    answer: list[str] = json.loads(done.stdout)
    return answer


def _answer(request: Mapping[str, Any]) -> list[str]:
    """In the other process: one digest per trial, or the turns of one trial."""
    scenario = load_scenarios(request["where"], deep=True)[request["scenario"]]
    variant = placed(preset(request["variant"]), request["world"])
    for setting in request["changed"]:
        variant = with_knob(variant, setting)
    hunter = Hunter(
        scenario,
        variant,
        seed=int(request["seed"]),
        explorer=request["explorer"],
        case=request["case"],
    )
    if "log_of" in request:
        one: _Replayed = pickle.loads(base64.b64decode(request["log"]))  # our own parent's
        setup = hunter.setup(int(request["log_of"]))
        program = scenario.program(setup.workload)
        policy = setup.variant.engine
        return asked_for(run_pass(program, one.identity, one.log, policy, one.now_ms))
    if "path_of" not in request:
        return [hunter.trial(number).digest for number in range(int(request["trials"]))]
    setup = attrs.evolve(hunter.setup(int(request["path_of"])), full_trace=True)
    trial = run_trial(setup)
    turns = [f"{turn.task}: {turn.op} at {turn.now_ms}" for turn in trial.trace]
    events = [f"event {each.position}: {each.fact}" for log in trial.logs.values() for each in log]
    return turns + events


def main() -> None:
    """Entry of the other process."""
    print(json.dumps(_answer(json.load(sys.stdin))))
