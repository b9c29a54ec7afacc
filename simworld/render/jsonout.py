"""JSON for machines: the schema of results, replays and lists.

``schema`` rises when a key changes its meaning or goes; new keys may come at any time.  Keys keep
their order, so two outputs can be compared as text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from simworld.records import (
    Blame,
    Compared,
    Fault,
    Finding,
    Known,
    Repro,
    Result,
    Story,
    Unjudged,
    Verdict,
)
from simworld.render.phrases import compared
from simworld.render.tables import ScenarioView

SCHEMA = 1


def results_json(
    results: Sequence[Result],
    saved: Mapping[tuple[int, int], str],
    *,
    unjudged: Sequence[Unjudged] = (),
    beside: Compared | None = None,
) -> bytes:
    """All results; ``saved`` maps (result's index, finding's index) to the path of its repro.

    The repro of a finding that was not saved is put in place, as an object.  ``beside`` is what
    a ledger says about the findings.
    """
    rows = [
        _result(result, [saved.get((at, nth)) for nth in range(len(result.findings))])
        for at, result in enumerate(results)
    ]
    if beside is not None:
        for at, row in enumerate(rows):
            for nth, anomaly in enumerate(row["anomalies"]):
                known = beside.known.get((at, nth))
                anomaly["known"] = None if known is None else _known(known)
    told: dict[str, Any] = {"results": rows}
    told["unjudged"] = [
        {"scenario": each.scenario, "system": each.system, "reason": each.reason}
        for each in unjudged
    ]
    if beside is not None:
        told["turned_green"] = [_known(each) for each in beside.gone]
    return document(told)


def _known(known: Known) -> dict[str, str]:
    fields: dict[str, str] = msgspec.to_builtins(known)
    return fields


def _result(result: Result, paths: Sequence[str | None]) -> dict[str, Any]:
    return {
        "scenario": result.scenario,
        "case": result.case,
        "variant": result.variant,
        "world": result.world,
        "seed": result.seed,
        "explorer": result.explorer,
        "trials": result.trials,
        "turns": result.turns,
        "deliveries": result.deliveries,
        "seconds": round(result.seconds, 3),
        "verdict": result.verdict.outcome,
        "law": result.verdict.law,
        "reason": result.verdict.reason,
        "expected": _verdict(result.expected),
        "as_expected": compared(result),
        "surprises": list(result.surprises),
        "interrupted": result.interrupted,
        "canary": result.canary,
        "ended_share": result.ended_share,
        "overlap_share": result.overlap_share,
        "anomalies": [
            _finding(finding, path) for finding, path in zip(result.findings, paths, strict=True)
        ],
        "marks": dict(sorted(result.marks.items())),
        "digest": result.digest,
    }


def _verdict(verdict: Verdict | None) -> dict[str, str] | None:
    return None if verdict is None else {"verdict": verdict.outcome, "law": verdict.law}


def _finding(finding: Finding, path: str | None) -> dict[str, Any]:
    anomaly = finding.anomaly
    return {
        "kind": anomaly.kind,
        "law": anomaly.law,
        "case": finding.repro.case,
        "place": anomaly.place,
        "signature": anomaly.signature,
        "message": anomaly.message,
        "trial": finding.trial,
        "count": finding.count,
        "moves_before": finding.moves_before,
        "moves_after": finding.moves_after,
        "shrink_seconds": round(finding.shrink_seconds, 3),
        "faults": [_fault(fault) for fault in finding.repro.faults],
        "blame": _blame(finding.repro.blame),
        "repro": path if path is not None else msgspec.to_builtins(finding.repro, order="sorted"),
    }


def _blame(blame: Blame | None) -> dict[str, Any] | None:
    if blame is None:
        return None
    return {"who": blame.who, "needs": list(blame.needs), "breaks": list(blame.broken)}


def _fault(fault: Fault) -> dict[str, Any]:
    return {"kind": fault.kind, "target": fault.target, "value": fault.value}


def replay_json(path: str, repro: Repro, outcome: str, message: str, story: Story | None) -> bytes:
    """One replay; ``outcome`` is ``failed``, ``clean`` or ``did-not-reproduce``."""
    anomaly = None
    if story is not None:
        told = story.anomaly
        anomaly = {
            "kind": told.kind,
            "law": told.law,
            "place": told.place,
            "message": told.message,
            "turn": told.turn,
        }
    replay = {
        "repro": path,
        "scenario": repro.scenario,
        "case": repro.case,
        "variant": repro.variant,
        "world": repro.world,
        "subject": repro.subject,
        "subject_version": repro.subject_version,
        "seed": repro.seed,
        "outcome": outcome,
        "message": message,
        "turns": len(story.turns) if story else None,
        "anomaly": anomaly,
        "blame": _blame(repro.blame),
    }
    return document({"replay": replay})


def scenarios_json(scenarios: Mapping[str, ScenarioView], variants: Sequence[str]) -> bytes:
    """All scenarios with their cases, and the variants."""
    rows = [
        {
            "name": name,
            "title": scenario.title,
            "law": scenario.law,
            "laws": list(scenario.laws),
            "marks": list(scenario.marks),
            "canary": scenario.canary,
            "subject": scenario.subject,
            "cases": [
                {
                    "name": case.name,
                    "title": case.title,
                    "races": list(case.races),
                    "marks": list(case.marks),
                }
                for case in scenario.cases
            ],
        }
        for name, scenario in scenarios.items()
    ]
    return document({"scenarios": rows, "variants": list(variants)})


def document(value: dict[str, Any]) -> bytes:
    """The value with the schema's number in front, indented."""
    return msgspec.json.format(msgspec.json.encode({"schema": SCHEMA, **value}), indent=2) + b"\n"
