"""Recorded logs of real engines: read as JSON, judged by every law that a log alone can break."""

from simworld.check.recorded.forms import LOG_LAWS
from simworld.check.recorded.judging import LogJudge, check_log

__all__ = ["LOG_LAWS", "LogJudge", "check_log"]
