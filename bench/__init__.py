"""Benchmarks: what simworld costs, and where the time goes.

``make bench`` runs the ``test_*.py`` files with pytest-benchmark; ``python -m bench.report`` writes
reports/first_light.md.  Only public doors are imported.  No test asserts a time: machines differ,
and a gate that fails on a busy one teaches people to ignore it.
"""
