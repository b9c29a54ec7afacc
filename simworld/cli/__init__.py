"""The command line: hunt for races, replay one, list what there is.

Nothing is decided here: a command reads its arguments, checks everything that can be checked
before the first trial, calls the campaign and prints what ``render`` makes of it.  Exit codes:
0 PASS, 1 FAIL, 2 usage, 3 UNKNOWN or not reproduced, 4 the harness itself failed.  Heavy imports
happen inside the commands, so that ``--help`` answers at once.
"""

from simworld.cli.app import main

__all__ = ["main"]
