"""What the interposed ports write down: labels, records and outcomes of every kind of call."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from simworld.engine import (
    HookCreated,
    HookDisposed,
    HookReceived,
    RunCompleted,
    RunCreated,
    RunStarted,
    RunStatus,
    StepCreated,
    WaitCompleted,
    WaitCreated,
)
from simworld.errors import EntityConflictError, HookNotFoundError, IndefiniteFailure
from simworld.ports import Storage, Streams
from simworld.records import Committed, Fault, LogPosition, LostAnswer, Op, Turn, WorldProfile
from simworld.sim import (
    Kernel,
    Labels,
    RecordedFaults,
    SimClock,
    SimIds,
    SimStorage,
    SimStreams,
    SimTasks,
)
from simworld.worlds import AtomicWorld, MemoryStreams
from tests.sim.test_kernel import Last, Stay

RUN, OTHER = "wrun_1", "wrun_2"


class Rig:
    """A world behind its interposition."""

    def __init__(
        self, explorer: Any = None, faults: tuple[Fault, ...] = (), *, mints: bool = False
    ) -> None:
        self.kernel = Kernel(
            explorer=explorer or Stay(),
            faults=RecordedFaults(faults),
            turns_max=1_000,
            full_trace=True,
        )
        self.labels = Labels()
        tasks = SimTasks(self.kernel, self.labels)
        profile = WorldProfile(
            log_position=LogPosition.MINT_AT_START if mints else LogPosition.AT_COMMIT
        )
        clock = SimClock(self.kernel)
        self.world = AtomicWorld(clock=clock, ids=SimIds(), profile=profile, tasks=tasks)
        self.storage: Storage = SimStorage(self.kernel, self.labels, self.world)
        self.streams: Streams = SimStreams(self.kernel, self.labels, MemoryStreams(tasks=tasks))
        for label in ("step_A work#1", "hook_A hook#2", "wait_A sleep#3"):
            self.labels.learn(*label.split())

    def plays(self, **tasks: Callable[[], Coroutine[Any, Any, None]]) -> Rig:
        """Run these tasks, each on a host of its own, to the end."""
        for name, work in tasks.items():
            self.kernel.spawn(name, work, part=name, op=Op(f"begin {name}"), on_lost=lambda: None)
        self.kernel.run()
        self.kernel.close()
        return self

    @property
    def turns(self) -> list[Turn]:
        """All turns but the beginnings."""
        return [turn for turn in self.kernel.trace or () if not turn.op.startswith("begin ")]

    def said(self) -> list[tuple[str, str]]:
        return [(turn.op, turn.outcome) for turn in self.turns]

    def committed(self) -> list[Committed]:
        return [each for each in self.kernel.records if isinstance(each, Committed)]


def labels_of(turn: Turn) -> dict[str, bool]:
    return dict(turn.labels)


def test_hooks_and_waits_are_labelled_and_recorded_with_their_rows() -> None:
    rig = Rig()

    async def work() -> None:
        create = rig.storage.create
        await create(RUN, RunCreated("flow", b""))
        await create(RUN, RunStarted())
        await create(RUN, HookCreated("hook_A", "order-7"))
        await create(RUN, WaitCreated("wait_A", 5))
        await create(RUN, HookReceived("hook_A", "order-7", b""))
        await create(RUN, WaitCompleted("wait_A", 5))
        await create(RUN, HookDisposed("hook_A", "order-7"))

    rig.plays(a=work)
    _, _, hook, wait, received, completed, disposed = rig.turns
    token, own, sleep = "token order-7", "hook run/hook#2", "wait run/sleep#3"
    log = {"log run": True}
    assert labels_of(hook) == {own: True, token: True, "run run": False, **log}
    assert labels_of(wait) == {sleep: True, "run run": False, **log}
    assert labels_of(received) == {own: True, "run run": False, **log}
    assert labels_of(completed) == {sleep: True, **log}
    assert labels_of(disposed) == {own: True, token: True, **log}
    assert [turn.op for turn in rig.turns[2:]] == [
        "record hook_created of hook#2",
        "record wait_created of sleep#3",
        "record hook_received of hook#2",
        "record wait_completed of sleep#3",
        "record hook_disposed of hook#2",
    ]
    told = rig.committed()[2:]
    assert [each.step for each in told] == ["hook#2", "sleep#3", "hook#2", "sleep#3", "hook#2"]
    assert [each.hook_row is not None for each in told] == [True, False, True, False, True]
    assert [each.wait_row is not None for each in told] == [False, True, False, True, False]


def test_a_conflict_says_who_has_the_token_and_the_end_of_a_run_frees_its_tokens() -> None:
    rig = Rig()

    async def work() -> None:
        for run in (RUN, OTHER):
            await rig.storage.create(run, RunCreated("flow", b""))
            await rig.storage.create(run, RunStarted())
            await rig.storage.create(run, HookCreated("hook_A", "order-7"))
        await rig.storage.hook("order-7")
        await rig.storage.create(RUN, RunCompleted(b""))
        with pytest.raises(HookNotFoundError):
            await rig.storage.hook("order-7")

    rig.plays(a=work)
    assert rig.said()[5:7] == [
        ("record hook_created of run.2/hook#2", "event 3: hook_conflict, run has the token"),
        ("find the hook of token order-7", "hook#2 of run"),
    ]
    found, ended, missed = rig.turns[6:]
    assert labels_of(found) == {"token order-7": False}
    assert labels_of(ended) == {"run run": True, "token order-7": True, "log run": True}
    assert missed.outcome == "refused: 404, no live hook has this token"


def test_a_start_that_creates_its_run_is_recorded_as_two_events() -> None:
    rig = Rig()

    async def work() -> None:
        await rig.storage.create(RUN, RunStarted("flow", b"in"))

    rig.plays(a=work)
    created, started = rig.committed()
    assert [created.event, started.event] == rig.world.logs[RUN]
    assert (created.run_row.status, created.run_row.started_at_ms) == (RunStatus.PENDING, 0)
    assert started.run_row.status is RunStatus.RUNNING
    assert created.turn == started.turn


def test_a_minted_event_is_recorded_when_it_takes_effect_by_whom_it_does() -> None:
    rig = Rig(Last(), mints=True)

    async def setup() -> None:
        await rig.storage.create(RUN, RunCreated("flow", b""))
        await rig.storage.create(RUN, RunStarted())
        await rig.storage.create(RUN, StepCreated("step_A", "work", b""))

    async def late() -> None:
        await rig.storage.create(RUN, WaitCreated("wait_A", 5))

    async def early() -> None:
        await rig.storage.create(RUN, HookCreated("hook_A", "order-7"))

    async def both() -> None:
        await setup()
        await rig.kernel.gather([("late", late()), ("early", early())])

    rig.plays(s=both)
    publishes = [turn for turn in rig.turns if turn.op.startswith("publish")]
    assert [each.turn for each in rig.committed()] == [turn.turn for turn in publishes]
    assert [each.task for each in rig.committed()] == [turn.task for turn in publishes]
    assert publishes[2].op == "publish step_created of work#1"
    by_position = {each.event.position: each for each in rig.committed()}
    outcomes = {turn.turn: turn.outcome for turn in rig.turns}
    assert [outcomes[each.turn].startswith(f"event {at}") for at, each in by_position.items()] == [
        True
    ] * 5
    minted, published = rig.turns[4], publishes[2]
    assert labels_of(minted) == labels_of(published)  # both halves touch what the create touches


@pytest.mark.parametrize("operation", [2, 3])
def test_an_answer_is_lost_in_either_half_of_a_minted_create(operation: int) -> None:
    rig = Rig(faults=(Fault("lost_answer", "a", operation),), mints=True)
    told: list[str] = []

    async def work() -> None:
        try:
            await rig.storage.create(RUN, RunCreated("flow", b""))
        except IndefiniteFailure as error:
            told.append(str(error))

    rig.plays(a=work)
    assert told == ["the answer to 'record run_created' was lost"]
    assert len(rig.committed()) == 1
    assert rig.kernel.fired == [Fault("lost_answer", "a", 3)]


def test_streams_are_choice_points_whose_answers_may_be_lost() -> None:
    rig = Rig(faults=(Fault("lost_answer", "a", 3),))

    async def work() -> None:
        await rig.streams.write(RUN, "out", [b"1"])
        with pytest.raises(IndefiniteFailure):
            await rig.streams.write(RUN, "out", [b"2", b"3"])
        await rig.streams.info(RUN, "out")
        await rig.streams.names(RUN)
        await rig.streams.close(RUN, "out")
        with pytest.raises(EntityConflictError):
            await rig.streams.write(RUN, "out", [b"4"])
        await rig.streams.read(RUN, "out", 1, live=True)

    rig.plays(a=work)
    assert rig.said() == [
        ("write to stream out", "1 chunk"),
        ("write to stream out", "done, but the answer is lost"),
        ("look at stream out", "up to chunk 2"),
        ("list the streams", "out"),
        ("close stream out", ""),
        (
            "write to stream out",
            "refused: 409 stream 'out' of run is closed",
        ),
        ("follow stream out", "2 chunks from 1, the end"),
    ]
    assert labels_of(rig.turns[0]) == {"stream run/out": True, "streams run": True}
    assert labels_of(rig.turns[2]) == {"stream run/out": False}
    assert [each for each in rig.kernel.records if isinstance(each, LostAnswer)]


def test_a_live_reader_waits_for_the_writer() -> None:
    rig = Rig()
    read: list[object] = []

    async def reader() -> None:
        read.append(await rig.streams.read(RUN, "out", 0, live=True))

    async def writer() -> None:
        await rig.streams.write(RUN, "out", [b"1"])

    rig.plays(reader=reader, writer=writer)
    assert read == [([b"1"], False)]
    assert [turn.op for turn in rig.turns] == [
        "follow stream out",
        "write to stream out",
        "go on: what it waited for has happened",
    ]
    assert rig.turns[-1].outcome == "1 chunk from 0"


def test_runs_are_called_the_same_whatever_their_ids_are() -> None:
    labels = Labels()
    assert [labels.run(f"wrun_{n}") for n in (1, 2, 12)] == ["run", "run.2", "run.12"]
    assert labels.run("wrun_01ABC") == "wrun_01ABC"  # nobody knows where it comes from, yet
    assert labels.run("wrun_01ABC", "run/work#3") == "run:work#3"
    assert labels.run("wrun_02ABC", "run/work#3") == "run:work#3.2"
    assert labels.run("wrun_01ABC", "run/other#1") == "run:work#3"
    assert labels.run("wrun_03ABC", "run:work#3/child#1") == "run:work#3:child#1"


def test_names_with_ids_in_them_are_reworded() -> None:
    labels = Labels()
    labels.learn("step_01ABCDEFGHJKMNPQRSTVWXYZ01", "work#3")
    assert labels.reworded("step_01ABCDEFGHJKMNPQRSTVWXYZ01.2.1") == "work#3.2.1"
    assert labels.reworded("plain") == "plain"
    assert list(labels.all()) == ["step_01ABCDEFGHJKMNPQRSTVWXYZ01"]


def test_a_refusal_says_once_what_was_refused_and_names_runs_by_their_labels() -> None:
    rig = Rig()

    async def work() -> None:
        for run_id in (RUN, OTHER):
            rig.labels.run(run_id)
            for _ in range(2):
                with contextlib.suppress(EntityConflictError):
                    await rig.storage.create(run_id, RunCreated("flow", b""))

    rig.plays(a=work)
    assert [outcome for _, outcome in rig.said()[1::2]] == [
        "refused: 409 run is pending",
        "refused: 409 run.2 is pending",
    ]


def test_a_label_that_is_expected_counts_once_its_event_has_come_about():
    labels = Labels()
    labels.expect("step_x", 7, "work#2")
    labels.expect("step_x", 9, "work#3")
    assert labels.expected("step_x") == "work#3"
    assert labels.readable("step_x") == "step_x"
    assert labels.created("step_x", 8) == "step_x"  # somebody else's
    assert labels.created("step_x", 7) == labels.readable("step_x") == "work#2"
    labels.expect("step_x", 12, "work#4")
    assert labels.expected("step_x") == "work#2"
    assert labels.expected("step_y") == "step_y"
