"""Hostile requests: whatever comes in, the route has an answer, and nothing is written."""

from __future__ import annotations

import base64
import json

import msgspec
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.service.flow_rig import HEADERS, routes, runs_of

OURS = (200, 202, 400, 401, 404, 405, 413, 415)
"""The statuses of a route that works, and of no faults of a world."""
NAMES = st.sampled_from(
    ["../../etc", "a\0b", "'; drop table runs; --", "wrun_1", "", "é" * 300, "\ud800"]
)
TEXT = NAMES | st.text(max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
NUMBERS = ["recoveries", "delaySeconds"]
FIELDS = st.sampled_from(
    ["runId", "stepId", "stepName", *NUMBERS, "healthCheck", "key", "merge", "color"]
)


def starts(data):
    """Whether a run could begin with these bytes."""
    try:
        value = msgspec.msgpack.decode(data)
    except (msgspec.MsgspecError, ValueError):
        return False
    return isinstance(value, list) and [type(each) for each in value] == [list, dict]


IDS = st.sampled_from(["wrun_1", "wrun_../x", "wrun_", "wrun_" + "x" * 300, "run_1"])
INPUTS = st.binary(max_size=30) | VALUES.map(lambda value: repr(value).encode("utf-8", "replace"))
NEARLY = st.builds(
    lambda run_id, workflow, data: json.dumps(
        {
            "runId": run_id,
            "runInput": {"workflowName": workflow, "input": base64.b64encode(data).decode()},
        }
    ).encode(),
    IDS | TEXT,
    st.sampled_from(["sequence", "slept", "nothing"]),
    INPUTS.filter(lambda data: not starts(data)),
)
"""What would start a run, had it only an input."""
STARTS = st.fixed_dictionaries({"workflowName": TEXT, "input": VALUES}, optional={"more": TEXT})
OBJECTS = st.builds(
    lambda body, start: json.dumps(body if start is None else {**body, "runInput": start}).encode(),
    st.dictionaries(FIELDS, VALUES | TEXT, max_size=6),
    st.none() | STARTS,
)
HEADER_VALUES = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30
)


@given(
    body=st.binary(max_size=200) | OBJECTS | NEARLY,
    path=st.sampled_from(["/flow", "/messages", "/health", "/", "/flow/x"]),
    method=st.sampled_from(["POST", "POST", "POST", "GET", "PUT", "HEAD"]),
    headers=st.dictionaries(
        st.sampled_from([*HEADERS, "authorization", "content-length", "x"]),
        HEADER_VALUES,
        max_size=2,
    ),
    secret=st.sampled_from(["", "", "open sesame"]),
)
@settings(max_examples=300)
def test_any_request_has_an_answer_and_writes_nothing(body, path, method, headers, secret):
    async def main():
        async with routes(secret=secret, body_max=200) as (client, worker):
            given = {
                name: value.encode("latin-1") for name, value in {**HEADERS, **headers}.items()
            }
            answer = await client.request(method, path, content=body, headers=given)
            assert answer.status_code in OURS
            assert await runs_of(worker) == []

    trio.run(main)
