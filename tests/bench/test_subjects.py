"""The campaign over an engine: cells, signatures, what is checked again, and what is written.

It hunts an engine of ours here, with a planted race: the campaign asks nothing of the other side
that only another engine has.
"""

from __future__ import annotations

import json
import sys
import time

import attrs
import pytest

from bench import subject_cells, subject_pages, subjects
from bench.subject_cells import Cell, Proof, Tried
from bench.subject_gaps import gaps
from bench.subject_signatures import (
    MAIN,
    Count,
    Judged,
    Judgement,
    Sighting,
    count_of,
    judgements,
    other_than,
    signature_of,
    signatures_of,
    where_of,
    where_seen,
)
from bench.subject_sources import ran_on
from simworld.campaign import hunt, load_repro, load_scenarios, preset
from simworld.errors import UsageError
from simworld.records import Anomaly, Attempt, Blame, Confirmation, Level

OURS = "v2_merge"
SCENARIO = "inflated_attempts"
KNOWN = load_scenarios(str(subject_cells.SCENARIOS))
CASES = tuple((SCENARIO, case.name) for case in KNOWN[SCENARIO].cases[:1])
LIMIT = 10**9


class Inline:
    """Workers that are no processes."""

    def __init__(self):
        self.gaps = []
        self.done = []

    def run(self, jobs, done, *, at_once=None):
        for job in jobs:
            assert subject_cells.perform(job.order)
            self.done.append((job.kind, job.title))
            done(job)


@pytest.fixture(scope="module")
def found():
    """A hunt with findings."""
    return hunt(KNOWN[SCENARIO], preset(OURS), trials=300, case=CASES[0][1])


def cell(result, version="2.0", world=MAIN, scenario=SCENARIO, case="one", **fields):
    return Cell(version, world, scenario, case, 300, 0, "", result, **fields)


def with_needs(result, *needs, count=7):
    """The hunt with one finding that needs these kinds of faults."""
    finding = result.findings[0]
    repro = attrs.evolve(finding.repro, blame=Blame("engine", needs))
    return attrs.evolve(result, findings=(attrs.evolve(finding, repro=repro, count=count),))


@pytest.fixture
def stages(tmp_path, monkeypatch):
    """A campaign with two versions that are one, not run yet."""
    monkeypatch.setattr(subject_cells, "scenarios_of", lambda subject: KNOWN)
    monkeypatch.setattr(subjects, "judgements", dict)
    here = subject_cells.Here("2.0", "3.11.0", CASES)
    versions = [
        subjects.Version(sys.executable, here),
        subjects.Version(sys.executable, attrs.evolve(here, version="1.9")),
    ]
    args = subjects.arguments(["--subject", OURS, "--trials", "200", "--attempts", "0"])
    return subjects.Stages(args, versions, Inline(), tmp_path / "work", worlds=("local",))


# --- signatures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "where"),
    [
        ("run", "run"),
        ("child#2", "run"),
        ("run/work#3", "step"),
        ("run/sleep#1", "sleep"),
        ("child#1/hook#2", "hook"),
        ("run/race#1", "race"),
        ("message flow#2", "message"),
    ],
)
def test_a_place_is_named_by_its_kind(place, where):
    assert where_of(Anomaly("I-12", "kind", "message", place, 1)) == where


def test_what_a_run_is_stuck_on_is_told():
    message = "the run is running for ever: work#3 is pending (no message was ever sent)"
    stuck = Anomaly("L-01", "stuck-run", message, "run/work#3", 1)
    assert where_of(stuck) == "step that is pending"
    assert where_of(attrs.evolve(stuck, place="run")) == "run"
    assert where_of(attrs.evolve(stuck, law="I-13")) == "step"


def test_what_is_the_same_has_one_signature(found):
    other = with_needs(found, "crash")
    seen = signatures_of([cell(found), cell(found, version="1.9"), cell(other, scenario="other")])
    ours = signature_of(found.findings[0])
    assert {each.signature.alike for each in seen} >= {ours.alike}
    (crash,) = [each for each in seen if each.signature.needs == ("a crash",)]
    assert crash.scenarios == ["other"]
    (same,) = [each for each in seen if each.signature == ours]
    assert {each.cell.version for each in same.sightings} == {"1.9", "2.0"}


def test_faults_are_told_by_their_class(found):
    cells = [
        cell(with_needs(found, "throttled")),
        cell(with_needs(found, "server_error"), case="b"),
    ]
    (seen,) = signatures_of(cells)
    assert str(seen.signature).endswith("; a refused call")
    both = signature_of(with_needs(found, "stale_read", "duplicate", "redelivery").findings[0])
    assert both.fault == "a further delivery and stale_read"
    assert signature_of(with_needs(found).findings[0]).fault == "no fault"


def test_counts_are_of_the_same_cases(found):
    shown, clean = with_needs(found, "crash"), attrs.evolve(found, findings=())
    cells = [
        cell(shown),
        cell(clean, version="1.9"),
        cell(clean, case="other"),
        cell(with_needs(found, "duplicate", count=3), world="local"),
    ]
    seen = next(each for each in signatures_of(cells) if each.signature.needs == ("a crash",))
    assert count_of(seen, cells, "2.0", MAIN) == Count(7, 300)
    assert count_of(seen, cells, "1.9", MAIN) == Count(0, 300)
    assert count_of(seen, cells, "0.1", MAIN) == Count(0, 0)
    assert count_of(seen, cells, "2.0", "local") == Count(3, 300), "whatever it needs there"


def test_another_failure_by_the_same_law_is_told(found):
    shown = with_needs(found, "crash")
    (finding,) = shown.findings
    anomaly = attrs.evolve(finding.anomaly, kind="another-kind")
    other = attrs.evolve(shown, findings=(attrs.evolve(finding, anomaly=anomaly),))
    cells = [cell(shown), cell(other, world="local")]
    (seen, *_) = [each for each in signatures_of(cells) if each.signature.kind != "another-kind"]
    assert count_of(seen, cells, "2.0", "local").shown == 0
    (told,) = other_than(seen, cells, "2.0", "local")
    assert told.startswith("another-kind ")
    assert other_than(seen, cells, "2.0", MAIN) == []


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ((3, 2, 1), "seen in 1.0, 1.1, 1.2"),
        ((3, 2, 0), "seen in 1.0, 1.1; not seen in 1.2 (0 of 10 trials)"),
        ((1, 0, 1), "seen in 1.0, 1.2; not seen in 1.1 (0 of 10 trials)"),
        ((None, 2, 0), "seen in 1.1; not seen in 1.2 (0 of 10 trials); not run on 1.0"),
        ((None, None, 0), "not seen in 1.2 (0 of 10 trials); not run on 1.0, 1.1"),
    ],
)
def test_no_more_is_said_of_versions_than_was_seen(shown, told):
    counts = {
        f"1.{nth}": Count(0, 0) if each is None else Count(each, 10)
        for nth, each in enumerate(shown)
    }
    assert where_seen(counts) == told


def test_the_newest_version_and_the_smallest_repro_are_told(found):
    small = with_needs(found)
    finding = attrs.evolve(small.findings[0], moves_after=99)
    large = attrs.evolve(small, findings=(finding,))
    (seen,) = signatures_of(
        [
            cell(large),
            cell(small, version="1.9"),
            cell(small, world="local"),
            cell(small, scenario="b"),
        ]
    )
    best = seen.best(["2.0", "1.9"])
    assert [(each.cell.scenario, each.cell.world) for each in best] == [
        ("b", MAIN),
        (SCENARIO, MAIN),
    ]
    assert seen.best(["3.0", "1.9"])[0].cell.version == "1.9"


def with_proof(seen, **fields):
    """The signature with what came of its repro without simulation."""
    seen.proof = Proof("", (Tried("", SCENARIO, Confirmation(why="so", **fields)),))
    return seen


def test_evidence_goes_no_further_than_it_was_shown(found):
    (seen,) = signatures_of([cell(with_needs(found, "crash"))])
    assert seen.evidence == "not tried"
    yes, no = Attempt(failed=True, seen=""), Attempt(failed=False, seen="")
    assert with_proof(seen, level=Level.CONFIRMED, attempts=(yes, no, yes)).evidence == (
        "confirmed (2 of 3)"
    )
    assert with_proof(seen, level=Level.SIMULATED_ONLY, needs=("crash",)).evidence == (
        "simulated only (needs crash)"
    )
    assert with_proof(seen, level=Level.SIMULATED_ONLY, attempts=(no, no)).evidence == (
        "simulated only (not in 2 attempts)"
    )
    worlds = attrs.evolve(
        found.findings[0],
        repro=attrs.evolve(found.findings[0].repro, blame=Blame("world", ("stale_read",))),
    )
    seen.sightings = [Sighting(cell(found), worlds)]
    assert seen.evidence == "world contract"


def test_a_script_is_kept_only_of_what_was_confirmed(found, tmp_path, stages):
    (seen,) = signatures_of([cell(with_needs(found, "crash"))])
    yes = Attempt(failed=True, seen="")
    campaign = attrs.evolve(
        subjects.campaign_of(stages, ""), signatures=[seen], cells=[seen.sightings[0].cell]
    )
    script = tmp_path / f"{seen.signature.slug}.py"
    with_proof(seen, level=Level.SIMULATED_ONLY, attempts=(yes,), script="pass")
    subject_pages.write(campaign, tmp_path)
    assert not script.exists()
    with_proof(seen, level=Level.CONFIRMED, attempts=(yes,), script="pass")
    subject_pages.write(campaign, tmp_path)
    assert script.read_text() == "pass"
    assert script.name in (tmp_path / f"{seen.signature.slug}.md").read_text()


def test_every_judgement_speaks_of_a_signature(tmp_path):
    assert all(
        each.by.blame.partition(",")[0] in subject_pages.BLAMED
        and each.by.why.endswith(".")
        and each.scenarios
        for each in judgements().values()
    )
    path = tmp_path / "judged.json"
    path.write_text(
        json.dumps(
            {
                "causes": {"a": {"title": "A", "blame": "engine", "why": "So."}},
                "signatures": {"I-12 kind run; no fault": {"cause": "a", "scenarios": ["s"]}},
            }
        )
    )
    assert judgements(path) == {
        "I-12 kind run; no fault": Judged(Judgement("a", "A", "engine", "So."), ("s",)),
    }


def test_what_was_judged_elsewhere_says_so(found, tmp_path, stages):
    cells = [cell(with_needs(found, "crash"), scenario=each) for each in ("read", "unread")]
    (seen,) = signatures_of(cells)
    seen.judged = Judged(Judgement("a", "A", "engine", "So."), ("read",))
    campaign = attrs.evolve(subjects.campaign_of(stages, ""), signatures=[seen], cells=cells)
    text = subject_pages.readme(campaign)
    assert "`read`, `unread` (by its signature)." in text
    page = subject_pages.page(campaign, seen)
    assert "| `unread` (by its signature) |" in page
    assert "| `read` |" in page


# --- the campaign ---------------------------------------------------------------------------------


def test_a_campaign(stages, tmp_path):
    stages.run()
    first = [title for kind, title in stages.workers.done if kind == "hunt"]
    name = ", ".join(CASES[0])
    assert first == [
        f"{version} on {world}: {name}" for version in ("2.0", "1.9") for world in (MAIN, "local")
    ]
    assert [each.place for each in stages.cells()] == stages.places

    campaign = subjects.campaign_of(stages, "python -m bench.subjects")
    assert sum(len(each.sightings) for each in campaign.signatures) == sum(
        len(each.result.findings) for each in stages.cells()
    )
    assert all(each.told and each.told.text for each in campaign.signatures)
    folder = tmp_path / "report"
    subject_pages.write(campaign, folder)
    text = (folder / "README.md").read_text()
    told = json.loads((folder / subject_pages.DATA).read_text())
    coverage = (folder / subject_pages.COVERAGE).read_text()
    for seen in campaign.signatures:
        slug = seen.signature.slug
        assert f"[{seen.signature}]({slug}.md)" in text
        assert load_repro(folder / f"{slug}.json").law == seen.signature.law
        assert seen.told.text.splitlines()[0] in (folder / f"{slug}.md").read_text()
    assert text.count(subject_pages.NOT_JUDGED) == len(campaign.signatures)
    assert [each["signature"] for each in told["signatures"]] == [
        str(each.signature) for each in campaign.signatures
    ]
    assert coverage.count(f"| `{SCENARIO}` |") == len(told["coverage"]) == len(stages.cells())

    # What was done is not done again; what is gone from a campaign goes from its report.
    stages.workers.done.clear()
    stages.run()
    assert stages.workers.done == []
    mine = folder / "mine.md"
    mine.write_text("kept")
    (gone, *_) = campaign.signatures
    subject_pages.write(attrs.evolve(campaign, signatures=campaign.signatures[1:]), folder)
    assert not (folder / f"{gone.signature.slug}.md").exists()
    assert mine.exists()


def order(stages):
    stages.args.trials = 5 * len(CASES)
    (job, *_) = stages._hunts([("2.0", MAIN, *CASES[0])])
    return job.order


def test_what_was_interrupted_is_hunted_again(stages, monkeypatch, found):
    half = attrs.evolve(found, interrupted=True, findings=())
    monkeypatch.setattr(subject_cells, "hunt", lambda *args, **rest: half)
    wanted = order(stages)
    assert not subject_cells.perform(wanted)
    (only,) = stages.cells()
    assert not only.is_whole
    assert order(stages) == wanted
    told = list(gaps(stages.places[:1], stages.cells()))
    assert told == [
        f"1 case on 2.0, world atomic, cut short: {' '.join(CASES[0])} (300 of 5 trials)"
    ]


def test_a_case_that_a_world_cannot_have_is_told(stages):
    wanted = order(stages)

    def refuse(*args, **rest):
        raise UsageError("it has no such thing")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subject_cells, "hunt", refuse)
        assert subject_cells.perform(wanted)
    (only,) = stages.cells()
    assert only.is_whole
    assert only.result is None
    campaign = subjects.campaign_of(stages, "")
    name = " ".join(CASES[0])
    assert campaign.gaps[0] == (
        f"1 case on 2.0, world atomic, with no result: {name} (it has no such thing)"
    )
    assert campaign.gaps[1] == f"1 case on 2.0, world local, not hunted: {SCENARIO}"
    assert "not run: it has no such thing" in subject_pages.coverage(campaign)
    assert "| – |" in subject_pages.readme(campaign)


def test_a_case_with_fewer_trials_than_were_asked_for_is_a_gap(stages, found):
    few = cell(attrs.evolve(found, trials=299), case=CASES[0][1])
    assert list(gaps([few.place], [few])) == [
        f"1 case on 2.0, world atomic, cut short: {' '.join(CASES[0])} (299 of 300 trials)"
    ]
    assert not list(gaps([few.place], [cell(found, case=CASES[0][1])]))


def test_the_sources_of_the_cells_are_told(found):
    old, new = cell(found), attrs.evolve(cell(found), sources=subject_cells.sources_digest())
    (told,) = ran_on([new])
    assert f"`{new.sources}`" in told
    assert "they are today's" in told
    told = list(ran_on([old, new, new]))
    assert told[0].startswith("2 of 3 cells")
    assert "not today's" in told[1]
    assert "of no commit that is known" in told[1]


def test_the_digest_of_a_commit_is_that_of_its_files(tmp_path):
    for part in subject_cells.SOURCES:
        place = tmp_path / part.relative_to(subject_cells.ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(part)
    assert subject_cells.sources_digest(tmp_path) == subject_cells.sources_digest()


def test_older_versions_run_fewer_trials_and_that_is_told(stages):
    stages.args.older = 10
    text = subject_pages.readme(subjects.campaign_of(stages, ""))
    assert "200 trials of each case of each scenario on 2.0." in text
    assert "On 1.9 only the first 10 of the same" in text


def test_the_command_of_the_report_is_one_that_does_it_anew():
    args = subjects.arguments(
        ["--version", "1.9=/here/python", "--older", "7", "--no-run", "--work", "/here/too"]
    )
    told = subjects.command(args)
    assert "--version 1.9 --trials 20000 --older 7" in told
    assert "here" not in told
    assert "no-run" not in told


def test_other_sources_make_another_campaign(stages):
    assert subject_cells.perform(order(stages))
    assert len(stages.cells()) == 1
    stages.sources = "other"
    assert stages.cells() == []
    stages.args.no_run = True
    assert len(stages.cells()) == 1
    stages.args.trials = 10
    assert len(stages.cells()) == 1, "it is told as it is"
    assert subjects.campaign_of(stages, "").trials["2.0"] == 5
    stages.args.seed = 1
    assert stages.cells() == []


# --- processes ------------------------------------------------------------------------------------


@attrs.frozen
class Script:
    """A job that is any program."""

    title: str
    program: str
    timeout_s: float = 60.0
    order: object = None

    @property
    def command(self):
        return [sys.executable, "-c", self.program]


def test_workers_tell_what_failed_and_what_took_too_long(capsys):
    workers = subjects.Workers(2, time.monotonic() + LIMIT)
    workers.run(
        [
            Script("good", "pass"),
            Script("bad", "raise SystemExit('because')"),
            Script("slow", "import time; time.sleep(60)", timeout_s=0.0),
        ],
        lambda job: "done",
    )
    assert "good: done" in capsys.readouterr().err
    assert sorted(workers.gaps)[0] == "bad: because"
    assert sorted(workers.gaps)[1].startswith("slow: took longer than")
    assert len(workers.gaps) == 2


def test_nothing_begins_when_time_is_up():
    workers = subjects.Workers(2, time.monotonic() - 1)
    workers.run([Script("late", "pass")], lambda job: "done")
    assert workers.gaps == ["late: out of time"]
