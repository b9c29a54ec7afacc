"""Campaigns: scenarios, variants, trials, hunts, repros, and the property-based form."""

from simworld.campaign.book import EVERYWHERE, Observed, Page, observe, page
from simworld.campaign.composing import Setup
from simworld.campaign.confirming import confirm
from simworld.campaign.decorating import scenario_of
from simworld.campaign.drawing import Drawing, reading, simpler_picks
from simworld.campaign.examining import check_races, rebased, searches_of
from simworld.campaign.generated import GENERATED, Node, draw_program, drawn_program, programs
from simworld.campaign.grounds import check_together
from simworld.campaign.hunt import HuntDiverged, Hunter, hunt
from simworld.campaign.ledger import compared, load_ledger, save_ledger, updated
from simworld.campaign.loading import load_pages, load_races, load_scenarios
from simworld.campaign.modules import where_of
from simworld.campaign.places import (
    PLACES,
    SUBJECT_PLACES,
    Place,
    check_possible,
    may_strike,
    place_named,
    worlds_with,
)
from simworld.campaign.pool import Pool, cores
from simworld.campaign.prop import LawBrokenError, PropertyFinding, check_property
from simworld.campaign.replaying import (
    engine_digest,
    load_repro,
    replay,
    run_log,
    save_repro,
)
from simworld.campaign.scenario import (
    TURNS_MAX,
    Case,
    Scenario,
    case_variant,
    claimed_variant,
    declared_verdict,
)
from simworld.campaign.searches import examine, load_searched, save_searched, sources_of
from simworld.campaign.sessions import (
    Session,
    drawn_session,
    play,
    program_text,
    session_of,
    session_text,
    sessions,
    simpler_session,
)
from simworld.campaign.strip import Strip, StripRow, crash_strip
from simworld.campaign.trial import (
    Trial,
    prepared,
    profile_of,
    run_trial,
)
from simworld.campaign.twice import check_hash_seeds
from simworld.campaign.twins import nearest_twin, tell, with_twin
from simworld.campaign.variants import (
    PRESETS,
    Knob,
    Variant,
    as_variant,
    knob_table,
    placed,
    preset,
    with_knob,
)

__all__ = [
    "EVERYWHERE",
    "GENERATED",
    "PLACES",
    "PRESETS",
    "SUBJECT_PLACES",
    "TURNS_MAX",
    "Case",
    "Drawing",
    "HuntDiverged",
    "Hunter",
    "Knob",
    "LawBrokenError",
    "Node",
    "Observed",
    "Page",
    "Place",
    "Pool",
    "PropertyFinding",
    "Scenario",
    "Session",
    "Setup",
    "Strip",
    "StripRow",
    "Trial",
    "Variant",
    "as_variant",
    "case_variant",
    "check_hash_seeds",
    "check_possible",
    "check_property",
    "check_races",
    "check_together",
    "claimed_variant",
    "compared",
    "confirm",
    "cores",
    "crash_strip",
    "declared_verdict",
    "draw_program",
    "drawn_program",
    "drawn_session",
    "engine_digest",
    "examine",
    "hunt",
    "knob_table",
    "load_ledger",
    "load_pages",
    "load_races",
    "load_repro",
    "load_scenarios",
    "load_searched",
    "may_strike",
    "nearest_twin",
    "observe",
    "page",
    "place_named",
    "placed",
    "play",
    "prepared",
    "preset",
    "profile_of",
    "program_text",
    "programs",
    "reading",
    "rebased",
    "replay",
    "run_log",
    "run_trial",
    "save_ledger",
    "save_repro",
    "save_searched",
    "scenario_of",
    "searches_of",
    "session_of",
    "session_text",
    "sessions",
    "simpler_picks",
    "simpler_session",
    "sources_of",
    "tell",
    "updated",
    "where_of",
    "with_knob",
    "with_twin",
    "worlds_with",
]
