"""The simulator: kernel, virtual time, interposition of every port, and the nemesis."""

from simworld.sim.inside import InsideStorage, InsideStreams, per_host
from simworld.sim.kernel import Kernel
from simworld.sim.labels import Labels
from simworld.sim.lockstep import LockstepKernel
from simworld.sim.log import SimLog
from simworld.sim.nemesis import POSITION_MAX, Faults, Nemesis, NoFaults, RecordedFaults, merged
from simworld.sim.parking import PARK
from simworld.sim.ports import FlakeError, SimBodies, SimClock, SimIds, SimTasks
from simworld.sim.streams import SimStreams
from simworld.sim.substrates import SimFiles, SimTables
from simworld.sim.tasks import EPOCH_MS, Host, Task
from simworld.sim.wire import SimWire
from simworld.sim.world import SimQueue, SimStorage

__all__ = [
    "EPOCH_MS",
    "PARK",
    "POSITION_MAX",
    "Faults",
    "FlakeError",
    "Host",
    "InsideStorage",
    "InsideStreams",
    "Kernel",
    "Labels",
    "LockstepKernel",
    "Nemesis",
    "NoFaults",
    "RecordedFaults",
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
    "merged",
    "per_host",
]
