"""Subjects by name: what must be installed for one, and how its host is opened.

Nothing here imports an engine: whoever hunts none of them needs none of them.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import re
from collections.abc import Callable
from typing import Any

import attrs

from simworld.errors import UsageError, unknown_name
from simworld.records import ForeignProgram
from simworld.subjects.seam import Host


@attrs.frozen
class Subject:
    """An engine that nobody here wrote."""

    name: str
    """As in ``simworld hunt --subject``, and of the package that has it."""
    title: str
    extra: str
    """Of simworld's own package: ``pip install 'simworld[extra]'`` gets all that is needed."""
    needs: tuple[str, ...]
    """Further packages without which there is no host."""
    check: str
    """What refuses a version that cannot be driven: ``module:function``."""
    host: str
    """Where its host is made: ``module:callable``."""
    world: str = ""
    """Where its own world is made, if it comes with one."""
    alone: str = ""
    """The module that writes scripts which need nothing of simworld, if there is one."""

    @property
    def hint(self) -> str:
        """How to get it."""
        return f"pip install 'simworld[{self.extra}]'"


SUBJECTS: dict[str, Subject] = {
    each.name: each
    for each in (
        Subject(
            name="vercel-workflow",
            title="the Python SDK from PyPI",
            extra="vercel",
            needs=("time-machine",),
            check="simworld.subjects.vercel.versions:check_version",
            host="simworld.subjects.vercel.host:VercelHost",
            world="simworld.subjects.vercel.local:own_world_of",
            alone="simworld.subjects.vercel.standalone",
        ),
    )
}


def subject_named(name: str) -> Subject:
    """The subject called ``name``; ``UsageError`` with the nearest name otherwise."""
    if name not in SUBJECTS:
        raise unknown_name("subject", name, SUBJECTS)
    return SUBJECTS[name]


def installed_version(name: str) -> str:
    """The version that is installed; ``UsageError`` that says how to install it if none is."""
    subject = subject_named(name)
    versions = []
    for package in (subject.name, *subject.needs):
        try:
            versions.append(importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            raise UsageError(
                f"subject {name} needs the package {package}, which is not installed: "
                f"{subject.hint}"
            ) from None
    return versions[0]


def is_too_new(program: ForeignProgram) -> bool:
    """Whether only later versions of its engine than the installed one can run it."""
    return _numbers(installed_version(program.subject)) < _numbers(program.since)


def _numbers(version: str) -> tuple[int, ...]:
    """``0.11.0rc1`` → (0, 11, 0)."""
    return tuple(int(each) for each in re.findall(r"(?:^|\.)(\d+)", version))


@functools.cache
def open_host(name: str) -> Host:
    """The host of a subject, one per process; ``UsageError`` if its engine is not installed."""
    installed_version(name)
    subject = subject_named(name)
    _named(subject.check)()
    host: Host = _named(subject.host)()
    return host


def _named(place: str) -> Callable[[], Any]:
    """``module:function``, imported now."""
    module, _, function = place.partition(":")
    found: Callable[[], Any] = getattr(importlib.import_module(module), function)
    return found
