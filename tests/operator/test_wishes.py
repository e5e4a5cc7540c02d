"""What deployments would cost unrestricted, from what was just decided for them."""

from dataclasses import replace

import pytest
from wharfage_autoscaler.decide import decide
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.snapshot import Memory, Snapshot
from wharfage_operator.wishes import Cost, cost

from tests.autoscaler.test_trials import L4, RATED, under_load
from tests.builders import pool


def told(seen: Snapshot) -> Cost:
    return cost(seen, decide(seen, Memory())[0], Fleet())


def test_what_is_on_trial_makes_a_request_no_dearer() -> None:
    """Dollars are for all requests, so the requests that a trial answers count as well."""
    tried = pool(L4, 10, variant="int4")
    alone, beside = told(under_load(20.0)), told(under_load(20.0, RATED, fleet=Fleet((tried,))))
    assert alone.demand_rps > 20.0
    assert beside.demand_rps == pytest.approx(alone.demand_rps)


def test_where_a_trial_answers_everything_nothing_is_learned_of_what_serves() -> None:
    tried = pool(L4, 20, variant="int4")
    whole = replace(RATED, share=1.0)
    assert told(under_load(20.0, whole, fleet=Fleet((tried,)))).demand_rps == 0.0
