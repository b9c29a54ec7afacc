"""The queue in a table: deliveries, keys, leases; in memory under virtual time, and on a server."""

from __future__ import annotations

import contextlib

import attrs
import pytest
import trio

from simworld.errors import DefiniteFailure, UsageError, WorldError
from simworld.ports import Delivery, Message, RunInput
from simworld.records import Dedup, QueueProfile
from simworld.worlds import QUEUES, TABLE_QUEUE, TableQueue
from simworld.worlds.queue.job_statements import ADD, DELETE, KEEP, TAKE
from tests.worlds.doubles import Ids, Timeline
from tests.worlds.table_queue_rig import FLOW, STEP, Bug, on_server, simulate

LONG_MS = 200_000
FULL = Message("wrun_2", "step_2", "wörk", RunInput("flow", b"\0\xff"), 3)


def run_for(duration_ms, *script, sends=((FLOW, {}),), lease_ms=30_000, **profile):
    """Send, then consume for so long; the rig afterwards."""

    async def body(rig):
        rig.sent = [await rig.queue.send(message, **how) for message, how in sends]
        await rig.consume_for(duration_ms)
        return rig

    return simulate(body, *script, profile=QueueProfile(**profile), lease_ms=lease_ms)


def left(rig):
    return [row["message_id"] for row in rig.tables.rows("jobs")]


# --- deliveries -----------------------------------------------------------------------------------


@pytest.mark.parametrize("message", [FLOW, STEP, FULL])
def test_a_message_is_delivered_once_and_acknowledged(message):
    rig = run_for(LONG_MS, sends=[(message, {})])
    (reached,) = rig.reached
    assert reached.message == message
    assert (reached.at_ms, reached.message_id, reached.number) == (0, rig.sent[0], 1)
    assert left(rig) == []
    assert rig.errors == []


def test_the_oldest_that_is_due_comes_first_and_none_comes_early():
    rig = run_for(
        LONG_MS,
        sends=[(FLOW, {"delay_s": 7}), (STEP, {}), (FULL, {"delay_s": 3})],
    )
    assert [(each.at_ms, each.message) for each in rig.reached] == [
        (0, STEP),
        (3_000, FULL),
        (7_000, FLOW),
    ]


def test_a_message_that_is_sent_while_all_wait_is_delivered_at_once():
    async def body(rig, other):
        async with rig.consuming():
            await trio.sleep(1.234)
            await other.queue.send(FLOW)
            await trio.sleep(0.001)
            assert rig.times == [1_234]

    simulate(body, profile=TABLE_QUEUE, hosts=2)


def test_a_redelivery_waits_as_long_as_the_handler_said_and_is_told_the_same_number():
    rig = run_for(LONG_MS, (100, 9), (0, 0))
    assert rig.times == [0, 9_100, 9_100]
    assert rig.numbers == [1, 1, 1]
    assert len({each.receipt for each in rig.reached}) == 3


@pytest.mark.parametrize(("counting", "numbers"), [("counted", [1, 2, 3]), ("restarted", [1] * 3)])
def test_whether_a_redelivery_counts_is_a_knob(counting, numbers):
    rig = run_for(LONG_MS, (0, 1), (0, 1), timeout_counting=counting)
    assert rig.numbers == numbers


def test_a_throw_comes_back_later_with_the_next_number():
    rig = run_for(LONG_MS, (100, "throw"), (0, "throw"), redelivery_ms=2_000)
    assert rig.times == [0, 2_100, 4_100]
    assert rig.numbers == [1, 2, 3]
    assert left(rig) == rig.errors == []


def test_redeliveries_grow_and_end_as_the_profile_says():
    rig = run_for(
        LONG_MS,
        *[(0, "throw")] * 9,
        redelivery_ms=1_000,
        redelivery_flat=1,
        redelivery_max_ms=5_000,
        dead_after=4,
    )
    assert rig.times == [0, 1_000, 4_000, 9_000]
    assert left(rig) == []


def test_delays_may_be_cut_or_ignored():
    assert run_for(LONG_MS, sends=[(FLOW, {"delay_s": 50})], delay_max_s=20).times == [20_000]
    assert run_for(LONG_MS, sends=[(FLOW, {"delay_s": 50})], delays="ignored").times == [0]


def test_no_more_handlers_than_workers_run_side_by_side():
    sends = [(FLOW, {})] * 6
    rig = run_for(LONG_MS, *[(1_000, "ack")] * 6, sends=sends, workers=2)
    assert rig.times == [0, 0, 1_000, 1_000, 2_000, 2_000]


# --- leases ---------------------------------------------------------------------------------------


def test_a_long_handler_keeps_its_message_and_stays_alone():
    rig = run_for(LONG_MS, (100_000, "ack"), lease_ms=3_000)
    assert rig.times == [0]
    assert left(rig) == []


def test_the_message_of_a_dead_worker_is_delivered_elsewhere_when_its_lease_is_over():
    async def body(dies, survives):
        await dies.queue.send(FLOW)
        async with dies.consuming():
            await trio.sleep(4)
            dies.host.nursery.cancel_scope.cancel()
        await survives.consume_for(LONG_MS)
        assert dies.times == [0]
        assert dies.ended == []
        # Its lease was last renewed at 3 s.
        assert survives.times == [6_000]
        assert survives.numbers == [2]
        assert survives.reached[0].message_id == dies.reached[0].message_id

    with contextlib.suppress(trio.Cancelled):
        simulate(body, (60_000, "ack"), profile=TABLE_QUEUE, hosts=2, lease_ms=3_000)


def test_a_message_that_kills_its_workers_is_dropped_in_the_end():
    async def body(rig):
        await rig.queue.send(FLOW)
        for _ in range(3):
            await rig.consume_for(100)
            await trio.sleep(3)
        await rig.consume_for(LONG_MS)
        assert rig.numbers == [1, 2]
        assert left(rig) == []

    profile = QueueProfile(dead_after=2)
    simulate(body, *[(9_000, "ack")] * 9, profile=profile, lease_ms=3_000)


def test_a_delivery_that_takes_too_long_is_delivered_again_beside_the_first():
    rig = run_for(LONG_MS, (20_000, "ack"), (20_000, "ack"), delivery_timeout_ms=12_000)
    assert rig.times == [0, 12_000]
    assert [at_ms for at_ms, _ in rig.ended] == [20_000, 32_000]
    assert left(rig) == []


@pytest.mark.parametrize("answer", ["throw", 5])
def test_what_is_not_the_latest_delivery_puts_nothing_back(answer):
    rig = run_for(LONG_MS, (20_000, answer), (30_000, "ack"), delivery_timeout_ms=12_000)
    assert rig.times[:2] == [0, 12_000]
    assert 25_000 not in rig.times


def test_a_renewal_that_comes_late_does_not_delay_what_was_put_back():
    async def body(rig):
        await rig.queue.send(FLOW)
        await rig.consume_for(1_000)
        (job,) = rig.tables.rows("jobs")
        assert job["due_ms"] == 9_000
        late = {"message_id": job["message_id"], "hands": job["hands"] - 1, "until_ms": 30_000}
        assert await rig.tables.run(KEEP, **late) == []

    simulate(body, (0, 9), profile=TABLE_QUEUE)


def test_a_bug_in_the_handler_is_told_and_the_message_comes_back():
    rig = run_for(LONG_MS, (0, "bug"), lease_ms=3_000)
    assert [type(each) for each in rig.errors] == [Bug]
    assert rig.times == [0, 3_000]
    assert left(rig) == []


# --- the end --------------------------------------------------------------------------------------


def test_stop_finishes_what_is_under_way_and_takes_nothing_more():
    async def body(rig):
        await rig.queue.send(FLOW)
        await rig.queue.send(STEP, delay_s=3)
        async with rig.consuming():
            await trio.sleep(1)
            rig.queue.stop()
            await trio.sleep(60)
        assert rig.ended == [(5_000, "ack")]
        assert len(left(rig)) == 1

    simulate(body, (5_000, "ack"), profile=TABLE_QUEUE)


def test_consume_returns_at_once_when_it_is_stopped_with_nothing_under_way():
    async def body(rig):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.queue.consume, rig.handle)
            await trio.sleep(1)
            rig.queue.stop()
        assert trio.current_time() == 1

    simulate(body, profile=TABLE_QUEUE)


def test_a_database_that_is_away_for_a_while_is_asked_again():
    async def body(rig):
        await rig.queue.send(FLOW)
        run, away = rig.tables.run, [3]

        async def sometimes(statement, **values):
            if away[0]:
                away[0] -= 1
                raise DefiniteFailure("away")
            return await run(statement, **values)

        rig.tables.run = sometimes
        await rig.consume_for(LONG_MS)
        (reached_ms,) = rig.times
        assert 1_000 <= reached_ms <= 3_000  # the subscription wakes it, too

    simulate(body, profile=TABLE_QUEUE)


# --- keys -----------------------------------------------------------------------------------------


@attrs.frozen
class Kept:
    """Which of four sends with one key are accepted: while the first waits, while it is handled,
    after it has been acknowledged, and (with another body) while the first waits."""

    waiting: bool
    handled: bool
    deleted: bool
    other_body: bool


KEPT = {
    Dedup.NONE: Kept(True, True, True, True),
    Dedup.QUEUED_ONLY: Kept(False, True, True, False),
    Dedup.IN_FLIGHT: Kept(False, False, True, False),
    Dedup.RETENTION: Kept(False, False, False, False),
    Dedup.KEY_AND_PAYLOAD: Kept(False, False, True, True),
}


@pytest.mark.parametrize("dedup", KEPT)
def test_for_how_long_a_key_keeps_others_out(dedup):
    async def body(rig):
        async def accepted(message=FLOW):
            return bool(await rig.queue.send(message, key="k"))

        async def other():
            return bool(await rig.queue.send(STEP, key="k"))

        assert await accepted()
        found = [await accepted()]
        last = await other()
        async with rig.consuming():
            await trio.sleep(1)
            found.append(await accepted())
            await trio.sleep(100)
            found.append(await accepted())
        assert Kept(*found, last) == KEPT[dedup]

    simulate(body, *[(5_000, "ack")] * 9, profile=QueueProfile(dedup=dedup))


def test_a_key_that_is_retained_is_free_when_its_time_is_over_and_is_swept_up():
    async def body(rig):
        sent = [bool(await rig.queue.send(FLOW, key="k")) for _ in range(2)]
        await rig.consume_for(59_000)
        sent.append(bool(await rig.queue.send(FLOW, key="k")))
        await trio.sleep(2)
        sent.append(bool(await rig.queue.send(FLOW, key="k")))
        assert sent == [True, False, False, True]
        await rig.consume_for(100_000)
        assert len(rig.reached) == 2
        assert left(rig) == []

    simulate(body, profile=QueueProfile(dedup="retention", retention_ms=60_000))


def test_a_message_that_comes_back_takes_its_key_back_unless_somebody_has_it():
    async def body(rig):
        profile = {"key": "k"}
        assert await rig.queue.send(FLOW, **profile)
        async with rig.consuming():
            await trio.sleep(1)  # the first is handled and has lost its key
            assert await rig.queue.send(STEP, delay_s=20, **profile)
            await trio.sleep(5)  # the first waits again, and the second has the key
            assert not await rig.queue.send(STEP, **profile)
            await trio.sleep(100)
        assert [each.message for each in rig.reached] == [FLOW, FLOW, STEP]

    simulate(body, (2_000, 10), profile=QueueProfile(dedup="queued_only"))


def test_wakes_of_one_run_are_one_message_until_somebody_begins_to_handle_it():
    async def body(rig):
        assert await rig.queue.send(FLOW, merge=True)
        assert not await rig.queue.send(FLOW, merge=True)
        assert await rig.queue.send(Message("wrun_2"), merge=True)
        assert await rig.queue.send(FLOW)  # one that brings something of its own
        async with rig.consuming():
            await trio.sleep(1)
            assert len(rig.reached) == 3
            assert await rig.queue.send(FLOW, merge=True)  # the others may have looked before
            await trio.sleep(100)
        assert len(rig.reached) == 5
        assert left(rig) == []

    simulate(body, (2_000, "throw"), (2_000, "ack"), (2_000, "ack"), profile=TABLE_QUEUE)


def test_a_wake_that_is_delivered_again_stands_for_no_others():
    async def body(rig):
        await rig.queue.send(FLOW, merge=True)
        async with rig.consuming():
            await trio.sleep(1)  # it has been thrown, and is due later
            assert await rig.queue.send(FLOW, merge=True)
            await trio.sleep(100)
        assert sorted(rig.numbers) == [1, 1, 2]

    simulate(body, (0, "throw"), profile=QueueProfile(redelivery_ms=5_000))


def test_a_wake_waits_in_the_table_while_its_run_is_being_looked_at():
    async def body(rig):
        await rig.queue.send(FLOW)
        async with rig.consuming():
            await trio.sleep(1)
            assert await rig.queue.send(FLOW, merge=True)
            await rig.queue.send(Message("wrun_2"), merge=True)
            await rig.queue.send(STEP)
            await trio.sleep(0.5)
            assert len(rig.reached) == 3
            assert not await rig.queue.send(FLOW, merge=True)
            await trio.sleep(10)
        assert [each.at_ms for each in rig.reached if each.message == FLOW] == [0, 2_000]
        assert left(rig) == []

    simulate(body, (2_000, "ack"), profile=TABLE_QUEUE)


def test_a_delivery_that_has_looked_lets_the_next_wake_pass():
    async def body(rig):
        await rig.queue.send(FLOW)
        async with rig.consuming():
            await trio.sleep(1)
            await rig.queue.send(FLOW, merge=True)
            await trio.sleep(0.5)
            (first,) = rig.reached
            rig.queue.let_pass(Delivery(first.message_id, first.number, first.receipt))
            rig.queue.let_pass(Delivery("msg_of_another", 1, "receipt"))
            await trio.sleep(100)
        assert rig.times == [0, 1_500]

    simulate(body, (20_000, "ack"), profile=TABLE_QUEUE)


def test_a_process_that_looks_for_too_long_keeps_no_wake_from_others():
    async def body(here, there):
        await here.queue.send(FLOW)
        async with here.consuming():
            await trio.sleep(1)
            await here.queue.send(FLOW, merge=True)
            async with there.consuming():
                await trio.sleep(1)
            assert [each.message for each in there.reached] == [FLOW]

    simulate(body, (20_000, "ack"), profile=TABLE_QUEUE, hosts=2)


def test_a_queue_that_merges_nothing_delivers_every_wake():
    sends = [(FLOW, {"merge": True})] * 3
    assert len(run_for(LONG_MS, sends=sends, merging="never").reached) == 3


def test_messages_without_a_key_never_keep_one_another_out():
    rig = run_for(LONG_MS, sends=[(FLOW, {})] * 3)
    assert len(rig.reached) == 3


def test_what_a_table_cannot_do_is_the_callers_mistake():
    for profile, said in (
        (QUEUES["postgres"], "a queue in a table has no dedup"),
        (QueueProfile(dedup="completed_lru"), "a queue in a table has no dedup"),
        (QueueProfile(merging="in_flight"), "no merging but queued and never"),
    ):
        with pytest.raises(UsageError, match=said):
            TableQueue(None, tasks=Timeline(), clock=Timeline(), ids=Ids(), profile=profile)


def test_jobs_are_taken_with_one_statement_and_idle_workers_ask_for_nothing():
    asked = []

    async def body(rig):
        run = rig.tables.run

        async def told(statement, **values):
            asked.append(statement)
            return await run(statement, **values)

        async with rig.consuming():
            await trio.sleep(1)
            rig.tables.run = told
            for number in range(3):
                await rig.queue.send(Message(f"wrun_{number}"))
                await trio.sleep(1)
        assert len(rig.reached) == 3

    simulate(body, profile=TABLE_QUEUE)
    assert asked == [ADD, TAKE, DELETE] * 3


def test_a_job_that_somebody_else_takes_is_left_alone():
    async def body(rig):
        await rig.queue.send(FLOW)
        (job,) = rig.tables.rows("jobs")
        values = {"now_ms": 1_000, "until_ms": 2_000, "limit": 10, "keeps_key": True, "without": []}
        async with rig.tables.transaction() as session:
            await session.run(TAKE, **values)
            (nothing,) = await rig.tables.run(TAKE, **values)
            assert nothing["message_id"] is None
        (taken,) = rig.tables.rows("jobs")
        assert taken["hands"] == job["hands"] + 1

    simulate(body, profile=TABLE_QUEUE)


# --- on a server ----------------------------------------------------------------------------------


def test_several_processes_share_a_server_and_handle_each_message_once(pg_dsn):
    async def body(*rigs):
        count = 60
        async with trio.open_nursery() as nursery:
            for rig in rigs:
                nursery.start_soon(lambda rig=rig: rig.queue.consume(rig.handle, 5))
            for number in range(count):
                await rigs[0].queue.send(Message(f"wrun_{number}"))
            while sum(len(rig.ended) for rig in rigs) < count:
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        reached = [each.message_id for rig in rigs for each in rig.reached]
        assert len(reached) == len(set(reached)) == count
        assert all(rig.reached for rig in rigs)

    on_server(body, pg_dsn, *[(10, "ack")] * 60, profile=TABLE_QUEUE, hosts=2)


def test_a_waiting_process_is_woken_by_another_and_takes_over_from_a_dead_one(pg_dsn):
    async def body(dies, survives):
        async with dies.consuming():
            await trio.sleep(0.3)
            sent_ms = dies.host.clock.now_ms()
            await survives.queue.send(FLOW, key="k")
            await until(lambda: dies.reached)
            assert dies.times[0] - sent_ms < 3_000
            assert await survives.queue.send(FLOW, key="k") == ""
        survives.script.clear()
        async with survives.consuming():
            while not await survives.queue.send(FLOW, key="k"):
                await trio.sleep(0.01)
        assert survives.reached[0].number == 2
        assert survives.reached[0].message_id == dies.reached[0].message_id

    async def until(done):
        while not done():
            await trio.sleep(0.01)

    script = [(600_000, "ack")]
    on_server(body, pg_dsn, *script, profile=TABLE_QUEUE, hosts=2, lease_ms=1_500)


@pytest.mark.parametrize("key", ["a'; DROP TABLE jobs; --", "ключ", "k" * 500])
def test_keys_are_only_text(pg_dsn, key):
    async def body(rig):
        assert await rig.queue.send(FLOW, key=key)
        assert not await rig.queue.send(FLOW, key=key)
        with pytest.raises(WorldError):
            await rig.queue.send(FLOW, key=f"{key}\0")

    on_server(body, pg_dsn, profile=TABLE_QUEUE)
