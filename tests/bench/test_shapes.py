"""The benchmark workloads run to their expected output in virtual time, on every engine."""

from __future__ import annotations

import pytest

from bench.shapes import shapes
from simworld.campaign import preset
from simworld.engine import StreamRef
from simworld.runtime import Client, read_stream
from tests.runtime.rig import play

ENGINES = ("v1", "v2_merge", "fixed")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shape", shapes(), ids=lambda shape: shape.name)
def test_a_shape_comes_to_its_expected_output(shape, engine):
    found = []

    async def acts(services):
        client = Client(services)
        output = await client.result(await client.start(*shape.args))
        if shape.content is not None:
            assert isinstance(output, StreamRef)
            chunks = read_stream(services, output.run_id, output.name)
            output = b"".join([chunk async for chunk in chunks])
        found.append(output)

    played = play(shape.program, policy=preset(engine).engine, acts=acts, turns_max=100_000)
    wanted = shape.content() if shape.content is not None else shape.expected
    assert found == [wanted]
    assert played.run.status == "completed"
    spent_ms = played.run.completed_at_ms - played.run.created_at_ms
    assert spent_ms >= shape.ideal_ms
