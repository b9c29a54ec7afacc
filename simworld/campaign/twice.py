"""The same seed in another process, under another hash seed: is the trace the same?

``RunTwice`` compares two runs inside one process; it cannot see a workflow that iterates a set of
strings, whose order is fixed for the life of a process.  So the same trials are run in processes
with other values of ``PYTHONHASHSEED`` and their traces compared (design §4).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from simworld.campaign.hunt import Hunter
from simworld.campaign.scenario import Scenario, load_scenarios
from simworld.campaign.trial import run_trial
from simworld.campaign.variants import Variant, preset, with_knob
from simworld.errors import InternalError, UncontrolledNondeterminism

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
    """Raise ``UncontrolledNondeterminism`` with the first differing turn or event, if any.

    ``where`` is what the scenarios were loaded from; the processes load them again.
    """
    request = {
        "scenario": scenario.name,
        "where": where,
        "variant": variant.name,
        "changed": list(variant.changed),
        "seed": seed,
        "case": case,
        "explorer": explorer,
        "trials": trials,
    }
    answers = [_in_process(request, hash_seed) for hash_seed in HASH_SEEDS]
    for number in range(trials):
        if len({answer[number] for answer in answers}) > 1:
            paths = [
                _in_process({**request, "path_of": number}, hash_seed) for hash_seed in HASH_SEEDS
            ]
            raise UncontrolledNondeterminism(_first_difference(scenario.name, number, paths))


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
        [sys.executable, "-c", _PROGRAM, json.dumps(request)],
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
    scenario = load_scenarios(request["where"])[request["scenario"]]
    variant = preset(request["variant"])
    for setting in request["changed"]:
        variant = with_knob(variant, setting)
    hunter = Hunter(
        scenario,
        variant,
        seed=int(request["seed"]),
        explorer=request["explorer"],
        case=request["case"],
    )
    if "path_of" not in request:
        return [hunter.trial(number).digest for number in range(int(request["trials"]))]
    setup = attrs.evolve(hunter.setup(int(request["path_of"])), full_trace=True)
    trial = run_trial(setup)
    turns = [f"{turn.task}: {turn.op} at {turn.now_ms}" for turn in trial.trace]
    events = [f"event {each.position}: {each.fact}" for log in trial.logs.values() for each in log]
    return turns + events


def main() -> None:
    """Entry of the other process."""
    print(json.dumps(_answer(json.loads(sys.argv[1]))))
