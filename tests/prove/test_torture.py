"""Torture of the real worlds: 200 runs and 50 SIGKILLs on each; reports/torture.md.

``make prove`` runs it (ten minutes or so), the gate a small one.  The presets that are not repaired
are tortured, too: what they break is listed.
"""

from __future__ import annotations

import pathlib
from collections import Counter

import pytest

from tests.service.torturing import tortured

REPAIRED = ("local", "postgres", "local local_commits=each", "postgres pg_writes=transaction")
"""What real workers run, and in what they may be told to differ from that."""
BEFORE = ("local-pr", "local-4x", "postgres-merged")
REPORT = pathlib.Path("reports/torture.md")

pytestmark = pytest.mark.prove


def test_torture_of_every_preset(tmp_path):
    outcomes = {}
    for name in (*REPAIRED, *BEFORE):
        place, *knobs = name.split()
        (tmp_path / name).mkdir()
        more = {"runs": 200, "kills": 50, "bound_s": 400} if name in REPAIRED else {"bound_s": 60}
        outcomes[name] = tortured(place, tmp_path / name, knobs, seed=1, **more)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join(report(outcomes)) + "\n")
    for name in REPAIRED:
        outcome = outcomes[name]
        assert (outcome.lost, outcome.unended, outcome.waiting) == ((), (), ()), name
        assert outcome.anomalies == (), name
        assert outcome.runs >= 200
        assert outcome.kills >= 50
        assert outcome.exit_codes == (0, 0)


def report(outcomes):
    """A row for every preset, and the laws that were broken."""
    head = ("world", "runs", "SIGKILLs", "bodies killed", "promises", "lost", "never ended")
    rows = [
        (
            name,
            each.runs,
            each.kills,
            each.interrupted,
            each.promises,
            len(each.lost),
            len(each.unended),
            broken(each.anomalies),
        )
        for name, each in outcomes.items()
    ]
    return [
        "# Torture of the real worlds",
        "",
        "Made by `make prove`: two worker processes on each world are killed at random moments "
        "while a client starts runs, resumes hooks and reads streams; then every run has time to "
        "end, and what the world holds is judged by the laws of the simulator.  A promise is an "
        "operation that was acknowledged.  `local` and `postgres` are repaired, under the fast "
        "engine; the others are as they were, under the repaired one, with fewer runs and kills.",
        "",
        f"| {' | '.join(head)} | broken laws |",
        "|---|---|---|---|---|---|---|---|",
        *[f"| {' | '.join(map(str, row))} |" for row in rows],
    ]


def broken(anomalies):
    """Law and kind of each anomaly, with how many there are."""
    counts = Counter(f"{each.law} {each.kind}" for each in anomalies)
    return ", ".join(f"{what} ×{count}" for what, count in sorted(counts.items())) or "none"
