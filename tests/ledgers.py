"""A ledger of two months as an operator would have kept it: two deployments, two teams, day and night."""

import math
from datetime import UTC, datetime
from functools import cache
from typing import Any

from wharfage_autoscaler.ledger import Ledger
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.spend import Account, Payer, Served, Spend

HOUR_S = 3600.0
BEGINS_S = datetime(2026, 10, 1, tzinfo=UTC).timestamp()
NOW_S = datetime(2026, 11, 27, 12, tzinfo=UTC).timestamp()
L4, L40S = ("cloud", "g6.xlarge"), ("cloud", "g6e.xlarge")
ON_DEMAND, SPOT = {L4: 0.8048, L40S: 1.861}, {L4: 0.31, L40S: 0.74}
QWEN, LLAMA = "hf://Qwen/Qwen3-8B", "hf://meta-llama/Llama-3.1-8B-Instruct"

CATALOG: dict[str, Any] = {
    "metadata": {"name": "cloud"},
    "spec": {
        "provider": "aws",
        "region": "us-east-1",
        "observedAt": "2026-11-27T00:00:00Z",
        "offers": [
            {
                "name": machine[1],
                "machine": machine[1],
                "accelerator": {"name": accelerator, "count": 1, "memoryGiB": memory_gib},
                "vcpus": 4,
                "memoryGiB": 32,
                "prices": [
                    {"market": "OnDemand", "usdPerHour": str(ON_DEMAND[machine])},
                    {"market": "Spot", "usdPerHour": str(SPOT[machine])},
                ],
            }
            for machine, accelerator, memory_gib in ((L4, "L4", 24), (L40S, "L40S", 48))
        ],
    },
}


def chat(market: Market = Market.SPOT, *, uid: str = "chat-uid", namespace: str = "shop") -> Account:
    """Follows its load, half on spot."""
    return Account(Payer(uid, namespace, "chat", "search", QWEN), (*L4, market, ""), ("all",))


def batch(*, uid: str = "batch-uid", namespace: str = "shop") -> Account:
    """Four replicas day and night, on demand."""
    return Account(Payer(uid, namespace, "batch", "data", LLAMA), (*L40S, Market.ON_DEMAND, ""), ("all",))


def hour(
    price: float, replicas: float, requests: float, *, idle: float = 0.0, startup: float = 0.0, lost: float = 0.0
) -> Spend:
    """An hour of replicas that take a machine each, answering requests of 900 and 220 tokens."""
    served = Served(requests, 900 * requests, 300 * requests, 220 * requests, 36 * requests, requests)
    return Spend(
        serving=price * (replicas - startup),
        idle=price * idle,
        startup=price * startup,
        replica_hours=replicas,
        machine_hours=replicas + idle,
        interruptions=lost,
        served=served if requests else Served(),
    )


@cache
def ledger(
    *, chat_uid: str = "chat-uid", batch_uid: str = "batch-uid", namespace: str = "shop", until_s: float = NOW_S
) -> Ledger:
    """Hours from October on; the chat sleeps at night, the batch works by day."""
    spot = chat(uid=chat_uid, namespace=namespace)
    booked = chat(Market.ON_DEMAND, uid=chat_uid, namespace=namespace)
    whole = batch(uid=batch_uid, namespace=namespace)
    rows = {}
    for number in range(int((until_s - BEGINS_S) // HOUR_S)):
        at = number % 24
        load = max(0.0, math.sin(math.pi * (at - 6) / 14)) if 6 <= at <= 20 else 0.0
        half = max(1.0, math.ceil(4 * load)) / 2
        rows[BEGINS_S + HOUR_S * number] = {
            spot: hour(SPOT[L4], half, 2000 * load, idle=0.1, lost=1.0 if number % 100 == 13 else 0.0),
            booked: hour(ON_DEMAND[L4], half, 2000 * load, startup=0.1),
            whole: hour(ON_DEMAND[L40S], 4.0, _worked(at)),
        }
    return Ledger(rows)


def _worked(at: int) -> float:
    """Requests of the batch in an hour of the day."""
    if 9 <= at < 12:
        return 8000.0
    return 200.0 if 8 <= at < 20 else 0.0
