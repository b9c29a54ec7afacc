"""Variants: named presets of every knob, and changing one knob of a preset by its name.

A knob's name is unique over the engine's policy and the queue and world profiles, so
``--set dedup=queued_only`` needs no prefix (decisions §5.7).  What a knob does is told by the
docstrings beside it in those records, and nowhere else.

A subject, an engine that nobody here wrote, is a variant as well: it has no knobs of an engine,
but those of the adapter that it is driven through.
"""

from __future__ import annotations

import ast
import enum
import functools
import inspect
import textwrap
from collections.abc import Mapping
from typing import Any

import attrs

from simworld.campaign.places import Ground, Place, place_named
from simworld.engine import (
    FAST,
    REPAIRED,
    AttemptGuard,
    BackgroundAfter,
    CompleteErrors,
    Delivery,
    Engine,
    EnginePolicy,
    InlineGate,
    LoopErrors,
    Seed,
    StatusCheck,
    StreamWrite,
    UnconsumedEvents,
    WaitDispatch,
    WaitPush,
    WorkflowClock,
)
from simworld.errors import InternalError, UsageError, unknown_name
from simworld.records import (
    HostedProfile,
    LocalProfile,
    PostgresProfile,
    QueueProfile,
    SubjectProfile,
    WorldProfile,
)
from simworld.subjects import SUBJECTS, installed_version, subject_named

BELOW = ("queue", "world", "local", "postgres", "hosted")
"""The records that hold the knobs of what an engine stands on."""
PARTS = ("engine", *BELOW, "adapter")
"""The records that hold all knobs there are; a variant has no engine's or no adapter's."""


@attrs.frozen
class Variant:
    """A faulty or a fixed simulated system: all its knobs."""

    name: str
    title: str
    engine: EnginePolicy = attrs.Factory(EnginePolicy)
    place: str = "atomic"
    """The world it runs on, which has set the knobs of world and queue (``places``)."""
    queue: QueueProfile = attrs.Factory(QueueProfile)
    world: WorldProfile = attrs.Factory(WorldProfile)
    local: LocalProfile = attrs.Factory(LocalProfile)
    postgres: PostgresProfile = attrs.Factory(PostgresProfile)
    hosted: HostedProfile = attrs.Factory(HostedProfile)
    assumed: tuple[str, ...] = ()
    """Knobs whose value no source tells; it is our guess at that era."""
    changed: tuple[str, ...] = ()
    """``knob=value`` for every knob that differs from the preset, sorted."""
    subject: str = ""
    """The engine, if it is none of ours; ``engine`` then means nothing."""
    adapter: SubjectProfile = attrs.Factory(SubjectProfile)
    """Of a subject."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The records that hold its knobs."""
        return ("adapter", *BELOW) if self.subject else ("engine", *BELOW)

    @property
    def exclusive_bodies(self) -> bool:
        """Whether the variant promises that bodies of one step do not overlap (I-14)."""
        return not self.subject and self.engine.attempt_guard is AttemptGuard.G8

    @property
    def knobs(self) -> dict[str, str]:
        """Every knob and its value, as text."""
        return {
            field.name: _told(getattr(getattr(self, part), field.name))
            for part in self.parts
            for field in attrs.fields(type(getattr(self, part)))
        }


def _told(value: object) -> str:
    """A knob's value as ``with_knob`` reads it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


_V2_MERGE = EnginePolicy()
_B12 = attrs.evolve(
    _V2_MERGE,
    unconsumed=UnconsumedEvents.U2,
    validate=True,
    delivery=Delivery.D1,
    clock=WorkflowClock.C1,
    wait_push=WaitPush.REFRESH,
)
_B30 = attrs.evolve(
    _B12,
    inline_gate=InlineGate.OWNER_STAMP,
    max_inline=3,
    lazy_create=True,
    wait_dispatch=WaitDispatch.MESSAGE,
    delivery=Delivery.D3,
    loop_errors=LoopErrors.RETHROW,
    complete_errors=CompleteErrors.RETHROW,
    seed=Seed.RUN_ID,
    bg_status_check=StatusCheck.NOT_TERMINAL,
)
_B30_ASSUMED = ("bg_after", "delivery", "clock", "loop_errors", "complete_errors")

PRESETS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant(
            "v1",
            "two handlers, every step a message and every result a continuation",
            attrs.evolve(
                _V2_MERGE,
                engine=Engine.V1,
                attempt_guard=AttemptGuard.G0,
                bg_after=BackgroundAfter.ALWAYS_CONTINUE,
            ),
            assumed=("unconsumed", "stream_write", "complete_errors"),
        ),
        Variant(
            "v2_draft",
            "the pull request's drafts: inline without ownership, unknown events skipped",
            attrs.evolve(
                _V2_MERGE,
                inline_gate=InlineGate.NONE,
                bg_after=BackgroundAfter.ALWAYS_CONTINUE,
                unconsumed=UnconsumedEvents.U1,
                inline_with_wait=True,
                complete_errors=CompleteErrors.RETHROW,
                stream_write=StreamWrite.BUFFERED,
            ),
        ),
        Variant("v2_merge", "the pull request as merged", _V2_MERGE),
        Variant(
            "b12",
            "recovery replays, validated events, waits re-read from the log",
            _B12,
            assumed=("delivery", "clock"),
        ),
        Variant(
            "b30",
            "starts stamped and leased, three steps inline, created lazily, waits as messages",
            _B30,
            assumed=_B30_ASSUMED,
        ),
        Variant(
            "b37",
            "as b30, and only the owner's own starts count as attempts",
            attrs.evolve(_B30, attempt_guard=AttemptGuard.G7),
            assumed=_B30_ASSUMED,
        ),
        Variant(
            "fixed",
            "owner and lease per delivery, failure and crash budgets, log-order delivery",
            REPAIRED,
        ),
        Variant(
            "fast",
            "as fixed, with as few commits, messages and looks as it can do with",
            FAST,
        ),
    )
}


def preset(name: str) -> Variant:
    """The preset, or the subject, called ``name``; ``UsageError`` with the nearest otherwise."""
    if name in SUBJECTS:
        return foreign(name)
    if name not in PRESETS:
        raise unknown_name("variant", name, PRESETS)
    return PRESETS[name]


@functools.cache
def foreign(subject: str) -> Variant:
    """The variant that is a subject, whether it is installed or not."""
    title = subject_named(subject).title
    try:
        title = f"{title}, {installed_version(subject)}"
    except UsageError:
        title = f"{title}, not installed"
    return Variant(subject, title, subject=subject)


def placed(variant: Variant, place: str) -> Variant:
    """The variant on another world, with that world's knobs and the queue that goes with it."""
    on = place_named(place)
    if on.ground is Ground.SDK_LOCAL and not variant.subject:
        raise UsageError(
            f"world {on.name} is a subject's own, in its own words, and {variant.name} is our "
            f"engine: name a subject with --subject ({', '.join(SUBJECTS)}), or another world"
        )
    return _rename(_put(variant, on))


def as_variant(place: str) -> Variant:
    """What a world sets, as if it were a variant: for people who want to see it."""
    on = place_named(place)
    return attrs.evolve(_put(PRESETS["v2_merge"], on), name=on.name, title=on.title)


SUBJECT_DELAY_MAX_S = 82_800
"""The longest delay that a subject's handlers ask a hosted queue for, and rely on (the SDK:
``MAX_DELAY_SECONDS`` of ``worlds/vercel.py``); backends that honour less are not among its own."""


def _put(variant: Variant, place: Place) -> Variant:
    queue = place.queue
    if variant.subject and queue.delay_max_s:
        queue = attrs.evolve(queue, delay_max_s=SUBJECT_DELAY_MAX_S)
    return attrs.evolve(
        variant,
        place=place.name,
        queue=queue,
        world=place.world,
        local=place.local,
        postgres=place.postgres,
        hosted=place.hosted,
        adapter=place.adapter,
    )


def with_knob(variant: Variant, setting: str) -> Variant:
    """The variant with one knob changed; ``setting`` is ``knob=value``."""
    knob, equals, text = setting.partition("=")
    if not equals:
        raise UsageError(f"--set takes knob=value, not {setting!r}")
    for part in variant.parts:
        record: Any = getattr(variant, part)
        if knob in attrs.fields_dict(type(record)):
            value = _parse(knob, text, getattr(record, knob))
            changed: Any = {part: attrs.evolve(record, **{knob: value})}
            return _rename(attrs.evolve(variant, **changed))
    if variant.subject and knob in attrs.fields_dict(EnginePolicy):
        raise UsageError(
            f"knob {knob} belongs to our own engine, and {variant.subject} is another one; set "
            "knobs of the adapter, the queue or the worlds (simworld variants shows them)"
        )
    if knob in attrs.fields_dict(SubjectProfile):
        raise UsageError(
            f"knob {knob} belongs to the adapter of a subject, and {variant.name} is an engine of "
            f"ours; name the subject with --subject ({', '.join(SUBJECTS)})"
        )
    raise unknown_name("knob", knob, variant.knobs)


def _parse(knob: str, text: str, current: object) -> object:
    if isinstance(current, enum.StrEnum):
        kind = type(current)
        values = [each.value for each in kind]
        if text not in values:
            raise unknown_name(f"value of {knob}", text, values)
        return kind(text)
    if isinstance(current, bool):
        if text not in ("true", "false"):
            raise UsageError(f"knob {knob} takes true or false, not {text!r}")
        return text == "true"
    if isinstance(current, int):
        try:
            return int(text)  # its lower bound is checked where it is set
        except ValueError:
            raise UsageError(f"knob {knob} takes a whole number, not {text!r}") from None
    raise InternalError(f"knob {knob} has a type nobody parses")


def _rename(variant: Variant) -> Variant:
    base = _put(preset(variant.name), place_named(variant.place)).knobs
    changed = tuple(f"{k}={v}" for k, v in sorted(variant.knobs.items()) if base[k] != v)
    return attrs.evolve(variant, changed=changed)


# --- what there is to set ------------------------------------------------------------------------


@attrs.frozen
class Knob:
    """One knob, for people."""

    name: str
    part: str
    """One of ``PARTS``."""
    values: tuple[str, ...]
    """All of them; empty for a whole number."""
    default: str
    """What ``v2_merge`` has; of an adapter's knob, what a subject has."""
    doc: str
    value_docs: Mapping[str, str]
    """Value → what it means, for those that do not go without saying."""


def knob_table() -> tuple[Knob, ...]:
    """Every knob, engine first and adapter last, in the order in which the records list them."""
    base = PRESETS["v2_merge"]
    return tuple(
        _knob(part, field.name, getattr(record, field.name), docs.get(field.name, ""))
        for part, record in ((part, getattr(base, part)) for part in PARTS)
        for docs in (_docs_inside(type(record)),)
        for field in attrs.fields(type(record))
    )


def _knob(part: str, name: str, default: object, doc: str) -> Knob:
    values: tuple[str, ...] = ()
    value_docs: dict[str, str] = {}
    if isinstance(default, enum.Enum):
        kind = type(default)
        inside = _docs_inside(kind)
        values = tuple(str(each.value) for each in kind)
        value_docs = {str(each.value): inside[each.name] for each in kind if each.name in inside}
        doc = doc or _one_line(kind.__doc__ or "")
    elif isinstance(default, bool):
        values = ("true", "false")
    return Knob(name, part, values, _told(default), doc, value_docs)


def _docs_inside(kind: type) -> dict[str, str]:
    """Name in a class body → the docstring right below it."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    docs: dict[str, str] = {}
    for one, below in zip(body.body, body.body[1:], strict=False):
        match one, below:
            case (
                ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                docs[name] = _one_line(text)
    return docs


def _one_line(text: str) -> str:
    return " ".join(text.replace("``", "").split())
