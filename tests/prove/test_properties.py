"""The property-based form at length: 200 drawn scenarios × 20 schedules on every repaired world.

``make prove`` runs it (some ten minutes), ``tests/campaign/test_property.py`` its beginning.
"""

from __future__ import annotations

import pytest

from simworld.campaign import check_property, load_scenarios, preset

SCENARIOS = {
    name: scenario
    for name, scenario in load_scenarios("scenarios").items()
    if scenario.workloads is not None
}
WORLDS = ("atomic", "local", "postgres", "hosted")

pytestmark = pytest.mark.prove


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_fixed_obeys_its_laws_on_drawn_scenarios(name: str, world: str) -> None:
    found = check_property(
        SCENARIOS[name], preset("fixed"), worlds=(world,), examples=200, schedules=20
    )
    assert found is None, str(found)
