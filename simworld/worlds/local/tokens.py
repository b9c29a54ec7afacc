"""Who owns a token, in a world of slots: a chain of numbered claims for each token.

A token concerns several runs, and the truth about each is its own log; the chain decides in which
order they may write.  A claim announces one event: a *hold* (hook_created), a *conflict*
(hook_conflict), or a *release* (hook_disposed, or the end of the owner's run).  It is **settled**
once the event is recorded, or can never be; that lasts.  Three rules:

1. Whoever links claim n + 1 has settled claim n, by recording its event for who may have died.
2. hook_created, hook_conflict, and whatever frees a token, are recorded only behind their claim.
3. A hold is linked if the owner's hook is not live, a conflict if it is, a release by the owner.

So the events of one token are recorded in the order of its chain.  Two runs cannot both own it: the
second hold is linked when the first owner is gone for good.  And a conflict is recorded while its
owner lives: what would free the token needs a later claim, which settles the conflict first.

A release that is one of several events of one commit names the slot they are for: there they are
recorded, or never, and if another one has got the slot, the owner lives on and may claim again.

To settle a release may mean to end a run, and so to release its other tokens; those are owned by
the same run, and each token has one owner, so nobody ever waits in a circle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import attrs

from simworld.engine import Event, Fact, HookConflict, HookCreated, HookRow
from simworld.marks import reached
from simworld.ports import Answer, Files
from simworld.worlds.codec import decode_events, decode_row, encode_event, encode_events, encode_row
from simworld.worlds.fold import RunFold
from simworld.worlds.local.known import KnownRun
from simworld.worlds.local.layout import number_path, token_folder

Settled: TypeAlias = Callable[[RunFold], bool]
"""Whether a claim is, by what is known of its run; yes is for ever."""


@attrs.frozen
class Claim:
    """One link of a token's chain."""

    token: str
    owner_run: str
    owner_hook: str
    """Who holds the token when the claim is settled; after a release, who held it last."""
    event: bytes
    """What is announced: one event whose position and time are those of the day it is recorded; or
    the events of one commit, which belong to their positions."""


class Logs(Protocol):
    """What the chains need of the world they belong to."""

    def fold(self, run_id: str) -> KnownRun:
        """What is known of a run; it may be old."""

    async def catch_up(self, fold: KnownRun) -> int:
        """Read to the end of its log; where that was."""

    def expect(self, event_id: str) -> None:
        """Others may record our event from now on."""

    async def record(
        self, run_id: str, fact: Fact, event_id: str, settled: Settled
    ) -> Answer | None:
        """Record a fact, unless it is settled without us."""

    async def place(self, events: Sequence[Event]) -> None:
        """Record events where they belong, unless their slot is taken."""


class Tokens:
    """The chains of all tokens; the world they belong to is told in each call."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def take(self, logs: Logs, run_id: str, fact: HookCreated, event_id: str) -> Fact:
        """What is to be recorded for ``fact``: itself, or a hook_conflict."""
        hook_id, folder = fact.correlation_id, token_folder(fact.token)
        mine = _claim(fact.token, run_id, hook_id, run_id, fact, event_id)
        logs.expect(event_id)
        if await self._files.link(number_path(folder, 1), mine):
            return fact  # nobody has had it before
        while True:
            number, last = await self._last(folder)
            if last is not None:
                await self._settle(logs, last)
                if hook_id in logs.fold(run_id).hooks:
                    return fact  # asked for before: the log has it, and will refuse it
                if await self._owner(logs, last) is not None:
                    conflict = HookConflict(hook_id, fact.token, last.owner_run)
                    owner = last.owner_run, last.owner_hook
                    claim = _claim(fact.token, *owner, run_id, conflict, event_id)
                    if await self._files.link(number_path(folder, number + 1), claim):
                        reached("hook.conflict")
                        return conflict
                    continue
            if await self._files.link(number_path(folder, number + 1), mine):
                return fact

    async def release(self, logs: Logs, hook: HookRow, events: Sequence[Event]) -> None:
        """See to it that ``events``, which free the token of ``hook``, may be recorded."""
        folder = token_folder(hook.token)
        owner = hook.run_id, hook.correlation_id
        claim = encode_row(Claim(hook.token, *owner, encode_events(events)))
        while True:
            number, last = await self._last(folder)
            fold = logs.fold(hook.run_id)
            if last is None or (last.owner_run, last.owner_hook) != owner:
                await logs.catch_up(fold)  # it is another's by now: we knew old things
                return
            announced = decode_events(last.event)
            if _frees(announced):
                slot = announced[0].position
                if slot > fold.count + 1:
                    await logs.catch_up(fold)
                if slot == 0 or slot > fold.count:
                    return
            await self._settle(logs, last)
            if not fold.owns(hook.correlation_id, hook.token):
                return
            for event in events:
                logs.expect(event.event_id)
            if await self._files.link(number_path(folder, number + 1), claim):
                return

    async def owner(self, logs: Logs, token: str) -> HookRow | None:
        """The live hook that owns a token."""
        _, last = await self._last(token_folder(token))
        return None if last is None else await self._owner(logs, last)

    async def _last(self, folder: str) -> tuple[int, Claim | None]:
        names = await self._files.list(folder)
        if not names:
            return 0, None
        data = await self._files.read(f"{folder}/{names[-1]}")
        return int(names[-1]), None if data is None else decode_row(data, Claim)

    async def _owner(self, logs: Logs, claim: Claim) -> HookRow | None:
        """The hook that the claim says is the owner, if its log says so, too."""
        fold = logs.fold(claim.owner_run)
        await logs.catch_up(fold)
        return fold.hooks[claim.owner_hook] if fold.owns(claim.owner_hook, claim.token) else None

    async def _settle(self, logs: Logs, claim: Claim) -> None:
        announced = decode_events(claim.event)
        if announced[0].position:
            await logs.place(announced)
            return
        (event,) = announced
        frees = _frees(announced)
        hook_id = claim.owner_hook if frees else event.correlation_id

        def settled(fold: RunFold) -> bool:
            if fold.ended:
                return True
            row = fold.hooks.get(hook_id)
            return row is not None and not (frees and fold.owns(hook_id, claim.token))

        if not settled(logs.fold(event.run_id)):
            await logs.record(event.run_id, event.fact, event.event_id, settled)


def announcement(run_id: str, fact: Fact, event_id: str) -> Event:
    """An event whose position and time are those of the moment at which it is recorded."""
    name = getattr(fact, "correlation_id", "")
    return Event(run_id, event_id, 0, 0, fact.type, name, fact)


def _frees(events: Sequence[Event]) -> bool:
    return not isinstance(events[-1].fact, HookCreated | HookConflict)


def _claim(
    token: str, owner_run: str, owner_hook: str, run_id: str, fact: Fact, event_id: str
) -> bytes:
    event = announcement(run_id, fact, event_id)
    return encode_row(Claim(token, owner_run, owner_hook, encode_event(event)))
