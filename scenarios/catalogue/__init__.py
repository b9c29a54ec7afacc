"""The catalogue of known races (spec §6): a scenario that finds each, and its entry beside it.

Hunted by name, and by ``simworld catalogue --run``.
"""
