"""Roles: who works for which delivery, and what it is called."""

from __future__ import annotations

import pytest

from simworld.render import Roles, delivery_of
from tests.render import samples


@pytest.mark.parametrize(
    ("task", "delivery"),
    [
        ("start", ""),
        ("start/flow", "start/flow"),
        ("start/flow.2", "start/flow.2"),
        ("start/flow/create.3", "start/flow"),
        ("start/flow/create.work#3", "start/flow"),
        ("start/flow/work#3", "start/flow/work#3"),
        ("start/flow/work#3~2", "start/flow/work#3~2"),
        ("start/flow/work#3.2~4/create.1", "start/flow/work#3.2~4"),
        ("start/flow/work#3/flow/work#4", "start/flow/work#3/flow/work#4"),
        ("flow", ""),
    ],
)
def test_the_delivery_a_task_works_for(task: str, delivery: str) -> None:
    assert delivery_of(task) == delivery


def test_roles_are_given_in_order_of_appearance() -> None:
    roles = Roles(turn.task for turn in samples.turns())
    assert roles.role_of("start") == "start"
    assert roles.role_of(samples.FLOW) == "A"
    assert roles.who(f"{samples.FLOW}/create.3") == "A/create.3"
    assert roles.role_of(samples.STEP) == "B"
    assert roles.role_of(samples.AGAIN) == "C"
    assert roles.role_of("start/flow/work#5") == "start/flow/work#5", "it never appeared"


def test_there_are_roles_for_more_deliveries_than_letters() -> None:
    roles = Roles(f"start/work#{n}" for n in range(1, 29))
    assert [roles.role_of(f"start/work#{n}") for n in (1, 26, 27, 28)] == ["A", "Z", "AA", "AB"]
