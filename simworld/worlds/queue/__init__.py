"""Queues: at-least-once delivery over tasks and a clock (spec §2.3, decisions §3)."""

from simworld.worlds.queue.dedup import KeyLedger
from simworld.worlds.queue.job_statements import JOBS
from simworld.worlds.queue.memory import MemoryQueue
from simworld.worlds.queue.presets import QUEUES
from simworld.worlds.queue.tables import TABLE_QUEUE, TableQueue

__all__ = ["JOBS", "QUEUES", "TABLE_QUEUE", "KeyLedger", "MemoryQueue", "TableQueue"]
