"""Subjects: engines that nobody here wrote, at the seam where ours is (nothing imports them)."""

from simworld.subjects.alone import (
    Command,
    Failed,
    Seen,
    added_by,
    command_of,
    evidence_of,
    script_of,
)
from simworld.subjects.bridge import Bridge, Surroundings
from simworld.subjects.client import SubjectClient
from simworld.subjects.installed import (
    SUBJECTS,
    Subject,
    installed_version,
    is_too_new,
    open_host,
    subject_named,
)
from simworld.subjects.own import OwnWorld, own_world
from simworld.subjects.seam import Trial as SubjectTrial
from simworld.subjects.venvs import is_version, python_of

__all__ = [
    "SUBJECTS",
    "Bridge",
    "Command",
    "Failed",
    "OwnWorld",
    "Seen",
    "Subject",
    "SubjectClient",
    "SubjectTrial",
    "Surroundings",
    "added_by",
    "command_of",
    "evidence_of",
    "installed_version",
    "is_too_new",
    "is_version",
    "open_host",
    "own_world",
    "python_of",
    "script_of",
    "subject_named",
]
