"""simworld: deterministic simulation and race testing for durable workflow engines.

Start with ``simworld/ARCHITECTURE.md`` (one page), then ``simworld.engine`` (what durable
execution means) and ``simworld.campaign`` (how a scenario becomes a verdict).  ``scenario``
decorates one in a test module; it is fetched when it is first asked for, so that importing the
package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simworld.campaign import scenario_of as scenario

__all__ = ["scenario"]
__version__ = "0.1.0"

if not TYPE_CHECKING:  # else every misspelt name would have a type

    def __getattr__(name: str) -> object:
        """``scenario``, and nothing else."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return importlib.import_module("simworld.campaign").scenario_of
