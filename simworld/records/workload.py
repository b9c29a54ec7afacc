"""What a trial is about: the drawn values of a scenario and the faults it may meet."""

from __future__ import annotations

import attrs

from simworld.errors import UsageError


@attrs.frozen
class Workload:
    """The shrinkable values of one trial.

    ``failures`` holds flakes: ``("work#3", 2)`` makes the second body of that step *to begin*,
    counted over all handlers, raise at once (decisions §1.7).
    """

    steps: int = 5
    max_retries: int | None = None
    """Of every step; None: each step has its own."""
    durations_ms: tuple[int, ...] = ()
    """Virtual duration of each step's body; missing ones take no time."""
    failures: tuple[tuple[str, int], ...] = ()
    extra: tuple[tuple[str, int], ...] = ()
    """Further values by name, for ``value``; a value that is not drawn has its default."""
    picks: tuple[int, ...] = ()
    """What a drawn program, or whatever else a scenario draws pick by pick, consists of."""

    def value(self, name: str, default: int) -> int:
        """The drawn value called ``name``."""
        for known, value in self.extra:
            if known == name:
                return value
        return default


@attrs.frozen
class FaultBudget:
    """The most that the nemesis may do in one trial; 0 switches a kind of fault off."""

    duplicates: int = 0
    """Extra deliveries, over all messages."""
    crashes: int = 0
    """Hosts that die."""
    lost_answers: int = 0
    """Operations that commit and whose caller never learns it."""
    kill_bodies: int = 0
    """Bodies of one step that die before they end."""
    lost_requests: int = 0
    """Requests to a server that never arrive."""
    duplicate_requests: int = 0
    """Requests that write and arrive twice."""
    late_answers: int = 0
    """Requests that write and arrive when their sender has given up."""
    stale_reads: int = 0
    """Reads that miss the newest commits."""
    holed_reads: int = 0
    """Reads of a log that miss an event before its end."""
    torn_writes: int = 0
    """Crashes that leave half of a file that is written in place."""
    power_losses: int = 0
    """Crashes of the whole machine, which loses what was not synced."""
    server_errors: int = 0
    """Operations that are refused with a definite error."""
    throttles: int = 0
    """Calls that are refused with 429."""
    slow_hosts: int = 0
    """Times that a host stands still."""
    clocks_ahead: int = 0
    """Hosts whose clock is ahead."""
    clocks_behind: int = 0
    """Hosts whose clock is behind."""
    clock_jumps: int = 0
    """Times that a host's clock jumps forward."""
    torn_pages: int = 0
    """Pages of a log that end early."""
    lost_connections: int = 0
    """Connections to tables that break."""
    redeliveries: int = 0
    """Deliveries that count as failed while their handlers live on."""
    slow_bodies: int = 0
    """Steps of which some bodies outlive their leases."""
    scarce_workers: int = 0
    """1: there may be too few workers."""
    late_hooks: int = 0
    """Payloads of clients that come late."""
    restarts: int = 0
    """Times that every process dies and a service starts anew."""
    lost_flushes: int = 0
    """Writes to streams that are refused."""

    def __attrs_post_init__(self) -> None:
        for field in attrs.fields(FaultBudget):
            value = getattr(self, field.name)
            if value < 0:
                raise UsageError(
                    f"{field.name} of a FaultBudget cannot be negative: {value} (0: none)"
                )

    def and_also(self, more: FaultBudget) -> FaultBudget:
        """Both budgets together."""
        names = [field.name for field in attrs.fields(FaultBudget)]
        return FaultBudget(**{each: getattr(self, each) + getattr(more, each) for each in names})
