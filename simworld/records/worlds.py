"""Knobs of the worlds that are more than one step per create (spec §2.2, §2.4)."""

from __future__ import annotations

import enum

import attrs

from simworld.engine import at_least, one_of, switch


class LocalLog(enum.StrEnum):
    """What the file world takes for the truth."""

    MINTED = "minted"
    """Rows are files, events are files named by an id minted when the create began."""
    SLOTS = "slots"
    """The log alone: whoever links the next slot has committed; rows are folded from it."""


class LocalLayout(enum.StrEnum):
    """Where the events of a run lie."""

    FLAT = "flat"
    """All events of all runs in one folder (upstream)."""
    BUCKETED = "bucketed"
    """A folder per run, and in it one for every 256 events."""


class LocalMutex(enum.StrEnum):
    """What guards the step events of one step against others of the same process."""

    NONE = "none"
    """Nothing (4.x)."""
    STEP = "step"
    """A mutex in the process's memory (the pull request)."""


class LocalCommits(enum.StrEnum):
    """How a process records what several of its callers want of one run (``local_log=slots``)."""

    EACH = "each"
    """Everyone links a slot, and decides again where another one was first."""
    GROUPED = "grouped"
    """Those who come while one is linking are decided together, and linked as one file."""


@attrs.frozen
class LocalProfile:
    """The file world: which of its micro-steps are guarded, and how."""

    local_log: LocalLog = one_of(LocalLog.SLOTS)
    local_layout: LocalLayout = one_of(LocalLayout.BUCKETED)
    local_mutex: LocalMutex = one_of(LocalMutex.STEP)
    local_create_claim: bool = switch(True)
    """A claim file is created before a step's or a wait's row (R-55)."""
    local_wait_claim: bool = switch(True)
    """A wait's end is claimed before its row is read; else two may find it waiting (R-35)."""
    local_retry_lock: bool = switch(True)
    """step_retrying looks at the step's terminal lock before it writes the row (R-08)."""
    local_run_claim: bool = switch(True)
    """A run's end is claimed before its row is written (R-61)."""
    local_token_owner: bool = switch(True)
    """Who holds a token is compared; else a hook's second creation meets its own token (R-29)."""
    local_dispose_claim: bool = switch(True)
    """A hook's disposal is claimed before its row is written (R-32)."""
    local_linked_events: bool = switch(True)
    """Events are linked into place whole; else they are written in place (R-57)."""
    local_commits: LocalCommits = one_of(LocalCommits.EACH)
    local_memory: bool = switch(False)
    """A process keeps the events of a log that it has seen, and reads on from there."""
    local_sync: bool = switch(True)
    """What is written is on the disk before it is answered; else a power loss may take it."""


class PostgresWrites(enum.StrEnum):
    """What one create consists of."""

    AUTOCOMMIT = "autocommit"
    """Every statement is a transaction of its own (as merged)."""
    TRANSACTION = "transaction"
    """One transaction that locks the run's row first."""
    APPEND = "append"
    """One statement that moves the run's row on from the position that was decided on."""


class PostgresPosition(enum.StrEnum):
    """What readers order the log by."""

    MINTED = "minted"
    """An id minted when the create began."""
    SLOTS = "slots"
    """A position taken under the lock of the run's row: dense, in the order of commits."""
    RESERVED = "reserved"
    """Dense too, but taken in a statement of its own; readers stop where one is missing (R-58)."""


@attrs.frozen
class PostgresProfile:
    """The SQL world."""

    pg_writes: PostgresWrites = one_of(PostgresWrites.TRANSACTION)
    pg_position: PostgresPosition = one_of(PostgresPosition.SLOTS)
    pg_unique_tokens: bool = switch(True)
    """A unique index on the tokens of live hooks (R-30)."""
    pg_unique_creations: bool = switch(True)
    """A unique index on (run, correlation id, type) of creation events (R-55)."""
    pg_run_conflict: bool = switch(True)
    """A second run_created is refused (409); else its event is stored (R-59)."""
    pg_guarded_start: bool = switch(True)
    """run_started moves a run only if it is pending (R-60)."""


QUICK_FILES = LocalProfile(local_commits=LocalCommits.GROUPED, local_memory=True)
QUICK_TABLES = PostgresProfile(pg_writes=PostgresWrites.APPEND)
"""The repaired worlds with as few operations as they can do with: what real workers run."""


@attrs.frozen
class HostedProfile:
    """The hosted world: storage on a server, reached by messages."""

    request_timeout_ms: int = at_least(1, 30_000)
    """After so long a caller gives up on an answer, which may still come."""
    lag_max: int = at_least(1, 3)
    """The most newest commits of a run that a lagging read may miss."""
