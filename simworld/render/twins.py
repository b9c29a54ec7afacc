"""The nearest passing twin in words: what raced or struck, and what the law wanted instead."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from simworld.engine import Event, RunCompleted, RunFailed, error_of, value_of
from simworld.records import RacingPair, Story, Twin
from simworld.render.faults import fault_in_words
from simworld.render.laws import wanted
from simworld.render.roles import Roles
from simworld.render.text import count, listed, ordinal

VALUE_MAX = 80
"""Characters of a run's result or error that are shown."""

_RUN_TWICE = re.compile(r"\brun (?=run\b)")
_SAID_TWICE = re.compile(r"(\S+) \(\1\)")
_OBJECTS = {
    "log": "the log of {}",
    "run": "the row of {}",
    "step": "the row of {}",
    "hook": "the row of {}",
    "wait": "the row of {}",
    "body": "the body of {}",
    "key": "the deduplication key of {}",
    "stream": "the stream {}",
    "streams": "the streams of {}",
    "token": "the token {}",
}


def readable(text: str, labels: Mapping[str, str]) -> str:
    """``text`` with ids replaced by the names of what they stand for."""
    for identifier, label in labels.items():
        if identifier in text:
            text = text.replace(identifier, label.removeprefix("run/"))
    return _SAID_TWICE.sub(r"\1", _RUN_TWICE.sub("", text))


def last_sentence(story: Story, roles: Roles) -> str:
    """Which two operations race, or which fault it is, and what the law wanted instead."""
    law = story.anomaly.law
    said = f"{law} wanted: {wanted(law)}"
    return said if story.twins is None else f"{_cause(story, roles)}; {said}"


def _cause(story: Story, roles: Roles) -> str:
    twin = story.twin
    if twin is None:
        return _nothing(story)
    then = obeyed(story, twin)
    if twin.race is not None:
        only = "with only these two in the other order" if twin.alone else "in the other order"
        return f"The race: {race_in_words(twin.race, roles)}; {only} {then}"
    if twin.fault is not None:
        less = "without it"
        if twin.left:
            less = f"with one less ({twin.left} instead of {twin.fault.value})"
        said = f"The fault: {fault_in_words(twin.fault, roles)}"
        return f"{said}; {less} {then} under the same schedule"
    assert twin.body is not None
    return f"The failure: {body_in_words(twin.body)}; if it does not, {then}"


def obeyed(story: Story, twin: Twin) -> str:
    """What holds in the twin."""
    if not twin.still:
        return "every law holds"
    are = "is" if len(twin.still) == 1 else "are"
    return f"{story.anomaly.law} holds ({listed(twin.still)} {are} broken all the same)"


def _nothing(story: Story) -> str:
    repro, replays = story.repro, story.twins.replays if story.twins else 0
    said = "No single race or fault"
    if not (repro.faults or repro.workload.failures or repro.schedule.entries):
        said = "It needs no fault and no certain order"
    if not replays:
        return f"{said}: nothing in this run could have come in another order"
    what = "two operations in the other order"
    if repro.faults:
        what += ", or one fault less"
    others = count(replays, "other run")
    return f"{said}: of {others}, each with {what}, none obeys every law"


def race_in_words(race: RacingPair, roles: Roles) -> str:
    """Both operations in the order in which they came."""
    first, second = _named(race, roles)
    return (
        f"on {object_in_words(race.object, roles)}, {first}'s “{race.first.op}” (turn "
        f"{race.first.turn}) came before {second}'s “{race.second.op}” (turn {race.second.turn})"
    )


def _named(race: RacingPair, roles: Roles) -> tuple[str, str]:
    """Who races; two of one handler by their branches, too."""
    first, second = race.first.task, race.second.task
    one, other = roles.named(first), roles.named(second)
    if one == other:
        before = one.removesuffix(roles.role_of(first))
        one, other = before + roles.who(first), before + roles.who(second)
    return one, other


def object_in_words(label: str, roles: Roles) -> str:
    """What two operations touch."""
    kind, _, what = label.partition(" ")
    if kind == "message":
        return roles.message(what)
    entity = "the run" if what == "run" else what.removeprefix("run/")
    return _OBJECTS[kind].format(entity) if kind in _OBJECTS else label


def body_in_words(body: tuple[str, int]) -> str:
    """A failure that was planned."""
    step, nth = body
    return f"the {ordinal(nth)} body of {step} to begin fails"


def change_in_words(twin: Twin, roles: Roles) -> str:
    """What the twin does otherwise."""
    if twin.race is not None:
        race, (first, second) = twin.race, _named(twin.race, roles)
        more = "" if twin.alone else ", and whatever hangs on it"
        return f"{second}'s “{race.second.op}” comes before {first}'s “{race.first.op}”{more}"
    if twin.fault is not None:
        less = f", but with {twin.left} instead of {twin.fault.value}" if twin.left else ""
        return f"{'' if less else 'without the fault: '}{fault_in_words(twin.fault, roles)}{less}"
    assert twin.body is not None
    return f"without the planned failure: {body_in_words(twin.body)}"


def ending(log: Sequence[Event], labels: Mapping[str, str]) -> str:
    """How a run has ended, with what."""
    for event in log:
        if isinstance(event.fact, RunCompleted):
            return f"the run completed with {_short(value_of(event.fact.output), labels)}"
        if isinstance(event.fact, RunFailed):
            error = error_of(event.fact.error)
            return f"the run failed: {_short(error['message'], labels)}"
        if event.type == "run_cancelled":
            return "the run was cancelled"
    return "the run did not end"


def _short(value: object, labels: Mapping[str, str]) -> str:
    text = readable(value if isinstance(value, str) else repr(value), labels)
    return text if len(text) <= VALUE_MAX else f"{text[: VALUE_MAX - 1]}…"
