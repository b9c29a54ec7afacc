"""Benchmarks: what simworld costs, and where the time goes.

``make bench`` runs every program in here; each writes its report and names itself in it.  ``python
-m bench.micro`` drives the ``test_*.py`` files with pytest-benchmark.  Only public doors are
imported.  No test asserts a time: machines differ, and a gate that fails on a busy one teaches
people to ignore it.
"""
