"""Operations at the same time: whatever happens, some order has to explain it."""

from __future__ import annotations

import pytest
import trio

from simworld.conformance import Turns, check_concurrent
from simworld.engine import HookConflict, HookCreated
from simworld.errors import EntityConflictError
from simworld.worlds import AtomicWorld
from tests.conformance.worlds import atomic


def racing(turns):
    """Atomic worlds that look first and act a turn later."""

    class LooksFirst(AtomicWorld):
        """Two creations of a step may both find none."""

        async def create(self, run_id, fact):
            if fact.type != "step_created":
                return await super().create(run_id, fact)
            found = self.steps.get((run_id, fact.correlation_id))
            await turns.turn()
            if found is None:
                self.steps.pop((run_id, fact.correlation_id), None)
            return await super().create(run_id, fact)

    class TokensLater(AtomicWorld):
        """Two hooks may both find the token free."""

        async def create(self, run_id, fact):
            if not isinstance(fact, HookCreated):
                return await super().create(run_id, fact)
            taken = fact.token in self.tokens
            await turns.turn()
            if not taken:
                self.tokens.pop(fact.token, None)
            return await super().create(run_id, fact)

    class ReadsInTwo(AtomicWorld):
        """A page is the first event now and the others later."""

        async def events(self, run_id, cursor=None):
            first = (await super().events(run_id, cursor)).events[:1]
            await turns.turn()
            page = await super().events(run_id, cursor)
            return page._replace(events=[*first, *page.events[len(first) + 1 :]])

    return [LooksFirst, TokensLater, ReadsInTwo]


NAMES = [each.__name__ for each in racing(Turns())]


def test_what_is_atomic_is_explained_by_an_order():
    report = check_concurrent(atomic(), cases=200)
    assert report.ok, str(report)
    assert str(report) == "200 cases, each with an order that explains it"


@pytest.mark.parametrize("number", range(len(NAMES)), ids=NAMES)
def test_what_looks_first_and_acts_later_is_found(number):
    turns = Turns()
    world = atomic(racing(turns)[number])
    report = check_concurrent(world, turns=turns, cases=60, appends=False)
    assert not report.ok
    count, violation = next(iter(report.violations.values()))
    assert count >= 1
    assert f"no order explains {violation.kind}" in str(report)


def test_the_same_seed_finds_the_same():
    def found():
        turns = Turns()
        world = atomic(racing(turns)[0])
        report = check_concurrent(world, turns=turns, cases=100, appends=False)
        return {kind: (count, str(each)) for kind, (count, each) in report.violations.items()}

    assert found() == found() != {}


def test_who_waits_for_ever_is_stuck():
    turns = Turns()

    class Locks(AtomicWorld):
        """Whoever meets another one at a step waits for somebody to free it."""

        busy = False

        async def create(self, run_id, fact):
            if fact.type == "step_started":
                if self.busy:
                    await trio.sleep_forever()
                self.busy = True
                await turns.turn()
                self.busy = False
            return await super().create(run_id, fact)

    report = check_concurrent(atomic(Locks), turns=turns, cases=100, appends=False)
    assert any("stuck" in each.seen for _, each in report.violations.values())
    assert "that some never ended" in str(report)


def test_an_error_of_the_world_is_what_came_of_it():
    class Refuses(AtomicWorld):
        async def create(self, run_id, fact):
            if isinstance(fact, HookConflict | HookCreated):
                raise EntityConflictError("no hooks here", reason="exists")
            return await super().create(run_id, fact)

    report = check_concurrent(atomic(Refuses), cases=60)
    assert any(
        "refused: 409" in said for _, each in report.violations.values() for said in each.seen
    )
