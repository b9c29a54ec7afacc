"""The presets, compared with the table of decisions §5.7; knobs set by name."""

from __future__ import annotations

import attrs
import pytest

from simworld.campaign import (
    PLACES,
    PRESETS,
    check_together,
    knob_table,
    placed,
    preset,
    with_knob,
)
from simworld.errors import UsageError

TABLE = """
knob             v2_draft         v2_merge        b12             b30             b37             fixed
attempt_guard    G1               G1              G1              G1              G7              G8
inline_gate      none             owned           owned           owner_stamp     owner_stamp     owned
bg_after         always_continue  last_completer  last_completer  last_completer  last_completer  always_continue
unconsumed       U1               U0              U2              U2              U2              U2
delivery         D0               D0              D1              D3              D3              D4
clock            C0               C0              C1              C1              C1              C1
wait_push        local            local           refresh         refresh         refresh         refresh
wait_dispatch    return_value     return_value    return_value    message         message         message
inline_with_wait true             false           false           false           false           false
loop_errors      fail_run         fail_run        fail_run        rethrow         rethrow         rethrow
complete_errors  rethrow          user            user            rethrow         rethrow         rethrow
max_inline       1                1               1               3               3               1
lazy_create      false            false           false           true            true            false
seed             started_at       started_at      started_at      run_id          run_id          run_id
ids              monotonic        monotonic       monotonic       monotonic       monotonic       call_site
bg_status_check  eq_running       eq_running      eq_running      not_terminal    not_terminal    not_terminal
stream_write     buffered         flushed         flushed         flushed         flushed         flushed
validate         false            false           true            true            true            true
"""  # noqa: E501
"""As in the decisions; ``validate`` is beta.7 (spec §0.2), and "lease per delivery" is G8's."""

HEAD, *LINES = [line.split() for line in TABLE.strip().splitlines()]
CELLS = [
    (variant, knob, value)
    for knob, *values in LINES
    for variant, value in zip(HEAD[1:], values, strict=True)
]


@pytest.mark.parametrize(("variant", "knob", "value"), CELLS)
def test_a_preset_sets_what_the_table_says(variant: str, knob: str, value: str) -> None:
    assert preset(variant).knobs[knob] == value


def test_v1_is_the_merge_with_another_engine_its_guard_and_its_continuations() -> None:
    v1, merge = preset("v1").knobs, preset("v2_merge").knobs
    assert {knob: value for knob, value in v1.items() if value != merge[knob]} == {
        "engine": "v1", "attempt_guard": "G0", "bg_after": "always_continue",
    }  # fmt: skip


def test_fast_is_fixed_with_less_to_do() -> None:
    fast, fixed = preset("fast").knobs, preset("fixed").knobs
    assert {knob: value for knob, value in fast.items() if value != fixed[knob]} == {
        "commits": "together", "wakes": "merged", "results": "told", "stream_write": "prompt",
        "bg_status_check": "start_tells",
    }  # fmt: skip


def test_knobs_outside_the_table_are_those_of_the_merge_unless_fixed() -> None:
    told = {knob for knob, *_ in LINES}
    merge = preset("v2_merge").knobs
    odd = {
        (name, knob): value
        for name, variant in PRESETS.items()
        for knob, value in variant.knobs.items()
        if knob not in told and value != merge[knob] and name != "fast"
    }
    assert odd == {
        ("v1", "engine"): "v1",
        ("fixed", "hook_order"): "code_order",
        ("fixed", "resume"): "durable_retried",
        ("fixed", "key_policy"): "epoch",
        ("fixed", "sleep_clock"): "workflow",
        ("fixed", "passes"): "retained",
        ("fixed", "settle_ms"): "30000",
    }


def test_only_fixed_promises_exclusive_bodies() -> None:
    assert [each.name for each in PRESETS.values() if each.exclusive_bodies] == ["fixed", "fast"]


def test_what_is_assumed_is_a_knob_and_fixed_assumes_nothing() -> None:
    for variant in PRESETS.values():
        assert set(variant.assumed) <= variant.knobs.keys()
    assert preset("fixed").assumed == preset("v2_merge").assumed == ()


def test_every_knob_can_be_set_by_its_name_to_each_of_its_values() -> None:
    for knob in knob_table():
        base = preset("vercel-workflow" if knob.part == "adapter" else "b30")
        for value in knob.values or (knob.default,):
            changed = with_knob(base, f"{knob.name}={value}")
            assert changed.knobs[knob.name] == value


def test_a_subject_has_no_knob_of_our_engine_and_our_engine_none_of_an_adapter() -> None:
    subject = preset("vercel-workflow")
    assert subject.subject == "vercel-workflow"
    assert not subject.exclusive_bodies
    for knob in knob_table():
        setting = f"{knob.name}={knob.default}"
        if knob.part == "engine":
            with pytest.raises(UsageError, match=f"knob {knob.name} belongs to our own engine"):
                with_knob(subject, setting)
        elif knob.part == "adapter":
            with pytest.raises(UsageError, match=f"knob {knob.name} belongs to the adapter"):
                with_knob(preset("fixed"), setting)
        else:
            assert with_knob(subject, setting).changed == ()


@pytest.mark.parametrize(
    ("world", "setting", "knob"),
    [
        ("atomic", "log_position=mint_at_start", "log_position=mint_at_start"),
        ("hosted", "log_position=mint_at_start", "log_position=mint_at_start"),
        ("local", "local_log=minted", "local_log=minted"),
        ("local-pr", "max_inline=2", "local_log=minted"),
        ("postgres", "pg_writes=autocommit", "pg_writes=autocommit"),
        ("postgres", "pg_position=reserved", "pg_position=reserved"),
        ("postgres-merged", "max_inline=2", "pg_writes=autocommit"),
        ("atomic", "engine=v1", "engine=v1"),
        ("atomic", "publish=beside_create", "publish=beside_create"),
    ],
)
def test_one_commit_for_several_events_cannot_be_had_everywhere(world, setting, knob) -> None:
    variant = with_knob(placed(preset("fast"), world), setting)
    with pytest.raises(UsageError, match=f"with {knob} each is recorded by itself; use commits="):
        check_together(variant)
    check_together(with_knob(variant, "commits=each"))


def test_several_events_are_recorded_at_once_on_every_repaired_world() -> None:
    for place in PLACES.values():
        if place.repaired:
            check_together(placed(preset("fast"), place.name))


def test_a_switch_takes_true_and_false_only() -> None:
    changed = with_knob(preset("v2_merge"), "lazy_create=true")
    assert changed.engine.lazy_create is True
    assert changed.changed == ("lazy_create=true",)
    assert with_knob(changed, "lazy_create=false").changed == ()
    for text in ("yes", "1", "True", ""):
        with pytest.raises(UsageError, match="knob lazy_create takes true or false, not"):
            with_knob(preset("v2_merge"), f"lazy_create={text}")


def test_what_a_variant_says_of_itself_makes_it_again() -> None:
    for variant in PRESETS.values():
        again = attrs.evolve(preset("v2_merge"))
        for knob, value in variant.knobs.items():
            again = with_knob(again, f"{knob}={value}")
        assert again.knobs == variant.knobs
