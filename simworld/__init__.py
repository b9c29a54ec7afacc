"""simworld: deterministic simulation and race testing for durable workflow engines.

Start with ``simworld/ARCHITECTURE.md`` (one page), then ``simworld.engine`` (what durable
execution means) and ``simworld.campaign`` (how a scenario becomes a verdict).
"""

__version__ = "0.1.0"
