"""The simulated wire: what befalls requests on their way, and who learns of it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import attrs
import pytest

from simworld.campaign import (
    Hunter,
    Trial,
    load_scenarios,
    placed,
    prepared,
    preset,
    run_trial,
    with_knob,
)
from simworld.engine import (
    RunCreated,
    RunStarted,
    StepCreated,
    StepStarted,
    WaitCompleted,
    WaitCreated,
)
from simworld.entropy import Stream
from simworld.errors import EntityConflictError, IndefiniteFailure, UsageError
from simworld.explore import Default, Replay
from simworld.records import (
    Committed,
    Fault,
    FaultBudget,
    HostedProfile,
    LogRead,
    LostAnswer,
    Op,
    Profile,
    WaitRefused,
    Workload,
    WorldProfile,
)
from simworld.sim import (
    EPOCH_MS,
    Kernel,
    Labels,
    LockstepKernel,
    Nemesis,
    RecordedFaults,
    SimClock,
    SimIds,
    SimTasks,
    SimWire,
)
from simworld.worlds import AtomicWorld, HostedStreams, HostedWorld, MemoryStreams
from tests.campaign import wide
from tests.sim.test_kernel import Last, Stay

RUN = "wrun_1"
STEP, WAIT = "step_0123456789A", "wait_0123456789A"
SCENARIOS = load_scenarios("scenarios")
REQUEST_KINDS = ("lost_request", "duplicate_request", "late_answer", "stale_read", "holed_read")
EVERYTHING = FaultBudget(
    duplicates=2,
    crashes=2,
    lost_answers=2,
    kill_bodies=1,
    lost_requests=2,
    duplicate_requests=2,
    late_answers=2,
    stale_reads=2,
    holed_reads=2,
)

Work = Callable[[], Coroutine[Any, Any, None]]


class Rig:
    """A hosted world at the end of a wire; its run exists, and a step and a wait of it."""

    def __init__(self, *faults: Fault, explorer: Any = None, timeout_ms: int = 30_000) -> None:
        self.kernel = Kernel(
            explorer=explorer or Stay(),
            faults=RecordedFaults(faults),
            turns_max=1_000,
            full_trace=True,
        )
        self.labels = Labels()
        tasks = SimTasks(self.kernel, self.labels)
        profile = HostedProfile(request_timeout_ms=timeout_ms)
        self.server = AtomicWorld(
            clock=SimClock(self.kernel), ids=SimIds(), profile=WorldProfile(), tasks=tasks
        )
        wire = SimWire(self.kernel, self.labels, profile)
        self.world = HostedWorld(wire, server=self.server, profile=profile)
        self.streams = HostedStreams(wire, server=MemoryStreams(tasks=tasks))
        self.told: list[Any] = []
        step, wait = StepCreated(STEP, "work", b""), WaitCreated(WAIT, 5)
        for fact in (RunCreated("flow", b""), RunStarted(), step, wait):
            self.server.commit(RUN, fact)
        self.labels.learn(STEP, "work#1")
        self.labels.learn(WAIT, "sleep#2")

    def plays(self, **tasks: Work) -> Rig:
        """Run these tasks, each on a host of its own, to the end; what fails is told."""
        for name, work in tasks.items():
            self.kernel.spawn(
                name, lambda work=work: self._told(work()), part=name, op=Op("begin"), on_lost=_none
            )
        self.kernel.run()
        self.kernel.close()
        return self

    async def _told(self, work: Coroutine[Any, Any, Any]) -> None:
        try:
            self.told.append(await work)
        except (EntityConflictError, IndefiniteFailure, UsageError) as error:
            self.told.append(type(error))

    async def starts(self) -> None:
        await self.world.create(RUN, StepStarted(STEP, "work"))

    async def reads(self) -> tuple[int, ...]:
        page = await self.world.events(RUN)
        return tuple(event.position for event in page.events)

    @property
    def said(self) -> list[tuple[str, str, str]]:
        """(task, operation, outcome) of all turns but the beginnings."""
        trace = self.kernel.trace or ()
        return [(turn.task, turn.op, turn.outcome) for turn in trace if turn.op != "begin"]

    def found(self, kind: type) -> list[Any]:
        """The records of a kind."""
        return [each for each in self.kernel.records if isinstance(each, kind)]

    @property
    def took_ms(self) -> int:
        return self.kernel.now_ms - EPOCH_MS


def _none() -> None:
    """Nobody cares that it is lost."""


# --- a healthy request --------------------------------------------------------------------------


def test_a_request_and_its_answer_arrive_as_operations_of_their_own() -> None:
    rig = Rig()
    rig.plays(a=rig.starts)
    assert rig.said == [
        ("a", "wait for the answer: record step_started of work#1", ""),
        ("a/step_started.work#1", "record step_started of work#1", "event 5, attempt 1"),
        ("a", "get the answer: record step_started of work#1", "event 5, attempt 1"),
    ]
    arrived = (rig.kernel.trace or ())[2]
    assert dict(arrived.labels) == {"step run/work#1": True, "log run": True}
    (committed,) = rig.found(Committed)
    assert (committed.turn, committed.step) == (arrived.turn, "work#1")
    assert committed.step_row is not None
    assert committed.step_row.attempt == 1


def test_an_answer_that_is_there_already_is_not_waited_for() -> None:
    rig = Rig(explorer=Last())
    rig.plays(a=rig.starts)
    assert [turn[:2] for turn in rig.said] == [
        ("a/step_started.work#1", "record step_started of work#1"),
        ("a", "wait for the answer: record step_started of work#1"),
    ]
    assert rig.told == [None]


def test_requests_of_two_senders_may_arrive_in_any_order() -> None:
    rig = Rig(explorer=Last())
    rig.plays(a=rig.starts, b=rig.starts)
    assert [each.task for each in rig.found(Committed)] == [
        "b/step_started.work#1",
        "a/step_started.work#1",
    ]


def test_refusals_travel_too() -> None:
    rig = Rig()

    async def work() -> None:
        await rig.world.create(RUN, WaitCompleted(WAIT, 5))
        await rig.world.create(RUN, WaitCompleted(WAIT, 5))

    rig.plays(a=work)
    assert rig.told == [EntityConflictError]
    outcome = "refused: 409 wait sleep#2 is completed"
    assert [each[2] for each in rig.said[-2:]] == [outcome] * 2
    assert [(each.task, each.wait) for each in rig.found(WaitRefused)] == [("a", "sleep#2")]


def test_a_reader_is_told_what_the_page_has() -> None:
    rig = Rig()
    rig.plays(a=rig.reads)
    assert rig.told == [(1, 2, 3, 4)]
    assert [(each.task, each.rows) for each in rig.found(LogRead)] == [("a", 4)]
    assert rig.said[-1] == ("a", "get the answer: read the log", "4 events, up to position 4")


def test_a_bad_cursor_is_its_readers_mistake() -> None:
    rig = Rig()

    async def work() -> None:
        await rig.world.events(RUN, "no cursor")

    rig.plays(a=work)
    assert rig.told == [UsageError]


def test_a_live_reader_waits_on_the_server_for_as_long_as_it_takes() -> None:
    rig = Rig(timeout_ms=100)

    async def follow() -> Sequence[bytes]:
        return (await rig.streams.read(RUN, "out", 0, live=True)).chunks

    async def write() -> None:
        await SimClock(rig.kernel).sleep_ms(5_000)
        await rig.streams.write(RUN, "out", [b"1"])

    rig.plays(a=follow, b=write)
    assert rig.told == [None, [b"1"]]
    assert ("a/follow", "go on: what it waited for has happened", "1 chunks") in rig.said


# --- faults -------------------------------------------------------------------------------------


def test_a_lost_request_is_never_performed_and_its_sender_gives_up() -> None:
    fault = Fault("lost_request", "a/step_started.work#1", 1)
    rig = Rig(fault)
    rig.plays(a=rig.starts)
    assert rig.told == [IndefiniteFailure]
    assert not rig.found(Committed)
    assert [each.op for each in rig.found(LostAnswer)] == ["record step_started of work#1"]
    assert rig.took_ms == 30_000
    assert rig.kernel.last_fault_ms == rig.kernel.now_ms
    assert rig.kernel.fired == [fault]
    assert rig.said[-1][2] == "no answer within 30000 ms"


def test_a_lost_request_to_follow_a_stream_is_given_up_too() -> None:
    rig = Rig(Fault("lost_request", "a/follow", 1))

    async def follow() -> None:
        await rig.streams.read(RUN, "out", 0, live=True)

    rig.plays(a=follow)
    assert rig.told == [IndefiniteFailure]


@pytest.mark.parametrize("more", [1, 2])
def test_a_duplicate_request_is_performed_again_and_its_answer_dropped(more: int) -> None:
    rig = Rig(Fault("duplicate_request", "a/step_started.work#1", more))
    rig.plays(a=rig.starts)
    assert rig.told == [None]
    assert [each.step_row.attempt for each in rig.found(Committed)] == [1, 2, 3][: more + 1]
    assert sum("get the answer" in each[1] for each in rig.said) == 1


def test_a_refused_duplicate_is_no_refusal_to_the_sender() -> None:
    rig = Rig(Fault("duplicate_request", "a/wait_completed.sleep#2", 1))

    async def work() -> None:
        await rig.world.create(RUN, WaitCompleted(WAIT, 5))

    rig.plays(a=work)
    assert rig.told == [None]
    assert ("a/wait_completed.sleep#2~2", "refused: 409 wait sleep#2 is completed") in [
        (each[0], each[2]) for each in rig.said
    ]
    assert not rig.found(WaitRefused)


def test_a_late_request_is_performed_when_its_sender_has_given_up() -> None:
    rig = Rig(Fault("late_answer", "a/step_started.work#1", 700))
    rig.plays(a=rig.starts)
    assert rig.told == [IndefiniteFailure]
    (committed,) = rig.found(Committed)
    (lost,) = rig.found(LostAnswer)
    assert (lost.now_ms - EPOCH_MS, committed.now_ms - EPOCH_MS) == (30_000, 30_700)
    assert rig.kernel.last_fault_ms == committed.now_ms


@pytest.mark.parametrize(
    ("kind", "seen"), [("stale_read", (1, 2, 3, 4, 5)), ("holed_read", (1, 2, 3, 4, 5, 7))]
)
def test_a_replica_answers_a_read(kind: str, seen: tuple[int, ...]) -> None:
    rig = Rig(Fault(kind, "a/read_log.2", 2))

    async def work() -> list[tuple[int, ...]]:
        for _ in range(3):
            await rig.starts()
        return [await rig.reads(), await rig.reads(), await rig.reads()]

    rig.plays(a=work)
    assert rig.told == [[(1, 2, 3, 4, 5, 6, 7), seen, (1, 2, 3, 4, 5, 6, 7)]]


@pytest.mark.parametrize("operation", [2, 3])
def test_an_answer_may_be_lost_on_the_last_bit_of_its_way(operation: int) -> None:
    rig = Rig(Fault("lost_answer", "a", operation))
    rig.plays(a=rig.starts)
    assert rig.told == [IndefiniteFailure]
    assert len(rig.found(Committed)) == 1
    assert rig.kernel.fired == [Fault("lost_answer", "a", 3)]
    assert rig.took_ms == 0


def test_the_request_of_a_host_that_dies_goes_on() -> None:
    rig = Rig(Fault("crash", "a", 2))
    rig.plays(a=rig.starts)
    assert rig.told == []
    assert [each.task for each in rig.found(Committed)] == ["a/step_started.work#1"]
    assert [each[0] for each in rig.said] == ["a", "a/step_started.work#1"]


def test_a_sender_may_die_when_the_answer_is_there() -> None:
    rig = Rig(Fault("crash", "a", 3))
    rig.plays(a=rig.starts)
    assert rig.told == []
    assert len(rig.found(Committed)) == 1


# --- the nemesis --------------------------------------------------------------------------------


def drawn(budget: FaultBudget, number: int) -> Nemesis:
    return Nemesis(Stream(number), budget, ["work#1", "work#2"])


def test_budgets_of_requests_draw_nothing_where_there_are_none() -> None:
    """So that trials of worlds without a wire are what they have always been."""
    old = FaultBudget(duplicates=3, crashes=2, lost_answers=2)
    for number in range(50):
        nemesis, stream = drawn(old, number), Stream(number)
        for most in (3, 2, 2):
            if stream.chance(0.8) and not stream.chance(0.5):
                stream.between(1, most)
        if stream.chance(0.5):
            stream.choice(["work#1", "work#2", "flow"])
        assert nemesis._stream.random() == stream.random()


@pytest.mark.parametrize("kind", REQUEST_KINDS)
def test_no_more_requests_are_struck_than_the_budget_has(kind: str) -> None:
    struck, victims, values = 0, set(), set()
    for number in range(40):
        nemesis = drawn(FaultBudget(**{f"{kind}s": 2}), number)
        faults = [
            nemesis.strikes(f"start/{part}/x.{each}", part, {kind: 3, "other": 1})
            for each in range(60)
            for part in ("flow", "work#1", "work#2")
        ]
        hits = [fault for fault in faults if fault is not None]
        assert len(hits) <= 2
        struck = max(struck, len(hits))
        if nemesis.victim:
            assert all(f"/{nemesis.victim}/" in fault.target for fault in hits)
            victims.add(nemesis.victim)
        values |= {(fault.kind, fault.value) for fault in hits}
    assert struck == 2
    assert victims == {"flow", "work#1", "work#2"}
    assert values == {(kind, 1), (kind, 2), (kind, 3)}


def test_requests_of_clients_are_spared_and_so_are_those_of_phase_2() -> None:
    class Eager(RecordedFaults):
        """Tells which requests could have been struck."""

        def strikes(self, name: str, part: str, most: Any) -> None:
            asked.append((name, part))

    asked: list[tuple[str, str]] = []
    rig, eager = Rig(), Eager(())
    rig.kernel.faults = eager
    rig.kernel.spawn("client", rig.starts, part="client", op=Op("begin"))
    rig.plays(**{"client/work#3~2": rig.starts})
    assert asked == [("client/work#3~2/step_started.work#1", "work#3")]
    rig = Rig()
    rig.kernel.faults = eager
    rig.kernel._end_search()
    rig.plays(**{"client/flow": rig.starts})
    assert len(asked) == 1


# --- whole trials -------------------------------------------------------------------------------


def hunter(name: str, variant: str, budget: FaultBudget = EVERYTHING) -> Hunter:
    scenario = wide.scenario if name == "wide" else SCENARIOS[name]
    cases = tuple(attrs.evolve(each, budget=budget, expect={}) for each in scenario.cases)
    return Hunter(attrs.evolve(scenario, cases=cases), placed(preset(variant), "hosted"))


def compared(trial: Trial) -> dict[str, object]:
    """All of a trial."""
    return {field.name: getattr(trial, field.name) for field in attrs.fields(Trial)}


@pytest.mark.parametrize("variant", ["v2_merge", "fixed"])
def test_trials_on_a_server_are_repeated_replayed_and_carried_out_by_trio(variant: str) -> None:
    own, kinds = hunter("inflated_attempts", variant), set()
    for number in range(40):
        setup = own.setup(number)
        trial = run_trial(setup)
        assert compared(run_trial(own.setup(number))) == compared(trial)
        if number % 4 == 0:
            lockstep = run_trial(own.setup(number), kernel_type=LockstepKernel)
            assert compared(lockstep) == compared(trial)
        replay = Replay(trial.schedule, strict=True)
        replay.begin(Stream(0), Profile())
        again = run_trial(attrs.evolve(setup, explorer=replay, faults=RecordedFaults(trial.faults)))
        assert again.digest == trial.digest
        assert again.faults == trial.faults
        kinds |= {fault.kind for fault in trial.faults}
    assert set(REQUEST_KINDS) < kinds


def test_what_a_server_has_performed_is_in_the_log_and_nothing_else_is() -> None:
    own, lost = hunter("inflated_attempts", "v2_merge"), 0
    for number in range(60):
        trial = own.trial(number)
        log = [event for events in trial.final.logs.values() for event in events]
        assert [each.event for each in trial.records if isinstance(each, Committed)] == log
        lost += sum(isinstance(each, LostAnswer) for each in trial.records)
    assert lost > 20


def test_the_fixed_variant_survives_all_that_befalls_requests() -> None:
    """Replicas are another matter: whoever reads last and is shown less ends the run's chain."""
    budget = attrs.evolve(EVERYTHING, stale_reads=0, holed_reads=0)
    for name in ("inflated_attempts", "cursor_dedupe"):
        own = hunter(name, "fixed", budget)
        for number in range(60):
            trial = own.trial(number)
            assert str(trial.verdict) == "PASS", (number, trial.anomalies)


def test_hooks_streams_and_children_on_a_server_without_faults() -> None:
    own = hunter("wide", "fixed", FaultBudget())
    for number in range(10):
        trial = own.trial(number)
        assert str(trial.verdict) == "PASS", (number, trial.anomalies)
        assert trial.final.streams


# --- what stale reads do to the merged engine ------------------------------------

MESSAGE = "start/flow/work#2"


def struck(fault: Fault, *knobs: str, preset_name: str = "v2_merge", steps: int = 2) -> str:
    """Some steps side by side in the boring order of things, with one read struck."""
    variant = placed(preset(preset_name), "hosted")
    for knob in ("lag_max=9", *knobs):
        variant = with_knob(variant, knob)
    scenario = SCENARIOS["inflated_attempts"]
    faults = RecordedFaults([fault])
    setup = prepared(scenario, scenario.cases[0], variant, Workload(steps=steps), Default(), faults)
    trial = run_trial(setup)
    assert trial.faults == (fault,)
    return str(trial.verdict)


@pytest.mark.parametrize("kind", ["stale_read", "holed_read"])
def test_r13_the_last_completer_does_not_see_that_it_is_the_last(kind: str) -> None:
    assert struck(Fault(kind, f"{MESSAGE}/read_log", 1)) == "FAIL L-01"
    # Where everybody continues, the next one makes up for what this one has missed.
    continued = Fault(kind, f"{MESSAGE}/flow/read_log", 1)
    assert struck(continued, "bg_after=always_continue", steps=3) == "PASS"


@pytest.mark.parametrize(
    ("check", "verdict"), [("eq_running", "FAIL L-01"), ("not_terminal", "PASS")]
)
def test_r24_a_step_message_is_acknowledged_on_a_stale_run(check: str, verdict: str) -> None:
    # As merged, the ids would come from the time of the start, which a stale row does not know.
    stale = Fault("stale_read", f"{MESSAGE}/read_run", 5)
    assert struck(stale, f"bg_status_check={check}", preset_name="fixed") == verdict
