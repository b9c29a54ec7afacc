import pytest
from tests.prove import test_interleavings as t
from tests.substrates.interleaving import Comparison
from tests.substrates.test_interleavings import CHANNELS, DRAWN, SCHEMAS
from tests.substrates.world_statements import JOB_STATEMENTS, STATEMENTS
def test_some(pg_server):
    t.EACH=120
    drawn = {"repaired": STATEMENTS, "queue": JOB_STATEMENTS}
    for name in drawn:
        c = Comparison(SCHEMAS[name], pg_server.new_database(), CHANNELS)
        from hypothesis import HealthCheck, given, settings
        @settings(max_examples=120, suppress_health_check=list(HealthCheck), derandomize=False)
        @given(DRAWN[name]())
        def compare(steps): c.run(steps)
        compare()
        missing=[each.name for each in drawn[name] if not c.counts[each.name]]
        print(name, {k:c.counts[k] for k in t.COUNTED}, "missing", missing, {k:v for k,v in c.counts.items() if k.startswith("outside")})
