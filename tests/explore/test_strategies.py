"""What each strategy promises on its own: POS, PCT, oldest first, rendezvous, SURW."""

from __future__ import annotations

import pytest

from simworld.explore import Default, Oldest, Pct, Pos, Rendezvous, Surw, Uniform
from simworld.explore.watched import LabelPool
from simworld.records import Profile
from tests.explore.planted import lost_update, noise
from tests.explore.toy import Point, View, op, profile_of, scripted, trial

HERE = Point()


# Uniform and oldest first


def test_uniform_gives_every_task_the_same_share():
    explorer = Uniform()
    explorer.begin(scripted(), Profile())
    tasks = [View(f"t{number}", op("think")) for number in range(5)]
    shares = [0] * 5
    for _ in range(5_000):
        shares[explorer.choose(HERE, tasks)] += 1
    assert all(850 < share < 1_150 for share in shares)


def test_oldest_takes_the_longest_waiting_and_of_those_the_first_born():
    tasks = [
        View("young", op("think"), birth=1, since=7),
        View("second born", op("think"), birth=5, since=3),
        View("first born", op("think"), birth=4, since=3),
        View("lowest", op("think"), birth=0, since=9),
    ]
    explorer = Oldest()
    explorer.begin(scripted(0.15), Profile())
    assert tasks[explorer.choose(HERE, tasks)].name == "first born"
    explorer.begin(scripted(0.14, 0.99), Profile())
    assert tasks[explorer.choose(HERE, tasks)].name == "lowest"


# POS


def _pos_second_choice(label_of_b: str, *, write: bool) -> str:
    """a (.9) runs first; then c (.6) unless b's .5 was drawn anew (.8)."""
    touching = op("touch", label_of_b) if write else op("look", reads=(label_of_b,))
    a, b = View("a", op("read x", reads=("x",))), View("b", touching)
    tasks = [a, b, View("c", op("think", "c"))]
    explorer = Pos()
    explorer.begin(scripted(0.9, 0.5, 0.6, 0.1, 0.8), Profile())
    assert explorer.choose(HERE, tasks) == 0
    a.ops, a.op = 1, op("think", "a")
    return tasks[explorer.choose(HERE, tasks)].name


def test_pos_draws_conflicting_priorities_anew_and_no_others():
    assert _pos_second_choice("x", write=True) == "b"
    assert _pos_second_choice("x", write=False) == "c", "two reads do not conflict"
    assert _pos_second_choice("y", write=True) == "c", "other labels do not conflict"


def test_pos_keeps_the_priority_of_an_operation_that_stays_pending():
    tasks = [View("a", op("think", "a")), View("b", op("think", "b"))]
    explorer = Pos()
    explorer.begin(scripted(0.9, 0.8, 0.1, 0.2, 0.3), Profile())
    chosen = []
    for _ in range(3):
        chosen.append(explorer.choose(HERE, tasks))
        tasks[chosen[-1]].ops += 1
    assert chosen == [0, 1, 1]  # .9; then .8 against .1; then .2 against .1


# PCT


def _busy(toy):
    def body(name):
        for number in range(6):
            yield op(f"touch {number}", "shared")

    for name in ("a", "b", "c", "d"):
        toy.spawn(name, body(name))
    return lambda: False


@pytest.mark.parametrize("depth", [2, 3, 5, 8])
def test_pct_preempts_at_most_depth_less_one_times(depth):
    profile = profile_of(_busy)
    preemptions = [trial(_busy, Pct(depth), seed, profile).preemptions for seed in range(200)]
    assert max(preemptions) == depth - 1


def test_pct_keeps_its_probability_of_finding_a_bug_of_depth_two():
    profile = profile_of(lost_update)
    tasks, points = 5, sum(profile.counts["counter"].values())
    found = sum(trial(lost_update, Pct(2), seed, profile).failed for seed in range(400))
    assert found >= 400 / (tasks * points)
    assert not any(trial(lost_update, Pct(1), seed, profile).failed for seed in range(100))


def test_pct_changes_only_at_conflicting_points():
    def program(toy):
        for name in ("a", "b", "c"):
            toy.spawn(name, noise(name, 10))
        return lambda: False

    shared = Profile(("shared",), {"shared": {"a": 1, "b": 1}})
    for seed in range(50):
        assert trial(program, Pct(8), seed, shared).preemptions == 0


# Rendezvous

FROM_PROFILE, FIRST_LABEL, PARK_AT_ONCE, LET_SOME_PASS, ONE = 0.99, 0.0, 0.0, 0.99, 0.0
GATE = Profile(("gate",), {"gate": dict.fromkeys("abcd", 1)})


def _gates(rounds):
    def program(toy):
        def think(count):
            for _ in range(count):
                yield op("think")

        def body(count):
            for number in range(rounds):
                yield from think(count)
                yield op(f"pass {number}", "gate")

        for number, name in enumerate("abcd"):
            toy.spawn(name, body(4 + number))
        toy.spawn("other", think(12))
        return lambda: False

    return program


def _passes(toy, number=0):
    """At which turns the gate was passed, in that round."""
    return [turn for turn, (_, text) in enumerate(toy.path) if text == f"pass {number}"]


@pytest.mark.parametrize("inner", [Uniform, Pos])
def test_rendezvous_parks_until_nobody_else_can_move_and_releases_in_random_order(inner):
    orders = {}
    for seed in range(60):
        stream = scripted(FROM_PROFILE, FIRST_LABEL, PARK_AT_ONCE, seed=seed)
        toy = trial(_gates(1), Rendezvous(inner()), profile=GATE, stream=stream)
        assert _passes(toy) == list(range(len(toy.path) - 4, len(toy.path)))
        orders[tuple(name for name, _ in toy.path[-4:])] = True
    assert len(orders) > 15, "of 24"


def test_rendezvous_lets_the_first_arrivals_pass_when_k_is_drawn_higher():
    ahead = 0
    for seed in range(60):
        stream = scripted(FROM_PROFILE, FIRST_LABEL, LET_SOME_PASS, ONE, seed=seed)
        toy = trial(_gates(1), Rendezvous(Uniform()), profile=GATE, stream=stream)
        first, *parked = _passes(toy)
        assert parked == list(range(len(toy.path) - 3, len(toy.path)))
        ahead += first < parked[0] - 1
    assert ahead > 30


def test_rendezvous_arms_again():
    both = 0
    for seed in range(200):
        stream = scripted(FROM_PROFILE, FIRST_LABEL, PARK_AT_ONCE, seed=seed)
        toy = trial(_gates(2), Rendezvous(Uniform()), profile=GATE, stream=stream)
        first, second = _passes(toy, 0), _passes(toy, 1)
        assert first[-1] - first[0] == 3
        both += second[-1] - second[0] == 3
    luck = 0
    for seed in range(200):
        second = _passes(trial(_gates(2), Uniform(), seed), 1)
        luck += second[-1] - second[0] == 3
    assert luck < 10
    assert both > 40


def test_rendezvous_forgets_a_released_task_that_has_gone_through_unasked():
    keep_order, rest = 0.99, 0.99  # b goes first; no second meeting
    explorer = Rendezvous(Default())
    stream = scripted(FROM_PROFILE, FIRST_LABEL, PARK_AT_ONCE, keep_order, rest)
    explorer.begin(stream, GATE)
    a, b = View("a", op("pass", "gate")), View("b", op("pass", "gate"))
    assert explorer.choose(HERE, [a, b]) == 1
    b.ops, a.ops = 1, 1  # a had the stage to itself for a moment
    assert explorer.choose(HERE, [b, a]) == 0


def test_rendezvous_takes_a_pending_label_when_the_profile_knows_none():
    def met(explorer, seed):
        passes = _passes(trial(_gates(1), explorer, seed))
        return passes[-1] - passes[0] == 3

    explorer = Rendezvous(Uniform())
    assert sum(met(explorer, seed) for seed in range(400)) > 80
    assert sum(met(Uniform(), seed) for seed in range(400)) < 10


def test_watched_labels_are_mostly_shared_and_sometimes_repeated_ones():
    counts = {"shared": {"a": 1, "b": 1}, "repeated": {"a": 2}, "once": {"a": 1}}
    drawn = {"shared": 0, "repeated": 0}
    pool, stream = LabelPool(), scripted()
    assert pool.draw(stream) == ""
    pool.learn(Profile(("shared",), counts))
    for _ in range(300):
        drawn[pool.draw(stream)] += 1
    assert drawn["shared"] > drawn["repeated"] > 50


def test_rendezvous_leaves_everything_else_to_the_inner_explorer():
    elsewhere = Profile(("elsewhere",), {"elsewhere": {"a": 2}})
    stream = scripted(FROM_PROFILE, FIRST_LABEL, PARK_AT_ONCE)
    toy = trial(_gates(1), Rendezvous(Default()), profile=elsewhere, stream=stream)
    assert toy.path == trial(_gates(1), Default()).path


# SURW


def _two(first, first_count, second, second_count):
    def program(toy):
        def body(name, count):
            for _ in range(count):
                yield op("think", f"own {name}")
                yield op("touch", "spot")

        toy.spawn(first, body(first, first_count))
        toy.spawn(second, body(second, second_count))
        return lambda: False

    return program


def _order(toy):
    return "".join(name[0] for name, text in toy.path if text == "touch")


def _orders(program, explorer, profile, trials):
    counted: dict[str, int] = {}
    for seed in range(trials):
        order = _order(trial(program, explorer, seed, profile))
        counted[order] = counted.get(order, 0) + 1
    return counted


def test_surw_makes_all_orders_of_the_interesting_operations_alike_likely():
    program = _two("a", 9, "b", 1)
    profile = Profile(("spot",), {"spot": {"a": 9, "b": 1}})
    orders = _orders(program, Surw(), profile, 2_000)
    assert len(orders) == 10
    assert all(140 < count < 260 for count in orders.values()), orders
    walk = _orders(program, Uniform(), profile, 2_000)
    assert walk["b" + "a" * 9] > 600, "a random walk is far from that"

    orders = _orders(
        _two("a", 2, "b", 2), Surw(), Profile(("spot",), {"spot": {"a": 2, "b": 2}}), 1_800
    )
    assert len(orders) == 6
    assert all(230 < count < 370 for count in orders.values()), orders


def test_surw_knows_later_deliveries_by_the_first_and_expects_one_of_strangers():
    program = _two("a~2", 9, "b", 1)
    orders = _orders(program, Surw(), Profile(("spot",), {"spot": {"a": 9, "c": 1}}), 2_000)
    assert len(orders) == 10
    assert all(140 < count < 260 for count in orders.values()), orders


def test_surw_does_not_wait_for_a_task_that_never_touches_the_label():
    def program(toy):
        def body():
            yield op("touch", "spot")
            yield op("touch", "spot")

        toy.spawn("idle", noise("idle", 5))
        toy.spawn("a", body())
        toy.spawn("b", body())
        return lambda: False

    # The profile believes the idle one to do most of it: it is drawn, ends, and another is drawn.
    profile = Profile(("spot",), {"spot": {"idle": 50, "a": 1}})
    for seed in range(50):
        assert len(trial(program, Surw(), seed, profile).path) == 9
