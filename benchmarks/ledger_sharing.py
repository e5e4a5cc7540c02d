"""A budget's dollars shared out twice: by the optimiser, and by the knapsack, whose parts the optimiser then fills.

    python -m benchmarks.ledger_sharing

Forty deployments that follow their load ask for machines of a real catalog (`benchmarks.deployments`), under a budget
that pays for a part of what they would spend. The optimiser sees shapes, machines and demand of all at once. The
knapsack (`sharing.shared`) sees dollars alone; each deployment is then allotted within its part. Told is how much of
the demand is carried, as the mean over deployments, and what that costs of the budget.
"""

import json
import time
from collections.abc import Mapping, Sequence

from wharfage_autoscaler.allot import allot
from wharfage_autoscaler.allotment import Allotment
from wharfage_autoscaler.need import Key, Need
from wharfage_autoscaler.sharing import Claim, shared
from wharfage_autoscaler.snapshot import ClusterSnapshot
from wharfage_autoscaler.supply import Cap, Supply

from benchmarks.deployments import needs

DEPLOYMENTS = 40
PAID_SHARES = (0.9, 0.7, 0.5)

Figures = dict[str, float]


def figures() -> Figures:
    """Of each share of the dollars: demand carried, dollars of the budget, and seconds, either way."""
    asked = needs(DEPLOYMENTS, shapes=1)
    free = allot(ClusterSnapshot(asked, Supply()))
    most = {key: each.planned_usd_per_hour for key, each in free.by_key.items()}
    least = _costs(_each(asked, [0.0] * len(asked)))
    found: Figures = {"free_usd_per_hour": sum(most.values()), "floors_usd_per_hour": sum(least.values())}
    for paid in PAID_SHARES:
        usd = paid * sum(most.values())
        began_s = time.process_time()
        at_once = allot(ClusterSnapshot(asked, Supply(caps=(Cap("all", frozenset(most), usd),))))
        took_s = time.process_time() - began_s
        claims = [Claim(min(least[need.key], most[need.key]), most[need.key]) for need in asked]
        began_s = time.process_time()
        parts = shared(claims, usd)
        shared_s = time.process_time() - began_s
        name = f"{100 * paid:.0f}"
        found |= _told(f"optimiser_{name}", asked, at_once.by_key, usd, took_s)
        found |= _told(f"knapsack_{name}", asked, _each(asked, parts), usd, shared_s)
    return found


def _each(asked: Sequence[Need], parts: Sequence[float]) -> dict[Key, Allotment]:
    """Each alone within its dollars, which is solved to the optimum: nothing else is shared."""
    found: dict[Key, Allotment] = {}
    for need, usd in zip(asked, parts, strict=True):
        cap = Cap("its", frozenset({need.key}), usd)
        found |= allot(ClusterSnapshot((need,), Supply(caps=(cap,)))).by_key
    return found


def _costs(found: Mapping[Key, Allotment]) -> dict[Key, float]:
    return {key: each.planned_usd_per_hour for key, each in found.items()}


def _told(name: str, asked: Sequence[Need], found: Mapping[Key, Allotment], usd: float, took_s: float) -> Figures:
    carried = []
    for need in asked:
        shapes = found[need.key].shapes
        rps = sum(each.pool.replicas * each.requests_per_second for each in shapes)
        carried.append(min(1.0, rps / need.peak_rps))
    return {
        f"{name}_carried": sum(carried) / len(carried),
        f"{name}_least_carried": min(carried),
        f"{name}_usd": sum(_costs(found).values()) / usd,
        f"{name}_cpu_s": took_s,
    }


if __name__ == "__main__":
    print(json.dumps(figures(), indent=2))
