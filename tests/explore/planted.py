"""Planted races: unrelated to one another, none of them shown by the undisturbed schedule."""

from __future__ import annotations

from collections.abc import Callable

from tests.explore.toy import Blocked, Body, Program, Toy, op


def noise(name: str, count: int) -> Body:
    """Operations that concern nobody else."""
    for number in range(count):
        yield op(f"think {number}", f"own {name}")


def lost_update(toy: Toy) -> Callable[[], bool]:
    """Two tasks read, then write; one preemption between the two loses an update."""
    state = {"counter": 0}

    def body(name: str) -> Body:
        yield from noise(name, 6)
        yield op("read", reads=("counter",))
        seen = state["counter"]
        yield op("think", f"own {name}")
        yield op("write", "counter")
        state["counter"] = seen + 1
        yield from noise(name, 6)

    for name in ("a", "b"):
        toy.spawn(name, body(name))
    for name in ("c", "d", "e"):
        toy.spawn(name, noise(name, 12))
    return lambda: state["counter"] < 2


def order_violation(toy: Toy) -> Callable[[], bool]:
    """A user task relies on the initialiser, which was spawned later, having run by then."""
    state = {"ready": False, "bad": False}

    def initialise() -> Body:
        yield from noise("initialise", 4)
        yield op("initialise", "resource")
        state["ready"] = True

    def use() -> Body:
        yield from noise("use", 10)
        yield op("use", reads=("resource",))
        state["bad"] = not state["ready"]

    toy.spawn("initialise", initialise())
    toy.spawn("use", use())
    toy.spawn("other", noise("other", 15))
    return lambda: state["bad"]


def first_starts(toy: Toy) -> Callable[[], bool]:
    """Four deliveries of one message all start before any has recorded its failure (depth 4)."""
    state = {"starts": 0, "failures": 0, "bad": False}

    def deliver(name: str, hops: int) -> Body:
        yield op("deliver", "message")
        yield op("read the run", reads=("run",))
        if state["failures"]:
            return
        yield from noise(name, hops)
        yield op("start", "step")
        state["starts"] += 1
        state["bad"] = state["bad"] or (state["starts"] == 4 and not state["failures"])
        yield op("record failure", "step")
        state["failures"] += 1

    def flow() -> Body:
        yield op("start the run", "run")
        yield op("create", "step")
        yield op("send", "key")
        for number in range(1, 5):
            name = "flow/work" if number == 1 else f"flow/work~{number}"
            toy.spawn(name, deliver(name, 3 * number))
        yield from noise("flow", 8)

    toy.spawn("flow", flow())
    toy.spawn("other", noise("other", 12))
    return lambda: state["bad"]


def lockstep(toy: Toy) -> Callable[[], bool]:
    """Two counters that three times in a row are equal at the moment both workers look."""
    state = {"a": 0, "b": 0, "streak": 0, "longest": 0}

    def worker(mine: str, other: str) -> Body:
        for _ in range(5):
            yield op("count", f"counter {mine}")
            state[mine] += 1
            yield op("compare", reads=(f"counter {other}",))
            state["streak"] = state["streak"] + 1 if state[mine] == state[other] else 0
            state["longest"] = max(state["longest"], state["streak"])

    toy.spawn("a", worker("a", "b"))
    toy.spawn("b", worker("b", "a"))
    for name in ("c", "d"):
        toy.spawn(name, noise(name, 10))
    return lambda: state["longest"] >= 9


def stopped_half_way(toy: Toy) -> Callable[[], bool]:
    """One task stops between two operations while another runs from its beginning to its end."""
    state = {"half": False, "begun_in_half": False, "bad": False}

    def victim() -> Body:
        yield from noise("victim", 5)
        yield op("enter", "file")
        state["half"] = True
        yield op("leave", "file")
        state["half"] = False
        yield from noise("victim", 5)

    def intruder() -> Body:
        yield op("open", "file")
        state["begun_in_half"] = state["half"]
        yield from noise("intruder", 15)
        yield op("close", "file")
        state["bad"] = state["begun_in_half"] and state["half"]

    toy.spawn("victim", victim())
    toy.spawn("intruder", intruder())
    toy.spawn("other", noise("other", 10))
    return lambda: state["bad"]


def deadlock(toy: Toy) -> Callable[[], bool]:
    """Three philosophers: each takes its left fork, and nobody goes on."""
    holder: dict[str, str] = {}
    finished: list[str] = []

    def eat(name: str, left: str, right: str) -> Body:
        yield from noise(name, 3)
        for fork in (left, right):
            yield Blocked(op(f"take {fork}", fork), lambda fork=fork: fork not in holder)
            holder[fork] = name
        yield op("eat", f"own {name}")
        for fork in (left, right):
            yield op(f"put back {fork}", fork)
            del holder[fork]
        finished.append(name)

    forks = ["fork 1", "fork 2", "fork 3"]
    for index, name in enumerate(("a", "b", "c")):
        toy.spawn(name, eat(name, forks[index], forks[(index + 1) % 3]))
    return lambda: len(finished) < 3


PLANTED: dict[str, tuple[Program, int]] = {
    "lost_update": (lost_update, 50),
    "order_violation": (order_violation, 50),
    "first_starts": (first_starts, 300),
    "lockstep": (lockstep, 150),
    "stopped_half_way": (stopped_half_way, 300),
    "deadlock": (deadlock, 60),
}
"""Name → the program and in how many trials the portfolio must find its bug."""
