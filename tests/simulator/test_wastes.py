"""Every patch that a report proposes, replayed: the same hours with it cost less, and no more of their minutes are bad.

The history is one that was replayed as the deployment stood. Its ledger is what the report reads; the patch that it
finds there is merged into the spec, and what that spec does is replayed on the same requests.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from wharfage_autoscaler.ledger import Ledger
from wharfage_autoscaler.model import Variant
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.spend import Account, Payer, Served, Spend
from wharfage_autoscaler.traffic import Traffic
from wharfage_cli.reporting.prices import Prices
from wharfage_cli.reporting.wastes import Waste, wastes
from wharfage_simulator.policies.static import Static
from wharfage_simulator.policies.wharfage import Asked as Wishes
from wharfage_simulator.policies.wharfage import Wharfage
from wharfage_simulator.policy import Policy
from wharfage_simulator.result import Result
from wharfage_simulator.run import run
from wharfage_simulator.scenario import Asked
from wharfage_simulator.spot import Availability, Runs
from wharfage_simulator.stage import Stage, Where, drawn, stage
from wharfage_simulator.traces import RateTrace

from tests.builders import QWEN3_8B, offer

L4 = offer("g6.xlarge", usd_per_hour=0.8)
SPOT = offer("g6.xlarge", market=Market.SPOT, usd_per_hour=0.3)
ASKED = Asked(
    variant=Variant("bf16", 1.0, "", "hf://Qwen/Qwen3-8B", QWEN3_8B),
    traffic=Traffic(900, 220),
    objectives=Objectives(ttft_p95_s=5.0, tpot_p95_s=0.2),
    lead_s=120.0,
)
HOUR_S, HOURS = 3600.0, 7
RECORD = Availability(
    "record",
    2 * HOURS * HOUR_S,
    {
        "a": Runs(tuple(HOUR_S * each for n in range(0, 14, 2) for each in (n, n + 1.8)), (8.0, 0.0) * 7),
        "b": Runs((0.0,), (8.0,)),
    },
)
"""One of two zones has nothing for twelve minutes of every other hour, and takes back what it gave."""
PRICES = Prices(on_demand={("cloud", "g6.xlarge"): 0.8}, spot={("cloud", "g6.xlarge"): 0.3})
WAVES = tuple(0.9 + 0.7 * np.sin(np.arange(12 * HOURS) / (6 * HOURS) * 2 * np.pi))
QUIET = tuple(0.0 if 12 <= place % 42 < 36 else 0.5 for place in range(12 * HOURS))
"""Four hours of six nobody asks."""


@cache
def place(rates: tuple[float, ...], *, spot: bool, gateway: bool) -> Stage:
    played = drawn(RateTrace("hours", 0.0, 600.0, np.array(rates)), seed=1, context_tokens=8192)
    offers = (L4, SPOT) if spot else (L4,)
    return stage(played, offers, ASKED, Where.GATEWAY if gateway else Where.SPOT, availability=RECORD if spot else None)


def replayed(spec: Mapping[str, Any], rates: tuple[float, ...]) -> Result:
    """What a deployment of that spec does."""
    scaling = spec.get("scaling", {})
    spot = spec.get("placement", {}).get("spot", {}).get("policy") == "Allow"
    on = place(rates, spot=spot, gateway=spec.get("routing") == "Gateway")
    policy = _auto(on, float(spec.get("objectives", {}).get("usdPerBadMinute", "1.00")))
    least = int(scaling.get("minReplicas", 1))
    first = max(3, least)
    if scaling.get("mode") == "Manual":
        least, first = 1, int(spec["replicas"])
        policy = Static(on.first.key, first)
    setting = replace(on.setting, least=least)
    return run(policy, on.scored, setting, first={on.first.key: first}, seed=1)


def _auto(on: Stage, usd_per_bad_minute: float) -> Policy:
    wishes = Wishes(variant=ASKED.variant, placement=ASKED.placement, usd_per_bad_minute=usd_per_bad_minute)
    return Wharfage(wishes, on.worked(on.history), on.work, paces=on.paces)


def booked(result: Result) -> Ledger:
    """The ledger of a replay on demand, by the hour."""
    account = Account(Payer("uid", "shop", "chat"), ("cloud", "g6.xlarge", Market.ON_DEMAND, ""))
    rows = {}
    for hour in range(1, len(result.course.demand_rps) // 60):
        minutes = slice(60 * hour, 60 * hour + 60)
        usd = float(result.course.usd_per_hour[minutes].mean())
        asked = float(result.course.demand_rps[minutes].sum()) * 60.0
        served = Served(asked, 2000 * asked, 0.0, 400 * asked, prompt_work=120 * asked)
        spend = Spend(
            serving=usd, replica_hours=usd / 0.8, machine_hours=usd / 0.8, served=served if asked else Served()
        )
        rows[HOUR_S * hour] = {account: spend}
    return Ledger(rows)


def found(spec: Mapping[str, Any], rates: tuple[float, ...], part: str) -> tuple[Result, Waste]:
    """What the deployment did, and the waste with a patch of that part of the spec."""
    was = replayed(spec, rates)
    raw = {"metadata": {"namespace": "shop", "name": "chat", "uid": "uid"}, "spec": spec}
    (waste,) = (each for each in wastes(booked(was), [raw], PRICES) if part in each.patch["spec"])
    return was, waste


def merged(spec: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """As `kubectl patch --type merge` does."""
    deeper = {name: merged(spec.get(name, {}), each) for name, each in patch.items() if isinstance(each, Mapping)}
    return {**spec, **patch, **deeper}


LONE = tuple(0.5 if place % 42 == 0 else 0.0 for place in range(12 * HOURS))
"""Nobody asks after the first minutes."""
CASES = [
    pytest.param({"scaling": {"mode": "Manual"}, "replicas": 6}, WAVES, "scaling", id="a fixed count"),
    pytest.param({"scaling": {"minReplicas": 5}}, WAVES, "scaling", id="a floor above what the quietest hour needs"),
    pytest.param({"scaling": {"minReplicas": 3}}, LONE, "scaling", id="a floor where nobody asks"),
    pytest.param({}, WAVES, "placement", id="on demand only"),
]


@pytest.mark.parametrize(("spec", "rates", "part"), CASES)
def test_with_its_patch_the_same_hours_cost_less_and_are_no_worse(
    spec: dict[str, Any], rates: tuple[float, ...], part: str
) -> None:
    was, waste = found(spec, rates, part)
    now = replayed(merged(spec, waste.patch["spec"]), rates)
    assert now.usd < was.usd - 0.5 * waste.usd
    assert now.bad_minutes <= was.bad_minutes
    assert (now.spot_losses > 0) is (part == "placement"), "a history without a loss would tell little of spot"


def test_zero_costs_less_with_the_bad_minutes_of_its_cold_starts_at_the_deployments_own_price() -> None:
    """There are none without it; so the patch is weighed by what the deployment says that a bad minute costs."""
    spec = {"routing": "Gateway", "objectives": {"usdPerBadMinute": "0.1"}}
    was, waste = found(spec, QUIET, "scaling")
    now = replayed(merged(spec, waste.patch["spec"]), QUIET)
    assert waste.patch["spec"] == {"scaling": {"minReplicas": 0}}
    assert now.usd + 0.1 * now.bad_minutes < was.usd + 0.1 * was.bad_minutes - 0.5 * waste.usd
