"""Variants: named presets of every knob, and changing one knob of a preset by its name.

A knob's name is unique over the engine's policy and the queue and world profiles, so
``--set dedup=queued_only`` needs no prefix (decisions §5.7).
"""

from __future__ import annotations

import enum
from typing import Any

import attrs

from simworld.engine import (
    AttemptGuard,
    BackgroundAfter,
    CompleteErrors,
    Delivery,
    EnginePolicy,
    LoopErrors,
    StatusCheck,
)
from simworld.errors import InternalError, UsageError, unknown_name
from simworld.records import QueueProfile, WorldProfile


@attrs.frozen
class Variant:
    """A faulty or a fixed simulated system: all its knobs."""

    name: str
    title: str
    engine: EnginePolicy = attrs.Factory(EnginePolicy)
    queue: QueueProfile = attrs.Factory(QueueProfile)
    world: WorldProfile = attrs.Factory(WorldProfile)
    changed: tuple[str, ...] = ()
    """``knob=value`` for every knob that differs from the preset, sorted."""

    @property
    def exclusive_bodies(self) -> bool:
        """Whether the variant promises that bodies of one step do not overlap (I-14)."""
        return self.engine.attempt_guard is AttemptGuard.G8

    @property
    def knobs(self) -> dict[str, str]:
        """Every knob and its value, as text."""
        return {
            field.name: str(getattr(part, field.name))
            for part in (self.engine, self.queue, self.world)
            for field in attrs.fields(type(part))
        }


PRESETS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant("v2_merge", "the pull request as merged"),
        Variant(
            "fixed",
            "owner and lease per delivery, failure and crash budgets, log-order delivery",
            EnginePolicy(
                attempt_guard=AttemptGuard.G8,
                bg_after=BackgroundAfter.ALWAYS_CONTINUE,
                delivery=Delivery.D4,
                loop_errors=LoopErrors.RETHROW,
                complete_errors=CompleteErrors.RETHROW,
                bg_status_check=StatusCheck.NOT_TERMINAL,
            ),
        ),
    )
}


def preset(name: str) -> Variant:
    """The preset called ``name``; ``UsageError`` with the nearest name otherwise."""
    if name not in PRESETS:
        raise unknown_name("variant", name, PRESETS)
    return PRESETS[name]


def with_knob(variant: Variant, setting: str) -> Variant:
    """The variant with one knob changed; ``setting`` is ``knob=value``."""
    knob, equals, text = setting.partition("=")
    if not equals:
        raise UsageError(f"--set takes knob=value, not {setting!r}")
    for part in ("engine", "queue", "world"):
        record: Any = getattr(variant, part)
        if knob in attrs.fields_dict(type(record)):
            value = _parse(knob, text, getattr(record, knob))
            changed: Any = {part: attrs.evolve(record, **{knob: value})}
            return _rename(attrs.evolve(variant, **changed))
    raise unknown_name("knob", knob, variant.knobs)


def _parse(knob: str, text: str, current: object) -> object:
    if isinstance(current, enum.StrEnum):
        kind = type(current)
        values = [each.value for each in kind]
        if text not in values:
            raise unknown_name(f"value of {knob}", text, values)
        return kind(text)
    if isinstance(current, int):
        try:
            return int(text)  # its lower bound is checked where it is set
        except ValueError:
            raise UsageError(f"knob {knob} takes a whole number, not {text!r}") from None
    raise InternalError(f"knob {knob} has a type nobody parses")


def _rename(variant: Variant) -> Variant:
    base = PRESETS[variant.name].knobs
    changed = tuple(f"{k}={v}" for k, v in sorted(variant.knobs.items()) if base[k] != v)
    return attrs.evolve(variant, changed=changed)
