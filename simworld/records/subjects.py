"""Foreign programs, which an engine runs that nobody here wrote, and the knobs of its adapter."""

from __future__ import annotations

import enum

import attrs

from simworld.engine import one_of


class SubjectErrors(enum.StrEnum):
    """In which words the world refuses what the engine asks (status codes, error classes)."""

    LOCAL = "local"
    """As the SDK's own local world does."""
    HOSTED = "hosted"
    """As the hosted service does, in the words of the SDK's client for it."""


class SubjectCursor(enum.StrEnum):
    """What a page of the log says about how to read on."""

    GIVEN = "given"
    """Every page that has events has a cursor, which is taken again later."""
    NONE = "none"
    """There is one page, and it has no cursor."""


@attrs.frozen
class SubjectProfile:
    """How the adapter between a foreign engine and our worlds behaves."""

    subject_errors: SubjectErrors = one_of(SubjectErrors.HOSTED)
    subject_cursor: SubjectCursor = one_of(SubjectCursor.GIVEN)


@attrs.frozen
class ForeignProgram:
    """A workflow in the words of another engine, by names only: nothing is imported to hold it."""

    subject: str
    """The engine that runs it, as in ``simworld hunt --subject``: ``vercel-workflow``."""
    module: str
    """Where the workflow and its steps are: what Python can import (``shop.flows``)."""
    workflow: str
    """Name of the workflow function in there."""

    @property
    def name(self) -> str:
        """The workflow's name, for people."""
        return self.workflow
