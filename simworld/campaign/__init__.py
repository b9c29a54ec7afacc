"""Campaigns: scenarios, variants, trials, hunts, repros, and the property-based form."""

from simworld.campaign.decorating import scenario_of
from simworld.campaign.generated import GENERATED, drawn_program
from simworld.campaign.hunt import HuntDiverged, Hunter, hunt
from simworld.campaign.ledger import compared, load_ledger, save_ledger, updated
from simworld.campaign.loading import load_races, load_scenarios
from simworld.campaign.places import PLACES, Place, check_possible, place_named, worlds_with
from simworld.campaign.pool import Pool, cores
from simworld.campaign.prop import LawBrokenError, PropertyFinding, check_property
from simworld.campaign.replaying import (
    engine_digest,
    load_repro,
    racing_pair,
    replay,
    run_log,
    save_repro,
    tell,
)
from simworld.campaign.scenario import (
    TURNS_MAX,
    Case,
    Scenario,
    case_variant,
    claimed_variant,
    declared_verdict,
)
from simworld.campaign.strip import Strip, StripRow, crash_strip
from simworld.campaign.trial import (
    Setup,
    Trial,
    prepared,
    profile_of,
    run_trial,
)
from simworld.campaign.twice import check_hash_seeds
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
    "GENERATED",
    "PLACES",
    "PRESETS",
    "TURNS_MAX",
    "Case",
    "HuntDiverged",
    "Hunter",
    "Knob",
    "LawBrokenError",
    "Place",
    "Pool",
    "PropertyFinding",
    "Scenario",
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
    "claimed_variant",
    "compared",
    "cores",
    "crash_strip",
    "declared_verdict",
    "drawn_program",
    "engine_digest",
    "hunt",
    "knob_table",
    "load_ledger",
    "load_races",
    "load_repro",
    "load_scenarios",
    "place_named",
    "placed",
    "prepared",
    "preset",
    "profile_of",
    "racing_pair",
    "replay",
    "run_log",
    "run_trial",
    "save_ledger",
    "save_repro",
    "scenario_of",
    "tell",
    "updated",
    "with_knob",
    "worlds_with",
]
