"""Shapes of which more does not help are known by what is seen of them, and for a while."""

import math
from collections.abc import Iterable

import pytest
from wharfage_autoscaler.move import COOLDOWN_S, Forced
from wharfage_autoscaler.need import Shape
from wharfage_autoscaler.sight import PoolSeen, Sight
from wharfage_autoscaler.unfit import EVIDENCE_S, KEPT_S, Unfit

from tests.sights import OBJECTIVES, charter, pool, sight

SMALL, LARGE = pool(ready=1), pool("g6e.xlarge", accelerator="L40S", good_rps=8.0)
CHARTER = charter(SMALL, LARGE)
TICK_S = 15.0
SLOW_S = 1.1 * OBJECTIVES.tpot_p95_s


def shape(of: PoolSeen) -> Shape:
    """Of a pool of the charter."""
    return CHARTER.berth(of).shape


def looks(*pools: PoolSeen, tpot_s: float = SLOW_S, since_s: float = 0.0, for_s: float = EVIDENCE_S) -> list[Sight]:
    """One every tick, both ends included."""
    count = round(for_s / TICK_S) + 1
    return [sight(*pools, LARGE, now_s=since_s + TICK_S * each, tpot_p50_s=tpot_s) for each in range(count)]


def after(views: Iterable[Sight], unfit: Unfit = Unfit()) -> Unfit:  # noqa: B008 - immutable
    """All of these looks."""
    for view in views:
        unfit = unfit.heard(view, CHARTER)
    return unfit


def reasons(unfit: Unfit, *pools: PoolSeen, now_s: float = EVIDENCE_S) -> dict[Shape, Forced]:
    """Why what is not to be moved to."""
    return unfit.reasons(sight(*(pools or (SMALL, LARGE)), now_s=now_s), CHARTER)


def test_an_engine_that_every_look_finds_slow_for_five_minutes_is_too_slow_for_a_day() -> None:
    assert reasons(after(looks(SMALL, for_s=EVIDENCE_S - TICK_S))) == {}
    known = after(looks(SMALL))
    assert reasons(known) == {shape(SMALL): Forced.TOO_SLOW}
    assert reasons(known, now_s=EVIDENCE_S + KEPT_S - 1.0) == {shape(SMALL): Forced.TOO_SLOW}
    assert reasons(known, now_s=EVIDENCE_S + KEPT_S) == {}


BETWEEN = [
    pytest.param(looks(SMALL, tpot_s=0.9 * SLOW_S, for_s=0.0), id="it was fast enough"),
    pytest.param(looks(SMALL, tpot_s=math.nan, for_s=0.0), id="nobody measured"),
    pytest.param(looks(pool(ready=1, running=math.nan), for_s=0.0), id="nobody knows who else was served"),
    pytest.param(looks(pool(ready=1, running=64.0), for_s=0.0), id="company explains it"),
    pytest.param(looks(pool(), for_s=0.0), id="nothing served"),
    pytest.param(
        [sight(SMALL, pool("g6e.xlarge", accelerator="L40S", good_rps=8.0, ready=1), tpot_p50_s=SLOW_S)],
        id="another shape served as well",
    ),
]


@pytest.mark.parametrize("between", BETWEEN)
def test_one_look_that_does_not_say_so_begins_the_five_minutes_anew(between: list[Sight]) -> None:
    begun = after(between, after(looks(SMALL, for_s=EVIDENCE_S - TICK_S)))
    assert reasons(after(looks(SMALL, since_s=EVIDENCE_S, for_s=EVIDENCE_S - TICK_S), begun)) == {}
    again = after(looks(SMALL, since_s=EVIDENCE_S), begun)
    assert reasons(again, now_s=2 * EVIDENCE_S) == {shape(SMALL): Forced.TOO_SLOW}


def test_other_zones_and_markets_of_a_shape_are_unfit_with_it() -> None:
    there = pool(zone="b")
    unfit = after(looks(SMALL))
    asked = charter(SMALL, there, LARGE)
    found = unfit.reasons(sight(SMALL, there, LARGE, now_s=EVIDENCE_S), asked)
    assert found == {shape(SMALL): Forced.TOO_SLOW}
    assert asked.berth(there).shape == shape(SMALL)


CACHES = [
    pytest.param(8192.0, {}, id="it holds the longest request"),
    pytest.param(8191.0, {shape(SMALL): Forced.TOO_SMALL}, id="it does not"),
    pytest.param(math.nan, {}, id="no engine has told yet"),
]


@pytest.mark.parametrize(("kv_tokens", "found"), CACHES)
def test_a_cache_is_too_small_for_a_request_that_was_promised(kv_tokens: float, found: dict[Shape, Forced]) -> None:
    assert reasons(Unfit(), pool(ready=1, kv_tokens=kv_tokens), LARGE) == found


def test_machines_that_stopped_coming_are_left_out_for_an_hour() -> None:
    unfit = Unfit().gone([shape(LARGE)], 60.0)
    assert reasons(unfit, now_s=60.0 + COOLDOWN_S - 1.0) == {shape(LARGE): Forced.UNOBTAINABLE}
    assert reasons(unfit, now_s=60.0 + COOLDOWN_S) == {}
