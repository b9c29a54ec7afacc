"""What a resume does when: the payload, the message, and a queue that refuses it (R-33)."""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import Program, Resume, create_hook, workflow
from simworld.errors import WorldError
from simworld.records import Sent
from simworld.runtime import Client
from tests.runtime.rig import MERGE, play


@workflow
async def waiting():
    """One payload."""
    return await create_hook("door")


class Refusing:
    """A queue that refuses the first messages."""

    def __init__(self, inner, errors):
        self.inner, self.errors = inner, errors

    async def send(self, message, **options):
        if self.errors:
            raise self.errors.pop()
        await self.inner.send(message, **options)


@pytest.mark.parametrize("resume", Resume)
def test_a_payload_is_recorded_before_or_after_its_run_is_woken(resume):
    async def acts(services):
        client = Client(services)
        await client.start()
        await client.sleep(10)
        await client.resume_hook("door", 1)

    played = play(Program.of(waiting), acts=acts, policy=attrs.evolve(MERGE, resume=resume))
    turns = [each.turn for each in (played.commits("hook_received")[0], played.of(Sent)[-1])]
    assert (turns == sorted(turns)) is (resume is not Resume.MESSAGE_FIRST)


@pytest.mark.parametrize(
    ("resume", "refusals", "woken"),
    [
        (Resume.DURABLE_FIRST, 1, False),
        (Resume.DURABLE_RETRIED, 2, True),
        (Resume.DURABLE_RETRIED, 3, False),
    ],
)
def test_a_wake_that_is_refused_is_sent_again(resume, refusals, woken):
    said = []

    async def acts(services):
        await Client(services).start()
        await services.clock.sleep_ms(10)
        errors = [WorldError("the queue has failed", status=503) for _ in range(refusals)]
        refused = attrs.evolve(services, queue=Refusing(services.queue, errors))
        try:
            await Client(refused).resume_hook("door", 1)
        except WorldError as error:
            said.append(str(error))

    played = play(Program.of(waiting), acts=acts, policy=attrs.evolve(MERGE, resume=resume))
    assert said == ([] if woken else ["the queue has failed"])
    assert played.run.status == ("completed" if woken else "running")
    assert played.types.count("hook_received") == 1
    if woken:
        assert played.times("run_completed") == [10 + 25 + 100]
