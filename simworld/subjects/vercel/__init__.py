"""The Python SDK for durable workflows, from PyPI, as a subject; whoever imports this has it."""
