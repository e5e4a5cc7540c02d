"""The figures of one deployment, from what its status is made of."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.load import Load

from wharfage_operator.gauges import Figures
from wharfage_operator.verdicts import Seen


def figures(seen: Seen, status: Mapping[str, Any]) -> Figures:
    """What is shown beside the `status` that was made of it. A cost is none where a price is not known."""
    paid = Fleet((*seen.fleet.pools, *seen.ahead.pools, *seen.stand_ins.pools))
    priced = all(pool.offer.usd_per_hour > 0 for pool in paid.pools if pool.replicas)
    engines: Counter[tuple[str, str, int]] = Counter()
    for pool in seen.fleet.pools:
        engines[pool.variant, pool.offer.accelerator, pool.accelerators] += pool.ready
    return Figures(
        ready=seen.fleet.ready,
        wanted=seen.fleet.replicas,
        usd_per_hour=paid.usd_per_hour if priced else None,
        measured={**_measured(seen.load), **_decided(seen.decision)},
        engines=engines,
        conditions={row["type"]: (row["status"], row["reason"]) for row in status["conditions"]},
    )


def _measured(load: Load | None) -> dict[str, float]:
    if load is None:
        return {}
    known = {
        "requests_per_second": load.requests_per_second,
        "demand_requests_per_second": load.requests_per_second * load.work_per_request,
        "requests_waiting": load.waiting,
        "prompt_tokens_per_second": load.prompt_tokens_per_second,
        "output_tokens_per_second": load.output_tokens_per_second,
        "late_ratio": load.bad_share_5m,
        "ttft_p95_seconds": load.ttft_p95_s,
        "tpot_p95_seconds": load.tpot_p95_s,
    }
    return {name: value for name, value in known.items() if value is not None}


def _decided(decision: Decision | None) -> dict[str, float]:
    """What the count law expects and holds replicas for; nothing where the count does not follow the load."""
    if decision is None or decision.demand is None:
        return {}
    known = {
        "expected_requests_per_second": decision.demand.signals.expected_rps,
        "wanted_requests_per_second": decision.demand.wanted_rps,
    }
    return {name: value for name, value in known.items() if math.isfinite(value)}
