"""Torture of a preset of a world, composed as ``simworld serve`` composes it."""

from __future__ import annotations

import trio

from simworld.campaign import PLACES
from simworld.cli.serve import system
from simworld.service.torture import Torture, torture
from simworld.substrates import PrivateServer


def tortured(name, folder, knobs=(), **plan):
    """What has come of torturing a new world of that preset, with the knobs of its workers."""
    _, settings = system(f"{name}:somewhere", knobs=knobs)

    def do(world):
        given = {"preset": name, "settings": settings, "folder": folder, "knobs": knobs, **plan}
        return trio.run(torture, Torture(world=world, **given))

    if PLACES[name].ground == "local":
        return do(f"local:{folder}/state")
    with PrivateServer(durable=True) as server:
        return do(f"postgres:{server.new_database()}")
