"""Other engines, measured as ours are: each is a process that speaks the benchmark's protocol.

``python -m bench.peers.dbos_worker`` and ``python -m bench.peers.vercel_worker`` run the workloads
of ``bench.shapes`` that they can express, written as their own documentation has them written, with
the settings that are best for them.  What one cannot express it refuses; what is not installed says
so in its first line.  They come with ``pip install 'simworld[peers]'``.
"""
