"""A charter knows how a replica sits in each pool, and how fast what serves answers."""

from dataclasses import replace

import pytest
from wharfage_autoscaler.mooring import moored
from wharfage_autoscaler.pace import Pace

from tests.builders import variant
from tests.sights import charter, pool, sight

PACE = Pace(0.01, 0.03)
SMALL, LARGE = pool(ready=1, good_rps=2.0), pool("g6e.xlarge", accelerator="L40S", good_rps=6.0)


def test_the_pace_is_that_of_what_serves_by_what_each_carries() -> None:
    known = charter(SMALL, LARGE, pace=PACE)
    other = replace(known.moorings[LARGE.key], pace=Pace(0.02, 0.05))
    both = replace(known, moorings={**known.moorings, LARGE.key: other})
    assert both.pace(sight(SMALL, LARGE)) == pytest.approx(PACE)
    assert both.pace(sight(SMALL, replace(LARGE, ready=1))) == pytest.approx(Pace(0.0175, 0.045))
    assert both.pace(sight(replace(SMALL, ready=0), LARGE)) is None, "nothing serves"


def test_the_pace_of_replicas_of_which_some_are_not_known_is_not_known() -> None:
    known = charter(SMALL, LARGE, pace=PACE)
    partly = replace(known, moorings={**known.moorings, LARGE.key: replace(known.moorings[LARGE.key], pace=None)})
    assert partly.pace(sight(SMALL, LARGE)) == pytest.approx(PACE), "where only the known ones serve it is"
    assert partly.pace(sight(SMALL, replace(LARGE, ready=1))) is None


def test_a_berth_has_the_price_and_the_rate_of_now() -> None:
    asked = charter(SMALL)
    dearer = replace(SMALL, offer=replace(SMALL.offer, usd_per_hour=9.0), planned_rps=1.0)
    assert asked.berth(dearer).offer.usd_per_hour == 9.0
    assert asked.berth(dearer).requests_per_second == 1.0


def test_a_pool_that_does_not_hold_the_model_is_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="is offered as a pool, but"):
        moored(variant(), replace(SMALL, offer=replace(SMALL.offer, accelerator_memory_gib=2.0)), max_model_tokens=8192)
