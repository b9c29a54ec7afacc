"""Queues: at-least-once delivery over tasks and a clock (spec §2.3, decisions §3)."""

from simworld.worlds.queue.dedup import KeyLedger
from simworld.worlds.queue.memory import MemoryQueue
from simworld.worlds.queue.presets import QUEUES

__all__ = ["QUEUES", "KeyLedger", "MemoryQueue"]
