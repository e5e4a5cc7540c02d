"""Who is on which machine, and what it costs: what the ledger's meter sees, from the objects of the cache.

A pod says when it was bound and first ready; its pool says which offer it runs on and how much of a machine it takes.
What is known of a stay already holds: a pool may go before its last pod does, and a deployment that was deleted and
made again does not pay for the pods of the one before.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from wharfage_api.labels import POOL
from wharfage_autoscaler.fleet import Pool
from wharfage_autoscaler.meter import Machine, Meter, Stay
from wharfage_autoscaler.spend import Account, Payer
from wharfage_autoscaler.supply import OfferKey

from wharfage_operator.cache import Cache, owner_of
from wharfage_operator.kinds import DEPLOYMENTS, LLM_DEPLOYMENTS, NODES, Object
from wharfage_operator.plan import over
from wharfage_operator.pools import described

TEAM = "team"
"""Label of a deployment that names the team that pays for it."""


Priced = Callable[[Pool, Machine | None], tuple[float, bool]]
"""Dollars per hour of a pool's machine, and whether they are a guess; by what was known of that machine before."""

Selecting = Callable[[Object], tuple[str, ...]]
"""The names of the budgets that select a deployment."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A pod or a node that was seen to go, and when (Unix seconds of the ledger's clock)."""

    obj: Object
    at_s: float


@dataclass(frozen=True, slots=True)
class Tenancy:
    """What it takes to tell who is on which machine.

    `own_s` turns a moment of the wall's clock into one of the ledger's. `shared` says whether others are on a node of
    that name, too. Before `floor_s` nothing is charged.
    """

    cache: Cache
    priced: Priced
    selecting: Selecting
    own_s: Callable[[float], float]
    shared: Callable[[str], bool]
    floor_s: float = 0.0

    def machines(
        self, meter: Meter, pods: Iterable[Object], gone: Iterable[Ended], left: Iterable[Ended]
    ) -> dict[str, Machine]:
        """The machines that ours are on or were on, by the uid of the node.

        `gone` are pods and `left` nodes that were seen to go; those that went before the meter's mark are charged.
        """
        ended = [each for each in left if each.at_s > meter.mark_s]
        nodes = {each.obj["metadata"]["name"]: each.obj for each in ended}
        nodes |= {node["metadata"]["name"]: node for node in self.cache.all(NODES)}
        stays: list[tuple[Object, float | None]] = [(pod, None) for pod in pods if not over(pod)]
        stays += [(each.obj, each.at_s) for each in gone if each.at_s > meter.mark_s]
        found: dict[str, Machine] = {}
        for pod, until_s in stays:
            node = nodes.get((pod.get("spec") or {}).get("nodeName") or "")
            if node is not None:
                self._add(found, meter, pod, node, until_s)
        there = {str(node["metadata"]["uid"]) for node in nodes.values()}
        found |= {uid: replace(meter.machines[uid], stays={}) for uid in (meter.machines.keys() & there) - found.keys()}
        until = {str(each.obj["metadata"]["uid"]): each.at_s for each in ended}
        return {uid: replace(machine, until_s=until.get(uid)) for uid, machine in found.items()}

    def _add(self, found: dict[str, Machine], meter: Meter, pod: Object, node: Object, until_s: float | None) -> None:
        uid, pod_uid = str(node["metadata"]["uid"]), str(pod["metadata"]["uid"])
        known = meter.machines.get(uid)
        stay = None if known is None else known.stays.get(pod_uid)
        pool = self._pool(pod)
        stay = self._stay(pod, pool, stay, until_s)
        if stay is None:
            return
        machine = found.get(uid) or self._machine(known, pool, node)
        found[uid] = replace(machine, stays={**machine.stays, pod_uid: stay})

    def _machine(self, known: Machine | None, pool: Pool | None, node: Object) -> Machine:
        if pool is None:
            assert known is not None  # noqa: S101 - a stay without a pool is a known one
            return replace(known, stays={})
        usd_per_hour, guessed = self.priced(pool, known)
        whole = pool.offer.accelerator != "CPU" and not self.shared(node["metadata"]["name"])
        created_s = self._at_s(node["metadata"].get("creationTimestamp"))
        since_s = known.since_s if known is not None else max(created_s or 0.0, self.floor_s)
        return Machine(usd_per_hour, whole, since_s, guessed=guessed)

    def _stay(self, pod: Object, pool: Pool | None, known: Stay | None, until_s: float | None) -> Stay | None:
        ready_s, bound_s = self._since_s(pod, "Ready"), self._since_s(pod, "PodScheduled")
        if known is not None:
            account = self._account(pod, known.account.offer, known.account)
            ready_s = known.ready_s if known.ready_s is not None else ready_s
            return replace(known, account=account or known.account, ready_s=ready_s, until_s=until_s)
        account = None if pool is None else self._account(pod, pool.offer.key)
        if account is None or bound_s is None or pool is None or not 0 < pool.accelerators <= pool.offer.accelerators:
            return None
        part = pool.accelerators / pool.offer.accelerators
        return Stay(account, part, max(bound_s, self.floor_s), ready_s, until_s)

    def _pool_object(self, pod: Object) -> Object | None:
        owner = owner_of(pod)
        digest = (pod["metadata"].get("labels") or {}).get(POOL)
        return None if owner is None else self.cache.get(DEPLOYMENTS, (owner[0], f"{owner[1]}-{digest}"))

    def _pool(self, pod: Object) -> Pool | None:
        pool = self._pool_object(pod)
        return None if pool is None else _described((pool["metadata"].get("annotations") or {}).get(POOL, ""))

    def _account(self, pod: Object, offer: OfferKey, known: Account | None = None) -> Account | None:
        """Who pays for a pod: the deployment that its pool belongs to, which need not be the one of that name now.

        One that is gone stays under the budgets that it was `known` to be under.
        """
        owner, pool = owner_of(pod), self._pool_object(pod)
        references = [] if pool is None else pool["metadata"].get("ownerReferences") or []
        uid = next((str(each["uid"]) for each in references if each.get("kind") == LLM_DEPLOYMENTS.name), "")
        if owner is None or not uid:
            return None
        deployment = self.cache.get(LLM_DEPLOYMENTS, owner)
        if deployment is None or deployment["metadata"].get("uid") != uid:
            return known or Account(Payer(uid, *owner), offer)
        if known is not None and known.payer.uid != uid:
            return known
        team = str((deployment["metadata"].get("labels") or {}).get(TEAM, ""))
        model = str(((deployment.get("spec") or {}).get("model") or {}).get("source", ""))
        return Account(Payer(uid, *owner, team, model), offer, self.selecting(deployment))

    def _since_s(self, pod: Object, condition: str) -> float | None:
        rows = (pod.get("status") or {}).get("conditions") or ()
        row = next((row for row in rows if row.get("type") == condition and row.get("status") == "True"), None)
        return None if row is None else self._at_s(row.get("lastTransitionTime"))

    def _at_s(self, text: str | None) -> float | None:
        return self.own_s(datetime.fromisoformat(text).timestamp()) if text else None


@lru_cache(maxsize=4096)
def _described(text: str) -> Pool | None:
    try:
        return described(text)
    except ValueError:
        return None
