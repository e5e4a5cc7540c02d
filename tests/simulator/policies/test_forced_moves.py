"""Moves that more replicas cannot spare: raised by what a replay shows, made before they break, undone in vain."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.move import COOLDOWN_S
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.purse import Budget
from wharfage_autoscaler.sight import PoolSeen
from wharfage_simulator.cluster import Kind
from wharfage_simulator.policies.wharfage import Asked, Wharfage
from wharfage_simulator.policy import Seen, Target
from wharfage_simulator.profile import EngineProfile
from wharfage_simulator.result import Result
from wharfage_simulator.run import run
from wharfage_simulator.scenario import Fleetable, fleetable
from wharfage_simulator.setting import Setting
from wharfage_simulator.tables import Floats
from wharfage_simulator.traces import RateTrace, RequestTrace
from wharfage_simulator.workload import requests

from tests.simulator.test_comparison import ASKED, L4, L40S

HOURS = 2.0
NOTHING = np.zeros(0)
LEAD_S = 120.0
EVENLY = RateTrace("evenly", 0.0, 600.0, np.full(round(HOURS * 6), 0.3))
BOTH = fleetable((L4, replace(L40S, usd_per_hour=8.0)), ASKED)
SMALL, LARGE = BOTH.kinds


@dataclass(slots=True)
class Watched:
    """A policy whose looks are kept."""

    policy: Wharfage
    looks: list[dict[PoolKey, PoolSeen]] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)

    name = "watched"
    every_s = 15.0

    @property
    def reads_latencies(self) -> bool:
        """As the policy wants it."""
        return self.policy.reads_latencies

    def target(self, seen: Seen) -> Target:
        """As the policy wants it."""
        self.looks.append({pool.key: pool for pool in seen.pools})
        self.targets.append(dict(self.policy.target(seen)))
        return self.targets[-1]

    def ready(self, kind: Kind) -> list[int]:
        """How many served, look by look."""
        return [look[kind.key].ready for look in self.looks]

    def wanted(self, kind: Kind) -> list[int]:
        """How many were aimed for, look by look."""
        return [target.get(kind.key, 0) for target in self.targets]


def always(offer: Offer, at_s: float) -> bool:
    """A market that has everything."""
    return True


@dataclass(frozen=True, slots=True)
class Market:
    """Catalog prices, one lead time, and what is to be had when."""

    has: Callable[[Offer, float], bool] = always

    def given(self, offer: Offer, at_s: float) -> bool:
        """As it was made."""
        return self.has(offer, at_s)

    def start_s(self, offer: Offer, number: int) -> float:
        """The lead time."""
        return LEAD_S

    def usd_per_hour(self, offer: Offer, at_s: float) -> float:
        """The catalog's price."""
        return offer.usd_per_hour

    def changes_at(self, offer: Offer, after_s: float) -> float:
        """It may at any time."""
        return after_s


def load(rates: RateTrace = EVENLY) -> RequestTrace:
    """Its requests."""
    return requests(rates, seed=1)


def replayed(
    pools: Fleetable,
    first: Kind,
    *,
    count: int = 3,
    market: Market = Market(),
    trace: RequestTrace | None = None,
    history: Floats = NOTHING,
    **asked: Any,
) -> tuple[Result, Watched]:
    """Ours on these pools, from so many replicas of the first one on."""
    setting = Setting(
        name="all",
        kinds=pools.kinds,
        profiles=pools.profiles,
        supply=market,
        objectives=ASKED.objectives,
        traffic=ASKED.traffic,
        most=40,
        slots=200,
    )
    watched = Watched(Wharfage(Asked(variant=ASKED.variant, **asked), history, tunes=False))
    played = load() if trace is None else trace
    return run(watched, played, setting, first={first.key: count}, scored_from_s=0.0), watched


def slowed(pools: Fleetable, kind: Kind, *, by_s: float) -> Fleetable:
    """The same, but every step of that kind's engine takes longer than the model says."""
    profiles = list(pools.profiles)
    engine = profiles[kind.profile]
    profiles[kind.profile] = replace(engine, step=replace(engine.step, fixed_host_s=engine.step.fixed_host_s + by_s))
    return Fleetable(pools.kinds, tuple(profiles))


def with_cache(pools: Fleetable, kind: Kind, kv_tokens: int) -> Fleetable:
    """The same, but the engine of that kind comes up with that much cache."""
    profiles = list(pools.profiles)
    engine = profiles[kind.profile]
    profiles[kind.profile] = EngineProfile(engine.name, replace(engine.step, kv_tokens=kv_tokens))
    kinds = tuple(replace(each, kv_tokens=float(kv_tokens)) if each is kind else each for each in pools.kinds)
    return Fleetable(kinds, tuple(profiles))


def handed_over(watched: Watched, before: Kind, after: Kind, *, rps: float) -> int:
    """The look at which the last replica of the one kind went; what served carried the load all the time."""
    old, new = np.array(watched.ready(before)), np.array(watched.ready(after))
    assert (old * before.planned_rps + new * after.planned_rps >= rps).all(), "made before it breaks"
    gone = int(np.argmin(old > 0))
    assert old[0] > 0
    assert new[gone] > 0
    assert not old[gone:].any(), "and nothing goes back"
    return gone


def test_an_engine_that_is_slow_even_alone_is_left_for_a_faster_one() -> None:
    _, content = replayed(BOTH, SMALL)
    assert not any(content.wanted(LARGE)), "nothing forces it where the model is right"
    result, watched = replayed(slowed(BOTH, SMALL, by_s=0.2), SMALL)
    gone = handed_over(watched, SMALL, LARGE, rps=0.3)
    since = round((gone * 15.0 + 300.0) / 60.0)
    assert result.course.bad_share[:10].mean() > 0.95
    assert result.course.bad_share[since:].mean() < 0.02


def test_a_cache_too_small_for_the_longest_request_is_left_for_a_larger_one() -> None:
    short = with_cache(BOTH, SMALL, 6_000)
    _, watched = replayed(short, SMALL, max_model_tokens=8192)
    handed_over(watched, SMALL, LARGE, rps=0.3)
    _, content = replayed(short, SMALL, max_model_tokens=4096)
    assert not any(content.wanted(LARGE)), "what was promised fits"


NEAR = fleetable((replace(L4, usd_per_hour=0.86), replace(L40S, usd_per_hour=8.0)), ASKED)
"""Nine of the small ones carry what a large one does, for three per cent less."""
NEAR_SMALL, NEAR_LARGE = NEAR.kinds


def busy(usd: float) -> dict[str, Any]:
    """What fills a large one, all of yesterday too, and so many dollars for it."""
    return {
        "trace": requests(replace(EVENLY, req_per_s=4 * EVENLY.req_per_s), seed=1, cv=0.1),
        "history": np.full(5760, 1.2 * 15.0),
        "budget": Budget(usd=usd, period_s=HOURS * 3600.0),
    }


RICH, POOR = busy(1000.0), busy(1.0)


def test_a_budget_that_would_not_last_moves_for_a_saving_below_the_margin_and_never_to_what_is_dearer() -> None:
    _, stays = replayed(NEAR, NEAR_LARGE, count=1, **RICH)
    assert not any(stays.wanted(NEAR_SMALL)), "three per cent are not worth a move"
    _, moves = replayed(NEAR, NEAR_LARGE, count=1, **POOR)
    handed_over(moves, NEAR_LARGE, NEAR_SMALL, rps=1.2)
    _, cheap = replayed(NEAR, NEAR_SMALL, count=9, **POOR)
    assert not any(cheap.wanted(NEAR_LARGE))


@dataclass(frozen=True, slots=True)
class InVain:
    """A forced move whose machines can be had until they are asked for, at the look before `gone_s`."""

    pools: Fleetable
    here: Kind
    there: Kind
    gone_s: float
    count: int = 3
    asked: Mapping[str, Any] = field(default_factory=dict)

    def has(self, offer: Offer, at_s: float) -> bool:
        """Those of the move not, for twenty minutes."""
        return offer.name != self.there.offer.name or not self.gone_s <= at_s < self.gone_s + 1200.0


VAIN = [
    pytest.param(InVain(slowed(BOTH, SMALL, by_s=0.2), SMALL, LARGE, 630.0), id="too slow"),
    pytest.param(InVain(with_cache(BOTH, SMALL, 6_000), SMALL, LARGE, 30.0), id="too small"),
    pytest.param(InVain(NEAR, NEAR_LARGE, NEAR_SMALL, 30.0, 1, POOR), id="too dear"),
]


@pytest.mark.parametrize("case", VAIN)
def test_a_forced_move_to_machines_that_do_not_come_is_undone_and_tried_again_after_an_hour(case: InVain) -> None:
    _, watched = replayed(case.pools, case.here, count=case.count, market=Market(case.has), **case.asked)
    old, new, wanted = watched.ready(case.here), watched.ready(case.there), watched.wanted(case.there)
    asked = next(look for look, count in enumerate(wanted) if count)
    undone = next(look for look in range(asked, len(wanted)) if not wanted[look])
    again = next(look for look in range(undone, len(wanted)) if wanted[look])
    assert undone - asked <= 3, "at once"
    assert not any(new[:again])
    assert min(old[: again + 1]) * case.here.planned_rps >= 0.3, "what serves was kept"
    assert (again - undone) * 15.0 >= COOLDOWN_S - 60.0
    gone = next(look for look in range(again, len(old)) if not old[look])
    assert new[gone] > 0
