"""Deduplication: for how long a key suppresses the next message that carries it.

One enum, eight rules (decisions §3.2).  Each rule has its own races: a key that dies with the
delivery lets a second handler in, a key that outlives the message swallows a repair.
"""

from __future__ import annotations

from collections import OrderedDict

from simworld.ports import Message
from simworld.records import Dedup, QueueProfile

Key = str | tuple[str, Message]

_QUEUED = (Dedup.QUEUED_ONLY, Dedup.JOB_KEY)
_REMEMBERED = (Dedup.COMPLETED_LRU, Dedup.JOB_KEY)
_BY_PAYLOAD = (Dedup.KEY_AND_PAYLOAD, Dedup.KEY_AND_PAYLOAD_KEPT)
_KEPT = (Dedup.NONE, Dedup.RETENTION, Dedup.KEY_AND_PAYLOAD_KEPT)
"""Those under which it makes no difference to a key what becomes of its message."""


class KeyLedger:
    """Which keys are live."""

    def __init__(self, profile: QueueProfile) -> None:
        self._rule = profile.dedup
        self._by_payload = profile.dedup in _BY_PAYLOAD
        self._retention_ms = profile.retention_ms
        self._completed_max = profile.completed_max
        self._live: dict[Key, tuple[int, int]] = {}
        """Key → time from which it is free again (−1: until it is freed), and who holds it."""
        self._completed: OrderedDict[tuple[Key, str], None] = OrderedDict()
        """Each with the process that knows it; empty: all do."""

    def _key(self, key: str, message: Message) -> Key:
        return (key, message) if self._by_payload else key

    def restart(self, *, kept: bool) -> None:
        """The processes have died: what they remember is gone, and all of it if nothing is kept."""
        self._completed.clear()
        if not kept:
            self._live.clear()

    def claim(self, key: str, message: Message, holder: int, now_ms: int) -> bool:
        """Whether a message with this key is accepted now; if so, ``holder`` has the key."""
        if not key or self._rule is Dedup.NONE:
            return True
        full = self._key(key, message)
        held = self._live.get(full)
        if held is not None and (held[0] < 0 or now_ms < held[0]):
            return False
        if (full, "") in self._completed:
            return False
        kept = self._rule is Dedup.RETENTION
        self._live[full] = (now_ms + self._retention_ms if kept else -1, holder)
        return True

    def _free(self, key: Key, holder: int) -> None:
        """Free the key, unless another message has it by now."""
        held = self._live.get(key)
        if held is not None and held[1] == holder:
            del self._live[key]

    def delivered(self, key: str, holder: int) -> None:
        """The message has been handed to a handler."""
        if self._rule in _QUEUED:
            self._free(key, holder)

    def rescheduled(self, key: str, holder: int) -> None:
        """The message waits for another delivery; it takes its key back if that is free."""
        if key and self._rule in _QUEUED:
            self._live.setdefault(key, (-1, holder))

    def completed(self, key: str, process: str) -> bool:
        """Whether a message with this key was acknowledged lately, as far as the process knows."""
        return (key, process) in self._completed

    def dropped(self, key: str, message: Message, holder: int) -> None:
        """The message is gone, and nobody has handled it."""
        if key and self._rule not in _KEPT:
            self._free(self._key(key, message), holder)

    def deleted(self, key: str, message: Message, holder: int, process: str = "") -> None:
        """The message was acknowledged, by this process if there are several."""
        if not key or self._rule in _KEPT:
            return
        full = self._key(key, message)
        self._free(full, holder)
        if self._rule in _REMEMBERED:
            knows = process if self._rule is Dedup.JOB_KEY else ""
            self._completed[full, knows] = None
            while len(self._completed) > self._completed_max:
                self._completed.popitem(last=False)
