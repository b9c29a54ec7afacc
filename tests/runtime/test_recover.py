"""What a service does that starts: it has every run looked at that has not ended (spec §2.6)."""

from __future__ import annotations

from simworld.engine import Program, create_hook, workflow
from simworld.errors import IndefiniteFailure, WorldError
from simworld.records import Sent
from simworld.runtime import Client, recover
from tests.runtime.rig import play


@workflow
async def waiting(token):
    """One payload."""
    return await create_hook(token)


def test_runs_that_have_not_ended_get_a_message_and_no_others_do():
    counts = []

    async def acts(services):
        client = Client(services)
        ended, open_one = await client.start("front"), await client.start("back")
        await client.sleep(10)
        await client.resume_hook("front", 1)
        await client.result(ended)
        counts.append(await recover(services))
        await client.sleep(10)
        await client.resume_hook("back", 2)
        await client.result(open_one)
        counts.append(await recover(services))

    played = play(Program.of(waiting), acts=acts)
    assert counts == [1, 0]
    sent = [each.run_id for each in played.of(Sent)]
    assert sent == ["wrun_1", "wrun_2", "wrun_1", "wrun_2", "wrun_2"]


def test_a_world_that_cannot_be_asked_at_once_is_asked_again():
    class Busy:
        """A storage whose list of runs comes at the third time."""

        def __init__(self, inner):
            self.create, self.events, self.run = inner.create, inner.events, inner.run
            self.hook, self._inner = inner.hook, inner
            self.errors = [WorldError("down", status=503), IndefiniteFailure("no answer")]

        async def active_runs(self):
            if self.errors:
                raise self.errors.pop()
            return await self._inner.active_runs()

    counts = []

    async def acts(services):
        await Client(services).start("front")
        counts.append(await recover(services))

    play(Program.of(waiting), acts=acts, around=Busy)
    assert counts == [1]
