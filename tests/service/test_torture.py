"""Ten workers are killed on each real world: nothing that was promised is lost."""

from __future__ import annotations

import pytest

from tests.service.torturing import tortured


@pytest.mark.slow
@pytest.mark.parametrize("name", ["local", "postgres"])
def test_workers_may_be_killed_at_any_time(name, tmp_path):
    outcome = tortured(name, tmp_path, seed=1, runs=30, kills=10, bound_s=150)
    assert outcome.lost == ()
    assert outcome.unended == ()
    assert outcome.waiting == ()
    assert outcome.anomalies == ()
    assert outcome.exit_codes == (0, 0)
    assert outcome.kills >= 10
    assert outcome.runs >= 30
    assert outcome.promises >= 2 * outcome.runs
    assert outcome.interrupted > 0
