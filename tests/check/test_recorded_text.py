"""The text of recorded logs: every form, in portions of any size, and what is wrong in it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simworld.check import check_log
from simworld.check.recorded import splitting
from simworld.check.recorded.splitting import Piece, Splitter, Unread
from simworld.records import LogVerdict
from tests.check.exported import Log, in_portions, judged, kinds, lines

EVENTS = Log().worked().events
COUNT = len(EVENTS)


def page(events: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"data": events, "cursor": "x]}", "hasMore": False, **more}


def dumped(*values: object, indent: int | None = None, between: str = "\n") -> bytes:
    return between.join(json.dumps(each, indent=indent) for each in values).encode()


FORMS = {
    "lines": lines(EVENTS),
    "lines without the last break": lines(EVENTS).rstrip(),
    "lines of Windows": lines(EVENTS).replace(b"\n", b"\r\n"),
    "lines with gaps": b"\n\n" + lines(EVENTS).replace(b"\n", b"\n \n"),
    "lines with a mark": b"\xef\xbb\xbf" + lines(EVENTS),
    "an array": dumped(EVENTS),
    "an array over many lines": dumped(EVENTS, indent=2),
    "an array of arrays": dumped([EVENTS[:2], EVENTS[2:]]),
    "an array a line": dumped(EVENTS[:2], EVENTS[2:], []),
    "an answer of events.list": dumped(page(EVENTS)),
    "over many lines": dumped(page(EVENTS), indent=4),
    "pages": dumped(page(EVENTS[:3]), page(EVENTS[3:])),
    "pages in an array": dumped([page(EVENTS[:3]), page(EVENTS[3:])]),
    "what it tells first": dumped({"run": {"data": [1]}, "n": "events", "events": EVENTS}),
    "one value after another": dumped(*EVENTS, indent=1),
    "all in one line": dumped(*EVENTS, between=" "),
}


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 16])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_in_portions_of_any_size(form: str, size: int) -> None:
    told = judged(FORMS[form], size=size)
    assert told.misreads == ()
    assert (str(told), told.events_count) == ("PASS", COUNT)


def test_one_event_is_a_log() -> None:
    for indent in (None, 2):
        assert judged(dumped(EVENTS[0], indent=indent)).events_count == 1


@pytest.mark.parametrize("text", [b"", b" \n\n", b"[]", b'{"data": []}', b"[[], []]"])
def test_nothing_is_unknown(text: bytes) -> None:
    told = judged(text)
    assert (told.verdict.outcome, told.misreads) == ("UNKNOWN", ())
    assert "nothing was judged" in told.verdict.reason


def test_fields_of_a_page_and_of_an_event_may_look_like_events() -> None:
    odd = {**EVENTS[0], "eventData": {"data": [{"runId": "}"}], "input": '\\"]}{['}}
    last = {**EVENTS[1], "data": [1, 2]}
    told = judged(dumped(page([odd, last], run={"events": [{"runId": 1}]})))
    assert (told.misreads, told.events_count) == ((), 2)


def test_a_text_that_is_long_goes_through_a_small_window() -> None:
    text = dumped([EVENTS[0]] * 5_000)
    splitter = Splitter(in_portions(text, 1_000))
    largest = 0
    for piece in splitter:
        assert isinstance(piece, Piece)
        largest = max(largest, len(splitter._text.data))
    assert largest < 2 * splitting.HEAD_BYTES < len(text)


# --- what is wrong --------------------------------------------------------------------------------


def misread(told: LogVerdict) -> list[str]:
    return [f"{each.place}: {each.reason}" for each in told.misreads]


def spoiled(form: str, number: int, text: str) -> bytes:
    """The third form of the events with one of them replaced by a text."""
    parts = [json.dumps(each) for each in EVENTS]
    parts[number - 1] = text
    if form == "lines":
        return "\n".join(parts).encode()
    return ("[\n" + ",\n".join(parts) + "\n]").encode()


BROKEN = {
    "a word": ("oops", 1, "this is no JSON|expected an event, found oops"),
    "a bad value": ('{"runId": nope}', 15, "this is no JSON: invalid character"),
    "a missing quote": ('{"runId": "wrun_1, "eventId": "e"}', 21, "this is no JSON"),
    "a missing bracket": ('{"runId": "wrun_1", "eventData": {"a": 1}', 1, ""),
    "a bracket too many": ('{"runId": "wrun_1"}}', 1, ""),
    "half a line": ('{"runId": "wrun_1", "eventTy', 1, ""),
    "half a character": ('{"runId": "\\ud800"}', 1, "this is no"),
    "a missing field": ('{"runId": "wrun_1", "eventId": "e"}', 1, "it lacks the field eventType"),
    "a wrong type": ('{"runId": 7, "eventId": "e", "eventType": "x"}', 1, "Expected str, got int"),
    "no event": ('{"hello": "world"}', 1, "it lacks the field runId"),
    "a number": ("17", 1, "this is no event|expected an event, found 17"),
    "nothing": ("null", 1, "this is no event|expected an event, found null"),
}


@pytest.mark.parametrize("form", ["lines", "array"])
@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_named_and_the_rest_is_judged(case: str, form: str) -> None:
    text, column, reason = BROKEN[case]
    told = judged(spoiled(form, 5, text))
    assert told.misreads
    first = told.misreads[0]
    if reason:
        assert (first.place.line, first.place.column) == (5 if form == "lines" else 6, column)
    elif form == "array":
        assert first.place.line == 6 or "begins on line 6" in first.reason
    assert re.search(reason, first.reason)
    assert told.events_count == COUNT - 1
    assert kinds(told) == []
    assert told.verdict.outcome == "UNKNOWN"


@pytest.mark.parametrize("form", ["lines", "array"])
@pytest.mark.parametrize("number", range(1, COUNT + 1))
def test_a_lost_event_is_no_broken_law(form: str, number: int) -> None:
    told = judged(spoiled(form, number, '{"runId"'))
    assert kinds(told) == []
    assert told.verdict.outcome == "UNKNOWN"
    assert told.events_count == COUNT - 1


def test_what_a_lost_event_does_not_explain_is_reported() -> None:
    log = Log().opened().step("created", "started", "completed", "completed")
    told = judged(b"oops\n" + lines(log.events))
    assert [each[:4] for each in kinds(told)] == ["I-05"]
    assert told.verdict.outcome == "FAIL"


def test_only_runs_that_may_have_lost_something_are_excused() -> None:
    known = {"runId": "wrun_1", "eventId": "e"}
    for run, expected in (("wrun_1", []), ("wrun_2", ["I-05 step-not-created run/step_A"])):
        told = check_log([known, *Log(run).opened().step("started").events])
        assert kinds(told) == expected
        assert told.misreads_count == 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"createdAt": "yesterday"},
            "createdAt is neither ISO 8601 nor a whole number of millisec",
        ),
        ({"createdAt": 1.5}, "Expected int | str, got float - at $.createdAt"),
        ({"correlationId": None}, "correlationId is missing"),
        ({"correlationId": 3}, "got int - at $.correlationId"),
        ({"eventData": [1, 2]}, "Expected object, got array"),
        ({"eventData": {}}, "eventData.resumeAt is missing"),
        ({"eventData": {"resumeAt": "soon"}}, "resumeAt is neither"),
        ({"runId": ""}, "runId or eventId is empty"),
        ({"eventType": "hook_created"}, "eventData.token is missing"),
    ],
)
def test_structure_is_checked(fields: dict[str, Any], reason: str) -> None:
    log = Log().opened().has("wait_created", "wait_A", resumeAt=7).but(3, **fields)
    (found,) = misread(check_log(log.events))
    assert found.startswith("events[3]: ")
    assert reason in found


def test_objects_that_are_no_json() -> None:
    told = check_log([{"runId": object()}, *EVENTS])
    assert misread(told)[0].startswith("events[1]: this cannot be written as JSON")
    assert told.events_count == COUNT


def test_a_text_that_was_cut_off() -> None:
    array, answer = FORMS["an array"], FORMS["an answer of events.list"]
    for text, where in (
        (array[: len(array) // 2], "an array"),
        (array[: array.rindex(b"}, {") + 1], "an array"),
        (array[:-1], "an array"),
        (answer[: len(answer) // 2], "an array"),
        (answer[:-1], "a page"),
    ):
        told = judged(text)
        assert f"ends inside {where}" in misread(told)[-1]
        assert told.verdict.outcome == "UNKNOWN"
        assert told.events_count


def test_values_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "VALUE_BYTES_MAX", 100_000)
    long = {**EVENTS[2], "eventData": {"input": "x" * 300_000}}
    for text in (
        lines([*EVENTS[:2], long, *EVENTS[3:]]),
        dumped([*EVENTS[:2], long, *EVENTS[3:]]),
        lines([*EVENTS[:2], long])[:-2],
    ):
        told = judged(text, size=1_000)
        assert ["longer than" in each for each in misread(told)][:1] == [True]
        assert told.events_count == (COUNT - 1 if text.endswith((b"\n", b"]")) else 2)


def test_deep_nesting_is_no_crash() -> None:
    told = judged(dumped(EVENTS[0]) + b"\n" + b'{"runId":' + b"[" * 100_000)
    assert (told.events_count, told.misreads_count) == (1, 1)
    assert judged(b"[" * 100_000).verdict.outcome == "UNKNOWN"


# --- anything at all ------------------------------------------------------------------------------

ALPHABET = [b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\n", b" ", b"\xff", b"0", b'"runId"']
EDITS = st.lists(
    st.tuples(st.integers(0, 3_000), st.integers(0, 60), st.sampled_from(ALPHABET)), max_size=4
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(form=st.sampled_from(sorted(FORMS)), edits=EDITS, size=st.sampled_from([3, 50, 9_999]))
def test_edited_texts_never_break_the_reader(
    form: str, edits: list[tuple[int, int, bytes]], size: int
) -> None:
    """Whatever was cut out or put in: no traceback, the same from portions of any size."""
    text = FORMS[form]
    for at, cut, put in edits:
        text = text[: at % (len(text) + 1)] + put + text[at % (len(text) + 1) + cut :]
    told = judged(text, size=size)
    assert told == judged(text, size=1 << 20)
    assert told.verdict.outcome in ("PASS", "FAIL", "UNKNOWN")
    assert not told.misreads_count or not told
    for each in told.misreads:
        assert 1 <= each.place.line <= text.count(b"\n") + 1


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(text=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_never_break_the_reader(text: bytes) -> None:
    told = judged(text, size=11)
    assert told.verdict.outcome == "UNKNOWN"
    assert told.events_count == 0


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(number=st.integers(0, COUNT - 1), cut=st.integers(0, 400), form=st.sampled_from([0, 2]))
def test_one_broken_event_loses_no_other(number: int, cut: int, form: int) -> None:
    """A byte is missing from one event of an array: the others are all read."""
    parts = [json.dumps(each, indent=form or None).encode() for each in EVENTS]
    part = parts[number]
    parts[number] = part[: cut % len(part)] + part[cut % len(part) + 1 :]
    told = judged(b"[" + b",\n".join(parts) + b"]")
    others = {each["eventId"] for at, each in enumerate(EVENTS) if at != number}
    assert told.events_count >= len(others)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=3,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "runId": st.sampled_from(["a", "b"]) | JSON,
        "eventId": st.text(max_size=3),
        "eventType": st.sampled_from(["run_created", "step_started", "hook_created", "x"]) | JSON,
        "createdAt": st.integers() | JSON,
        "correlationId": JSON,
        "eventData": JSON,
        "data": JSON,
    },
)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(events=st.lists(FIELDS, max_size=3))
def test_odd_objects_never_break_the_judge(events: list[dict[str, Any]]) -> None:
    told = check_log(events)
    unknown = sum(each.count for each in told.unknown_types)
    assert told.events_count + told.misreads_count + unknown == len(events)


def test_the_splitter_tells_pieces_from_the_rest() -> None:
    found = list(Splitter([b'[{"runId": 1},\n  7, {"eventId": "x"}']))
    assert found == [
        Piece(1, 2, b'{"runId": 1}'),
        Unread(2, 3, "expected an event, found 7"),
        Piece(2, 6, b'{"eventId": "x"}'),
        Unread(2, 22, "the text ends inside an array of events"),
    ]
