"""What replicas carry within the objectives, measured on the replay's own engines before anything is compared.

The capacity model knows means. Behind a plain Service each replica meets Poisson arrivals of its own, long prompts
hold up the answers of others, and the objectives are judged request by request: on small accelerators that halves the
rate (of Qwen3-8B's on an A10G, 45 % of the model's rate still miss for 9 %). In a cluster the calibration learns that
from live metrics; here a sweep does, once and for every policy alike, so that what is compared is the autoscaling.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from wharfage_autoscaler.capacity import AtOnce, at_once
from wharfage_autoscaler.objectives import Objectives

from wharfage_simulator.minutes import judged
from wharfage_simulator.profile import EngineProfile
from wharfage_simulator.records import Outcome
from wharfage_simulator.replica import Replicas, Service
from wharfage_simulator.routing import Routing
from wharfage_simulator.scenario import Fleetable, ScenarioError
from wharfage_simulator.traces import RequestTrace

MISSES = 0.04
"""Share of requests that may miss: a minute is bad above 0.05, and minutes differ."""
_REPLICAS = 12
_REQUESTS = 20_000
_LEAST_S = 60.0
_ANSWERS = 20.0  # so many answers one after the other, of the mean length and as slow as is allowed
_WARM = 0.2  # of the time
_SHARES = (0.1, 1.25)
_STEPS = 7


@dataclass(frozen=True, slots=True)
class Carried:
    """What one kind of engine carries: a share of the model's rate, requests that then decode at once, seconds."""

    share: float
    sequences: float
    ttft_p95_s: float
    at_once: AtOnce | None = None
    """What a gateway lets it have at a time."""


def swept(pools: Fleetable, sample: RequestTrace, objectives: Objectives, service: Service) -> Fleetable:
    """The pools with measured rates; those whose engines miss the objectives at a tenth of the model's are left out.

    `sample` gives the lengths. `ScenarioError` where no pool is left.
    """
    found: dict[int, Carried | None] = {}
    kinds = []
    for kind in pools.kinds:
        if kind.profile not in found:
            bench = _Bench(pools.profiles[kind.profile], kind.good_rps, sample, objectives)
            found[kind.profile] = bench.best(service) if service.gateway is None else bench.behind(service)
        if (carried := found[kind.profile]) is not None:
            kinds.append(
                replace(
                    kind,
                    good_rps=kind.good_rps * carried.share,
                    planned_rps=kind.planned_rps * carried.share,
                    sequences=carried.sequences,
                    at_once=carried.at_once,
                )
            )
    if not kinds:
        raise ScenarioError(
            f"{sample.name}: on no machine that fits, {MISSES * 100:.0f} % of the requests at most miss "
            f"{objectives.ttft_p95_s:g} s to the first token and {objectives.tpot_p95_s:g} s for each other, "
            "however few come: allow more time"
        )
    return pools.only(kinds)


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """Some replicas of one kind, the rate that the model gives them, and what is asked of them."""

    profile: EngineProfile
    model_rps: float
    sample: RequestTrace
    objectives: Objectives

    def behind(self, service: Service) -> Carried | None:
        """The best behind a gateway, whose bound is made from the best rate without one, as the operator makes it."""
        unbound = self.best(replace(service, gateway=None, routing=Routing.LEAST_LOADED))
        if unbound is None:
            return None
        rps, most = unbound.share * self.model_rps, self.profile.step.limits.sequences
        return self.best(service, at_once(unbound.sequences, rps, unbound.ttft_p95_s, most))

    def best(self, service: Service, bound: AtOnce | None = None) -> Carried | None:
        """At the largest share of the model's rate that few enough requests miss at; None where there is none."""
        low, high = _SHARES
        best = None
        for step in range(_STEPS + 1):
            share = low if step == 0 else math.sqrt(low * high)
            missed, carried = self._tried(share, service, bound)
            if missed <= MISSES:
                low, best = share, carried
            elif step == 0:
                return None
            else:
                high = share
        return best

    def _tried(self, share: float, service: Service, bound: AtOnce | None) -> tuple[float, Carried]:
        """Share of requests that miss when that rate comes to each of the replicas, and how they stand then."""
        draw, sample, objectives = np.random.default_rng(1), self.sample, self.objectives
        rps = share * self.model_rps
        answer_s = objectives.ttft_p95_s + objectives.tpot_p95_s * float(sample.output_tokens.mean())
        seconds = max(_LEAST_S, _ANSWERS * answer_s, _REQUESTS / (rps * _REPLICAS))
        count = max(1, round(rps * _REPLICAS * seconds))
        which = draw.integers(0, sample.requests, count)
        load = RequestTrace(
            sample.name,
            0.0,
            seconds,
            np.sort(draw.uniform(0.0, seconds, count)),
            sample.prompt_tokens[which],
            sample.output_tokens[which],
            sample.cached_tokens[which],
        )
        fleet = Replicas(load, [self.profile], _REPLICAS, service)
        for slot in range(_REPLICAS):
            fleet.serve(slot, 0, at_once=bound)
        fleet.run(math.inf)
        rows = fleet.requests[fleet.requests["arrival_s"] >= _WARM * seconds]
        good, _ = judged(rows, math.inf, ttft_s=objectives.ttft_p95_s, tpot_s=objectives.tpot_p95_s)
        served = rows[rows["outcome"] == Outcome.FINISHED]
        if not len(served):
            return 1.0, Carried(share, 1.0, 0.0, bound)
        decoding_s = float((served["finish_s"] - served["first_s"]).mean())
        ttft_s = float(np.quantile(served["first_s"] - served["arrival_s"], 0.95))
        return 1.0 - float(good.mean()), Carried(share, max(1.0, rps * decoding_s), ttft_s, bound)
