"""Scenarios of the Python SDK from PyPI: ``simworld hunt --subject vercel-workflow``.

Its workflows are in ``flows``, which knows nothing of simworld: it is what users of the SDK write.
"""
