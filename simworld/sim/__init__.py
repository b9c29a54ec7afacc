"""The simulator: kernel, virtual time, interposition of every port, and the nemesis."""

from simworld.sim.cycles import cycle_of
from simworld.sim.inside import AskerIds, InsideStorage, InsideStreams, per_host
from simworld.sim.kernel import Kernel
from simworld.sim.labels import MAIN_RUN, Labels
from simworld.sim.lockstep import LockstepKernel
from simworld.sim.log import SimLog
from simworld.sim.mishaps import LateHooks, RefusedWrites
from simworld.sim.nemesis import POSITION_MAX, Faults, Nemesis, NoFaults, RecordedFaults, merged
from simworld.sim.parking import PARK
from simworld.sim.ports import FlakeError, HostClock, SimBodies, SimClock, SimIds, SimTasks
from simworld.sim.restart import restarts
from simworld.sim.streams import SimStreams, WatchedStreams
from simworld.sim.strikes import by_position
from simworld.sim.substrates import SimFiles, SimTables
from simworld.sim.tasks import EPOCH_MS, Host, Task
from simworld.sim.wire import SimWire
from simworld.sim.world import SimQueue, SimStorage

__all__ = [
    "EPOCH_MS",
    "MAIN_RUN",
    "PARK",
    "POSITION_MAX",
    "AskerIds",
    "Faults",
    "FlakeError",
    "Host",
    "HostClock",
    "InsideStorage",
    "InsideStreams",
    "Kernel",
    "Labels",
    "LateHooks",
    "LockstepKernel",
    "Nemesis",
    "NoFaults",
    "RecordedFaults",
    "RefusedWrites",
    "SimBodies",
    "SimClock",
    "SimFiles",
    "SimIds",
    "SimLog",
    "SimQueue",
    "SimStorage",
    "SimStreams",
    "SimTables",
    "SimTasks",
    "SimWire",
    "Task",
    "WatchedStreams",
    "by_position",
    "cycle_of",
    "merged",
    "per_host",
    "restarts",
]
