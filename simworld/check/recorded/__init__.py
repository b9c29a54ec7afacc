"""Recorded logs of real engines: read as JSON, judged by every law that a log alone can break."""

from simworld.check.recorded.forms import FORMS
from simworld.check.recorded.judging import LogJudge, check_log

__all__ = ["FORMS", "LogJudge", "check_log"]
