"""Pools as objects: how a pool's Deployment is called, and how a fleet is read back from Deployments."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from wharfage_api.labels import POOL
from wharfage_autoscaler.fleet import Fleet, Pool, PoolKey
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.supply import OfferKey

STAND_INS = "wharfage.dev/stand-ins"
"""Annotation of a pool's Deployment: how many of its replicas are there beside others that nobody can count on."""

_HASH = 8  # hex digits


def pool_hash(key: PoolKey) -> str:
    """Eight hex digits that stay the same for as long as the pool is the same."""
    text = "/".join((key.catalog, key.offer, key.market, key.zone, key.variant))
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH]


def pool_name(name: str, key: PoolKey) -> str:
    """Name of the pool's Deployment; a deployment's name is at most 52 characters, so this is at most 61."""
    return f"{name}-{pool_hash(key)}"


def offers_by_pool(fleet: Fleet) -> dict[str, OfferKey]:
    """The offer of each pool, by the hash that its pods carry."""
    return {pool_hash(pool.key): pool.offer.key for pool in fleet.pools}


def replicas_by_pool(fleet: Fleet) -> dict[str, int]:
    """How many replicas each pool has, by its hash."""
    return {pool_hash(pool.key): pool.replicas for pool in fleet.pools}


def stand_ins(deployments: Iterable[dict[str, Any]], fleet: Fleet) -> Fleet:
    """The replicas that stand in beside others, in the pools of a fleet: they cost as much, and are not of it."""
    counts = {
        deployment["metadata"]["name"].rpartition("-")[2]: _stand_ins(deployment["metadata"].get("annotations") or {})
        for deployment in deployments
    }
    beside = (replace(pool, replicas=counts.get(pool_hash(pool.key), 0), ready=0) for pool in fleet.pools)
    return Fleet(tuple(pool for pool in beside if pool.replicas))


def _stand_ins(annotations: Mapping[str, str]) -> int:
    text = annotations.get(STAND_INS, "0")
    return int(text) if text.isascii() and text.isdigit() else 0


def description(pool: Pool) -> str:
    """What a later reader needs to know the pool again, also when its offer has left the catalog.

    Prices are not in it: they change without the pool changing.
    """
    offer = pool.offer
    return json.dumps(
        {
            "catalog": offer.catalog,
            "offer": offer.name,
            "market": offer.market,
            "zone": offer.zone,
            "variant": pool.variant,
            "machine": offer.machine,
            "accelerator": offer.accelerator,
            "accelerators": offer.accelerators,
            "accelerator_memory_gib": offer.accelerator_memory_gib,
            "vcpus": offer.vcpus,
            "memory_gib": offer.memory_gib,
            "node_selector": list(map(list, offer.node_selector)),
            "per_replica": pool.accelerators,
        },
        sort_keys=True,
    )


def observed_fleet(deployments: Iterable[dict[str, Any]], offers: Iterable[Offer]) -> Fleet:
    """The fleet that the pools' Deployments make up, with today's prices; stand-ins are not counted.

    A pool whose offer is in no catalog any more keeps running; its price is not known and counts as 0.
    """
    known = {offer.key: offer for offer in offers}
    pools = (_observed_pool(deployment, known) for deployment in deployments)
    return Fleet(tuple(sorted((pool for pool in pools if pool is not None), key=lambda pool: pool.key)))


def described(text: str) -> Pool:
    """The pool that a `description` tells of, without replicas and at no price; ValueError for anything else."""
    try:
        row = json.loads(text)
        offer = Offer(
            catalog=row["catalog"],
            name=row["offer"],
            market=Market(row["market"]),
            zone=row["zone"],
            machine=row["machine"],
            accelerator=row["accelerator"],
            accelerators=row["accelerators"],
            accelerator_memory_gib=row["accelerator_memory_gib"],
            vcpus=row["vcpus"],
            memory_gib=row["memory_gib"],
            usd_per_hour=0.0,
            node_selector=tuple((key, value) for key, value in row["node_selector"]),
        )
        return Pool(offer, row["variant"], 0, row["per_replica"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"no description of a pool: {error}") from error


def _observed_pool(deployment: dict[str, Any], known: dict[tuple[str, str, Market, str], Offer]) -> Pool | None:
    annotations = deployment["metadata"].get("annotations") or {}
    text = annotations.get(POOL)
    if text is None or deployment["metadata"].get("deletionTimestamp"):
        return None
    try:
        pool = described(text)
        replicas = deployment["spec"].get("replicas", 1) - int(annotations.get(STAND_INS, "0"))
    except (KeyError, TypeError, ValueError):
        return None  # somebody edited the annotation: the pool is no longer known, and is made anew
    offer = known.get(pool.offer.key, pool.offer)
    ready = (deployment.get("status") or {}).get("readyReplicas", 0)
    return replace(pool, offer=offer, replicas=max(0, replicas), ready=ready)
