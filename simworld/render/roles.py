"""Who is who in a story: a short role for every delivery that is told about.

A task's name is its causal path (decisions §4.2), so the delivery a task works for is the longest
prefix of its name that ends in a message: ``flow``, or a step's label such as ``work#3``, with
``~n`` for the n-th delivery of that message.  A branch of a handler (``create.work#3``) is no
message.  Deliveries are called ``A``, ``B``, … in order of first appearance; whatever no delivery
causes (a client) keeps its own name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_MESSAGE = re.compile(r"(?P<what>flow|[^/~.]*#\d+)(?P<again>[.+:@!]\d+)?(?:~(?P<number>\d+))?")

_PATH = re.compile(r"[^\s,;:]+/[^\s,;:]+")


def delivery_of(task: str) -> str:
    """The delivery that ``task`` works for, or the empty string."""
    parts = task.split("/")
    for length in range(len(parts), 1, -1):  # the first part is a client, whatever it is called
        if _MESSAGE.fullmatch(parts[length - 1]):
            return "/".join(parts[:length])
    return ""


def _client_of(task: str) -> str:
    return task.split("/", maxsplit=1)[0]


def _letters(index: int) -> str:
    """0 → A, 25 → Z, 26 → AA, as columns of a spreadsheet."""
    name = ""
    index += 1
    while index:
        index, digit = divmod(index - 1, 26)
        name = chr(ord("A") + digit) + name
    return name


class Roles:
    """The cast: roles by delivery, given out in order of appearance."""

    def __init__(self, tasks: Iterable[str] = ()) -> None:
        self._names: dict[str, str] = {}
        self._clients: dict[str, None] = {}
        for task in tasks:
            self.cast(task)

    def cast(self, task: str) -> None:
        """``task`` appears; its delivery gets the next free role, unless it has one."""
        delivery = delivery_of(task)
        if not delivery:
            self._clients.setdefault(_client_of(task))
        elif delivery not in self._names:
            self._names[delivery] = _letters(len(self._names))

    def cast_all(self, text: str) -> None:
        """Every delivery whose path occurs in ``text`` appears."""
        for path in _PATH.findall(text):
            if delivery_of(path) == path and _client_of(path) in self._clients:
                self.cast(path)

    def knows(self, task: str) -> bool:
        """Whether ``task`` has a role."""
        return (delivery_of(task) or _client_of(task)) in (*self._names, *self._clients)

    def role_of(self, task: str) -> str:
        """The role that ``task`` plays; for a task that never appeared, its own name."""
        delivery = delivery_of(task)
        return self._names.get(delivery, delivery) if delivery else _client_of(task)

    def who(self, task: str) -> str:
        """The role, with the branch of it that ``task`` is: ``A`` or ``A/create.2``."""
        whole = delivery_of(task) or _client_of(task)
        return self.role_of(task) + task[len(whole) :]

    def shorten(self, text: str) -> str:
        """``text`` with the causal path of every known delivery replaced by its role."""
        return _PATH.sub(lambda match: self._names.get(match[0], match[0]), text)

    def explain(self, task: str) -> str:
        """``A, delivery 1 of the message for work#3``; the long form for where no legend is."""
        role = self.role_of(task)
        delivery = delivery_of(task)
        if not delivery:
            return f"the client {role}"
        known = f"{role}, " if role != delivery else ""
        return f"{known}{_in_words(delivery)}"

    def asked(self, request: str) -> str:
        """``the request step_started.work#3 of A, delivery 1 of …``."""
        who = delivery_of(request) or _client_of(request)
        return f"the request {request[len(who) + 1 :]} of {self.explain(request)},"

    def legend(self) -> list[tuple[str, str]]:
        """(role, who that is) of everybody, clients first."""
        rows = [(name, "a client") for name in self._clients]
        rows += [
            (role, f"{_in_words(delivery)} ({delivery})") for delivery, role in self._names.items()
        ]
        return rows


def message_in_words(task: str) -> str:
    """``the message for work#3`` or ``the flow message``; otherwise the path as it is."""
    match = _MESSAGE.fullmatch(task.rsplit("/", maxsplit=1)[-1])
    if match is None:
        return f"the message {task}"
    return "the flow message" if match["what"] == "flow" else f"the message for {match['what']}"


def _in_words(delivery: str) -> str:
    match = _MESSAGE.fullmatch(delivery.rsplit("/", maxsplit=1)[-1])
    assert match is not None
    return f"delivery {match['number'] or 1} of {message_in_words(delivery)}"
