"""The scenario book (spec §8.6): interleavings that people know by heart, scripted.

``simworld book`` runs every page on every preset.
"""
