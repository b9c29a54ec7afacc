"""Text, tables and JSON for people: the only place that formats.

Nearly everything here is a function from records to ``str`` or ``bytes``; who prints it, and
where, is not known to them.  Only ``Output`` and the progress bar write by themselves.
"""

from simworld.render.benchmarks import bench_json, bench_report, bench_text, read_bench
from simworld.render.book import book_json, book_report, book_table
from simworld.render.confirmation import confirmation_json, confirmation_text
from simworld.render.explain import explanation_json, explanation_text
from simworld.render.faults import faults_json, faults_table
from simworld.render.jsonout import replay_json, results_json, scenarios_json
from simworld.render.judged import log_verdict_json, log_verdict_text
from simworld.render.junit import JunitTold, junit_xml
from simworld.render.output import Output, check_targets
from simworld.render.phrases import hunt_heading, known_lines, repro_names, surprise_lines
from simworld.render.plots import bench_plots
from simworld.render.progress import Pace, counting_bar, progress_bar, reading_bar, searches_bar
from simworld.render.races import (
    examined_summary,
    examined_table,
    race_page,
    races_json,
    races_report,
    races_table,
)
from simworld.render.roles import Roles, delivery_of
from simworld.render.runlog import log_json, log_text
from simworld.render.story import story_text
from simworld.render.tables import notes_text, results_table, scenarios_table, summary_line
from simworld.render.text import for_encoding
from simworld.render.variants import knobs_table, variants_json, variants_table
from simworld.render.versions import VersionRow, versions_json, versions_table

__all__ = [
    "JunitTold",
    "Output",
    "Pace",
    "Roles",
    "VersionRow",
    "bench_json",
    "bench_plots",
    "bench_report",
    "bench_text",
    "book_json",
    "book_report",
    "book_table",
    "check_targets",
    "confirmation_json",
    "confirmation_text",
    "counting_bar",
    "delivery_of",
    "examined_summary",
    "examined_table",
    "explanation_json",
    "explanation_text",
    "faults_json",
    "faults_table",
    "for_encoding",
    "hunt_heading",
    "junit_xml",
    "knobs_table",
    "known_lines",
    "log_json",
    "log_text",
    "log_verdict_json",
    "log_verdict_text",
    "notes_text",
    "progress_bar",
    "race_page",
    "races_json",
    "races_report",
    "races_table",
    "read_bench",
    "reading_bar",
    "replay_json",
    "repro_names",
    "results_json",
    "results_table",
    "scenarios_json",
    "scenarios_table",
    "searches_bar",
    "story_text",
    "summary_line",
    "surprise_lines",
    "variants_json",
    "variants_table",
    "versions_json",
    "versions_table",
]
