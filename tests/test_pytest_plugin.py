"""The pytest plugin: what is collected, what passes, what a failure says and how it is replayed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from simworld.pytest_plugin import items

pytest_plugins = ["pytester"]

ORDERS = """
import simworld
from simworld.engine import StepContext, gather, step, workflow
from simworld.records import FaultBudget


@step(max_retries=3)
async def charge(ctx: StepContext, amount: int) -> int:
    await ctx.sleep(200)
    return amount


@simworld.scenario(steps=[charge], args=([10, 20],), oracle=lambda workload, log: TOTAL)
@workflow
async def order(amounts: list[int]) -> int:
    return sum(await gather(*[charge(each) for each in amounts]))


TOTAL = 30
"""
WRONG = ORDERS.replace("TOTAL = 30", "TOTAL = 31")
RACES = """
import simworld
from simworld.engine import StepContext, race, step, workflow
from simworld.records import FaultBudget


@step
async def left(ctx: StepContext) -> str:
    return "left"


@step
async def right(ctx: StepContext) -> str:
    return "right"


@simworld.scenario(
    steps=[left, right],
    oracle=lambda workload, log: "left",
    laws=(),
    budget=FaultBudget(),
    expect={"fixed": "FAIL I-18", "v2_merge": "FAIL I-18"},
)
@workflow
async def left_wins() -> str:
    return str((await race(left(), right())).value)
"""


def names(pytester: pytest.Pytester, *args: str) -> list[str]:
    """The items that are collected."""
    collected, _ = pytester.inline_genitems(*args)
    return [each.nodeid for each in collected]


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess("--simworld-trials=40", *args)


# --- what is collected ---------------------------------------------------------------------------


def test_decorated_functions_and_scenarios_are_items_beside_tests(pytester):
    pytester.makepyfile(
        test_orders=ORDERS
        + "import attrs\n"
        + "plain = attrs.evolve(order, name='plain', law='I-16')\n"
        + "def test_beside(): pass\n"
    )
    assert names(pytester) == [
        "test_orders.py::order[fixed]",
        "test_orders.py::plain[fixed]",
        "test_orders.py::test_beside",
    ]


def test_what_is_imported_private_or_seen_already_is_no_item(pytester):
    pytester.makepyfile(
        helpers=ORDERS,
        test_orders="import attrs\n"
        "from helpers import order, order as other\n"
        "import helpers\n"
        "_hidden = attrs.evolve(order, name='hidden')\n"
        "mine = attrs.evolve(order, name='mine')\n"
        "again = mine\n"
        "def make():\n    from helpers import order as mine\n",
    )
    assert names(pytester) == ["test_orders.py::mine[fixed]"]


def test_a_name_that_is_imported_and_bound_anew_is_an_item(pytester):
    pytester.makepyfile(
        helpers=ORDERS,
        test_orders="import attrs\n"
        "from helpers import order\n"
        "order = attrs.evolve(order, law='I-16')\n",
    )
    assert names(pytester) == ["test_orders.py::order[fixed]"]


def test_an_item_per_claimed_variant_and_world(pytester):
    pytester.makepyfile(test_races=RACES)
    assert names(pytester, "--simworld-world=atomic,local") == [
        "test_races.py::left_wins[fixed]",
        "test_races.py::left_wins[fixed-local]",
        "test_races.py::left_wins[v2_merge]",
        "test_races.py::left_wins[v2_merge-local]",
    ]


def test_a_variant_that_some_cases_claim_is_an_item_of_each(pytester):
    pytester.makepyfile(
        test_races=RACES
        + "import attrs\n"
        + "(case,) = left_wins.cases\n"
        + "more = attrs.evolve(case, name='more', expect={'fixed': 'PASS', 'v2_merge': '-'})\n"
        + "two = attrs.evolve(left_wins, name='two', cases=(case, more))\n"
    )
    assert names(pytester)[2:] == [
        "test_races.py::two[fixed]",
        "test_races.py::two[rough-v2_merge]",
    ]


def test_files_of_a_folder_scenarios_are_collected_when_it_is_named(pytester, monkeypatch):
    for ours in [each for each in sys.modules if each.partition(".")[0] == "scenarios"]:
        monkeypatch.delitem(sys.modules, ours)
    folder = pytester.mkpydir("scenarios")
    (folder / "orders.py").write_text(ORDERS)
    (folder / "both.py").write_text("from scenarios.orders import order\nsame = order\n")
    (folder / "test_more.py").write_text(ORDERS)
    other = pytester.mkdir("elsewhere")
    (other / "orders.py").write_text(ORDERS)
    every = [
        "scenarios/both.py::order[fixed]",
        "scenarios/orders.py::order[fixed]",
        "scenarios/test_more.py::order[fixed]",
    ]
    assert names(pytester, "scenarios") == every
    assert names(pytester, "scenarios/orders.py") == [every[1]]
    assert names(pytester, "scenarios/orders.py::order[fixed]") == [every[1]]
    assert names(pytester) == [every[2]]
    assert names(pytester, "elsewhere") == []
    pytester.makeini("[pytest]\ntestpaths = scenarios\n")
    assert names(pytester) == every


def test_a_mistake_in_what_is_declared_is_told_in_a_line(pytester):
    pytester.makepyfile(
        test_races=RACES.replace('"v2_merge"', '"v2_merg"'),
        test_orders=f"{ORDERS}\nimport attrs\nsecond = attrs.evolve(order, law='I-16')\n",
    )
    result = run(pytester)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        [
            "order: two scenarios of *test_orders.py are called 'order'",
            "left_wins: unknown variant 'v2_merg'; did you mean v2_merge*",
        ]
    )
    assert "Traceback" not in result.stdout.str()


# --- what passes ---------------------------------------------------------------------------------


def test_what_holds_passes_and_the_seed_is_printed_first(pytester):
    pytester.makepyfile(test_orders=ORDERS)
    result = run(pytester, "--simworld-seed=7", "--junitxml=out.xml", "-m", "simworld")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["simworld: seed 7, 40 trials each, world atomic"])
    assert 'name="simworld_seed" value="7"' in Path("out.xml").read_text()
    assert not Path(".simworld").exists()


def test_a_declared_failure_that_is_found_passes(pytester):
    pytester.makepyfile(test_races=RACES)
    run(pytester).assert_outcomes(passed=2)


def test_what_breaks_beside_a_declared_failure_does_not_matter(pytester):
    pytester.makepyfile(
        test_races=RACES
        + "import attrs\n"
        + "from simworld.check import Cost\n"
        + "less = lambda workload: Cost(rows_max=1)\n"
        + "dear = attrs.evolve(left_wins, name='dear', laws=('I-27',), cost=less)\n"
        + "other = attrs.evolve(dear, name='other', law='I-27', laws=('I-18',))\n"
    )
    result = run(pytester, "-k", "(dear or other) and fixed")
    result.assert_outcomes(passed=1, failed=1, deselected=4)
    result.stdout.fnmatch_lines(
        [
            "other on fixed: FAIL I-27, expected FAIL I-18*",
            "Beside it, with repros of their own:",
            "  I-*: .simworld/other-fixed-I-*.json",
        ]
    )


def test_a_failure_of_another_law_or_in_a_sound_case_fails(pytester):
    pytester.makepyfile(
        test_races=RACES.replace('"FAIL I-18"', '"FAIL I-16"')
        + "import attrs\n"
        + "(case,) = left_wins.cases\n"
        + "beside = attrs.evolve(left_wins, name='beside', law='I-16', laws=('I-18',))\n"
        + "sound = attrs.evolve(case, name='sound', expect={'fixed': 'PASS'})\n"
        + "failing = attrs.evolve(case, expect={'fixed': 'FAIL I-18'})\n"
        + "both = attrs.evolve(left_wins, name='both', cases=(failing, sound))\n"
    )
    result = run(pytester, "-k", "beside or both")
    result.assert_outcomes(failed=3, deselected=2)
    result.stdout.fnmatch_lines(
        [
            "beside on fixed: FAIL I-18, expected FAIL I-16*",
            "both on fixed: FAIL I-18, expected FAIL I-18*",
            "case sound declares PASS and breaks I-18",
        ]
    )


def test_a_declared_failure_that_is_not_found_fails(pytester):
    pytester.makepyfile(test_races=RACES.replace('return "right"', 'return "left"'))
    result = run(pytester, "-x")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["left_wins on fixed: PASS, expected FAIL I-18 (40 trials, seed 0)"]
    )


def test_unknown_fails_with_its_reason(pytester):
    pytester.makepyfile(
        test_orders=ORDERS.replace("steps=[charge],", "steps=[charge], marks=['x'],")
    )
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["order on fixed: UNKNOWN never reached x in 40 trials*"])


def test_a_canary_passes_when_it_is_refuted_and_only_then(pytester):
    pytester.makepyfile(
        test_canaries=RACES
        + "import attrs\n"
        + "canary = attrs.evolve(left_wins, name='canary', canary=True, trials_max=60)\n"
        + "true = attrs.evolve(canary, name='true', oracle=None)\n"
    )
    result = run(pytester, "-k", "canary or true", "--simworld-trials=1")
    result.assert_outcomes(passed=1, failed=1, deselected=2)
    result.stdout.fnmatch_lines(
        [
            "the harness is broken: it finds nothing in true on fixed: PASS*",
            "case rough was not refuted in 60 trials",
        ]
    )


def test_a_canary_that_is_half_refuted_fails_without_a_story(pytester, monkeypatch):
    pytester.makepyfile(
        test_canaries=RACES
        + "import attrs\n"
        + "canary = attrs.evolve(left_wins, name='canary', canary=True, trials_max=60)\n"
    )
    real, said = items.hunt, "case other was not refuted in 60 trials"
    monkeypatch.setattr(
        items, "hunt", lambda *a, **k: attrs.evolve(real(*a, **k), surprises=[said])
    )
    result = run(pytester, "-k", "canary")
    result.assert_outcomes(failed=1, deselected=2)
    result.stdout.fnmatch_lines(["the harness is broken: *canary on fixed: FAIL I-18*", said])
    assert "Turn by turn" not in result.stdout.str()


def test_options_have_ini_values_and_the_command_line_wins(pytester):
    pytester.makepyfile(test_orders=ORDERS)
    pytester.makeini("[pytest]\nsimworld_trials = 3\nsimworld_seed = 9\nsimworld_world = local\n")
    result = pytester.runpytest_inprocess("--simworld-seed=ed705cf", "--collect-only")
    result.stdout.fnmatch_lines([f"simworld: seed {0xED705CF}, 3 trials each, world local"])


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("trials=0", "simworld-trials takes a whole number from 1, not '0'"),
        ("seed=main", "simworld-seed takes a whole number or a commit hash*, not 'main'"),
        ("world=atomic,locl", "simworld-world: unknown world 'locl'; did you mean local*"),
        ("replay=nowhere.json", "simworld-replay: cannot read *nowhere.json: No such file*"),
    ],
)
def test_options_that_make_no_sense(pytester, option, said):
    result = pytester.runpytest_inprocess(f"--simworld-{option}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {said}"])


# --- what a failure says -------------------------------------------------------------------------


def test_a_failure_is_a_story_and_a_line_that_replays_it(pytester):
    path = pytester.makepyfile(test_orders=WRONG)
    result = run(pytester, "--tb=long")
    result.assert_outcomes(failed=1)
    out = result.stdout.str()
    result.stdout.fnmatch_lines(
        [
            "order on fixed: FAIL I-18, expected PASS (40 trials, seed 0)",
            "I-18 is broken at run (wrong-output)*",
            "Turn by turn*",
            "*I-18 wanted:*",
            "Replay it:",
            "FAILED test_orders.py::order[[]fixed[]] - order on fixed: FAIL I-18*",
        ]
    )
    assert "Traceback" not in out
    assert "items.py" not in out
    command = shlex.split(re.search(r"Replay it:\n  (.+)", out)[1])
    replay = command[command.index("test_orders.py") :]
    assert replay[1] == "--simworld-replay"

    again = pytester.runpytest_inprocess(*replay)
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["I-18 is broken again", "I-18 is broken at run (wrong-output)*"])

    path.write_text(path.read_text().replace("TOTAL = 31", "TOTAL = 30"))
    mended = pytester.runpytest_inprocess(*replay, "-v")
    mended.assert_outcomes(passed=1)
    mended.stdout.fnmatch_lines(["*::order[[]replay[]] PASSED*"])

    path.write_text(
        path.read_text().replace("sum(await gather(*[charge", "sum(await gather(*[later")
    )
    lost = pytester.runpytest_inprocess(*replay)
    lost.assert_outcomes(failed=1)


def test_the_line_works_when_it_is_copied(pytester, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(Path(sys.executable).with_name("pytest"))])
    pytester.makepyfile(test_orders=WRONG)
    out = run(pytester).stdout.str()
    line = re.search(r"Replay it:\n  (.+)", out)[1]
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "I-18 is broken again" in done.stdout


def test_a_repro_of_no_scenario_here(pytester):
    pytester.makepyfile(test_orders=WRONG, test_races=RACES)
    run(pytester, "test_orders.py")
    (repro,) = Path(".simworld").glob("*.json")
    assert Path(".simworld/.gitignore").read_text() == "*\n"
    result = pytester.runpytest_inprocess("test_races.py", f"--simworld-replay={repro}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: simworld-replay: no scenario called order is collected*"])


def test_repros_go_where_they_are_asked_for_or_are_told_to_be_lost(pytester):
    pytester.makepyfile(test_orders=WRONG)
    run(pytester, "--simworld-save=kept").assert_outcomes(failed=1)
    assert [each.suffix for each in Path("kept").iterdir()] == [".json"]
    Path("file").write_text("")
    result = run(pytester, "--simworld-save=file")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["Turn by turn*", "The repro was not saved: *"])


def test_an_author_s_mistake_is_a_line(pytester):
    pytester.makepyfile(
        test_orders=f"{ORDERS}\n"
        "@simworld.scenario(workflow=order.workflow, steps=[charge])\n"
        "async def impatient(client, workload):\n"
        "    await client.resume_hook('nobody', 1)\n"
    )
    result = run(pytester, "-k", "impatient")
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(
        ["UsageError: trial 0 of impatient on fixed: the client script lets an error out at *py:*"]
    )
    assert "items.py" not in result.stdout.str()


def test_ctrl_c_ends_the_session(pytester, monkeypatch):
    pytester.makepyfile(test_orders=ORDERS, test_races=RACES)
    real = items.hunt
    monkeypatch.setattr(
        items, "hunt", lambda *a, **k: attrs.evolve(real(*a, **k), interrupted=True)
    )
    result = pytester.runpytest_inprocess("--simworld-trials=1", no_reraise_ctrlc=True)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*KeyboardInterrupt*"])


# --- what it costs -------------------------------------------------------------------------------


def test_nobody_else_pays_for_it(pytester):
    """In a process of its own, because here everything is imported already."""
    pytester.makepyfile(
        test_plain="import sys\n"
        "HEAVY = ('attrs', 'msgspec', 'rich', 'simworld.engine', 'simworld.campaign')\n"
        "def test_plain():\n"
        "    assert 'simworld.pytest_plugin' in sys.modules\n"
        "    assert [each for each in HEAVY if each in sys.modules] == []\n"
    )
    plugins = "-p no:hypothesispytest -p no:anyio -p no:benchmark"
    pytester.runpytest_subprocess(*plugins.split()).assert_outcomes(passed=1)


def test_the_package_itself_is_light():
    code = (
        "import sys, simworld\n"
        "assert not {'attrs', 'simworld.campaign'} & sys.modules.keys()\n"
        "try:\n    simworld.scenari\n"
        "except AttributeError as error: print(error)\n"
        "print(simworld.scenario.__module__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "module 'simworld' has no attribute 'scenari'",
        "simworld.campaign.decorating",
    ]
