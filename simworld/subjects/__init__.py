"""Subjects: engines that nobody here wrote, at the seam where ours is (nothing imports them)."""

from simworld.subjects.bridge import Bridge, Surroundings
from simworld.subjects.client import SubjectClient
from simworld.subjects.installed import (
    SUBJECTS,
    Subject,
    installed_version,
    open_host,
    subject_named,
)
from simworld.subjects.seam import Trial as SubjectTrial

__all__ = [
    "SUBJECTS",
    "Bridge",
    "Subject",
    "SubjectClient",
    "SubjectTrial",
    "Surroundings",
    "installed_version",
    "open_host",
    "subject_named",
]
