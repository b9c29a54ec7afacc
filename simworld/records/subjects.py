"""Foreign programs, which an engine runs that nobody here wrote, and the knobs of its adapter."""

from __future__ import annotations

import enum

import attrs

from simworld.engine import one_of


class SubjectErrors(enum.StrEnum):
    """In which words the world refuses what the engine asks, and what it has no word for."""

    LOCAL = "local"
    """As the SDK's own local world does (``worlds/local.py``: ``_events_create_impl``,
    ``runs_get``, ``streams_write``).

    An ended run is a conflict; what is missing is a ``RuntimeError``; what else fails is a disk's
    error.  A closed stream takes chunks that nobody sees, and there is no deployment, without which
    a first message cannot create its run.
    """
    HOSTED = "hosted"
    """As the hosted service does, in the words of the SDK's client for it (``worlds/vercel.py``:
    ``_error_for_response``, ``_stream_http_error``).

    The status decides: 409 is a conflict, 410 an ended run, 425 too early, 429 too much; any other
    is a ``WorkflowWorldError`` with that status.  No answer is the HTTP client's own error.
    """


class SubjectCursor(enum.StrEnum):
    """What a page of the log says about how to read on."""

    GIVEN = "given"
    """A cursor, with which the engine reads on later: what the service says is passed on
    (``worlds/vercel.py``: ``events_list``).  The last page has one, too, if the world's
    ``last_cursor`` says so."""
    NONE = "none"
    """Nothing: there is one page with the whole log (``worlds/local.py``: ``events_list``)."""


@attrs.frozen
class SubjectProfile:
    """How the adapter between a foreign engine and our worlds behaves."""

    subject_errors: SubjectErrors = one_of(SubjectErrors.HOSTED)
    """In whose words the world refuses: the SDK's own local world's (its ``worlds/local.py``), or
    those of its client for the hosted service (its ``worlds/vercel.py``)."""
    subject_cursor: SubjectCursor = one_of(SubjectCursor.GIVEN)
    """What a page of the log says about reading on: a cursor, as the hosted service does, or
    nothing, for it is the whole log, as the SDK's own local world does."""


@attrs.frozen
class ForeignProgram:
    """A workflow in the words of another engine, by names only: nothing is imported to hold it."""

    subject: str
    """The engine that runs it, as in ``simworld hunt --subject``: ``vercel-workflow``."""
    module: str
    """Where the workflow and its steps are: what Python can import (``shop.flows``)."""
    workflow: str
    """Name of the workflow function in there."""
    since: str = ""
    """The first version of the engine that can run it (``0.11.0``); empty: all that are handled."""

    @property
    def name(self) -> str:
        """The workflow's name, for people."""
        return self.workflow
