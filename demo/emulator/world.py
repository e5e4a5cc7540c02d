"""The cluster as the emulator knows it, and the load that it puts on it; the API server and the clock are elsewhere."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from wharfage_api.labels import OWNER, POOL
from wharfage_autoscaler.need import Key
from wharfage_simulator.traces import RateTrace, RequestTrace
from wharfage_simulator.workload import requests, taken

from demo.emulator.books import Books
from demo.emulator.engines import Engines, engines
from demo.emulator.served import Served

Object: TypeAlias = dict[str, Any]
SERVICE = "kubernetes.io/service-name"
MISCHIEF = "demo.wharfage.dev/metrics"
"""Annotation of a pod whose /metrics `hangs`, is `huge`, or `lies`."""


@dataclass(frozen=True, slots=True)
class Pod:
    """What matters of a pod."""

    uid: str
    namespace: str
    name: str
    owner: str
    pool: str
    address: str
    node: str
    mischief: str
    grace_s: float | None
    """How long it may take to end, once it was told to; by the engines' clock."""

    @property
    def key(self) -> Key:
        """Its LLMDeployment."""
        return self.namespace, self.owner


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the run, of all deployments together; see `Moment`."""

    t_s: float
    arrived_rps: float
    carried_rps: float
    bad_share: float | None
    running: int
    waiting: int
    pods: int
    machines: int
    usd_per_hour: dict[str, float]


@dataclass(slots=True)
class World:
    """What was heard, and the deployments that are served. Times are the engines' seconds since the run began."""

    traces: Mapping[Key, RateTrace | RequestTrace]
    seed: int = 1
    books: Books = field(default_factory=Books)
    served: dict[Key, Served] = field(default_factory=dict)
    begun_s: dict[Key, float] = field(default_factory=dict)
    """When each deployment's trace began: with the first pod that its Service sends anything."""
    now_s: float = 0.0
    leads_s: list[float] = field(default_factory=list)
    """From a pod's creation to its place among the endpoints, of all that were seen to come."""
    _waiting_s: dict[str, float] = field(default_factory=dict)
    _pods: dict[str, Pod] = field(default_factory=dict)
    _pools: dict[tuple[str, str], Object] = field(default_factory=dict)
    _slices: dict[str, tuple[Key, frozenset[str]]] = field(default_factory=dict)
    _deployments: dict[Key, Object] = field(default_factory=dict)
    _catalogs: dict[str, Object] = field(default_factory=dict)
    _engines: dict[Key, Engines] = field(default_factory=dict)
    _profiles: dict[tuple[str, str], int | None] = field(default_factory=dict)
    _told_to_end_s: dict[str, float] = field(default_factory=dict)
    _by_address: dict[str, str] = field(default_factory=dict)

    def pod(self, raw: Object, gone: bool) -> None:
        """A pod of a pool."""
        seen = pod(raw)
        if gone:
            self._pods.pop(seen.uid, None)
            self._waiting_s.pop(seen.uid, None)
            self._told_to_end_s.pop(seen.uid, None)
            if self._by_address.get(seen.address) == seen.uid:
                del self._by_address[seen.address]
            return
        if seen.uid not in self._pods and not seen.address:
            self._waiting_s[seen.uid] = self.now_s
        self._pods[seen.uid] = seen
        if seen.address:
            self._by_address[seen.address] = seen.uid
        if seen.grace_s is not None:
            self._told_to_end_s.setdefault(seen.uid, self.now_s)

    def pool(self, raw: Object, gone: bool) -> None:
        """The Deployment of a pool; what it said is remembered, since its pods may outlive it."""
        labels = raw["metadata"].get("labels") or {}
        if not gone and POOL in labels:
            where = (raw["metadata"]["namespace"], labels[POOL])
            self._pools[where] = raw
            self._profiles.pop(where, None)

    def endpoints(self, raw: Object, gone: bool) -> None:
        """An EndpointSlice."""
        metadata = raw["metadata"]
        if gone:
            self._slices.pop(metadata["uid"], None)
            return
        key = (metadata["namespace"], (metadata.get("labels") or {}).get(SERVICE, ""))
        self._slices[metadata["uid"]] = (key, frozenset(ready_endpoints(raw)))

    def deployment(self, raw: Object, gone: bool) -> None:
        """An LLMDeployment. What it is when its load begins is what its engines are."""
        key = (raw["metadata"]["namespace"], raw["metadata"]["name"])
        if gone:
            self._deployments.pop(key, None)
        else:
            self._deployments[key] = raw

    def catalog(self, raw: Object, gone: bool) -> None:
        """An OfferCatalog."""
        if not gone:
            self._catalogs[raw["metadata"]["name"]] = raw
            self.books.price([raw])

    def claim(self, raw: Object, gone: bool) -> None:
        """A NodeClaim."""
        if not gone:
            self.books.ordered(raw, self.now_s)

    def node(self, raw: Object, gone: bool) -> None:
        """A node."""
        self.books.node(raw, self.now_s, gone=gone)

    def step(self, now_s: float) -> list[Pod]:
        """Let every engine run until then; the pods that have finished what they had and are to end."""
        self.now_s = now_s
        self.books.used({each.node for each in self._pods.values() if each.node}, now_s)
        for key in self.traces:
            receiving = self._receiving(key)
            if receiving and key not in self.served:
                self.served[key], self.begun_s[key] = self._begun(key), now_s
            if key in self.served:
                existing = {uid for uid, each in self._pods.items() if each.key == key}
                self.served[key].step(now_s - self.begun_s[key], receiving, existing)
        return [each for uid, each in self._pods.items() if uid in self._told_to_end_s and self._done(each)]

    def at(self, address: str) -> Pod | None:
        """The pod at an address."""
        return self._pods.get(self._by_address.get(address, ""))

    def page(self, whose: Pod) -> str:
        """What the engine of a pod shows; empty where its deployment has no load."""
        served = self.served.get(whose.key)
        return served.page(whose.uid, lying=whose.mischief == "lies") if served else ""

    def row(self) -> Row:
        """How it all goes."""
        told = [each.moment() for each in self.served.values()]
        rates = [each.arrived_rps or 0.0 for each in told]
        missed = [each.bad_share for each in told if each.bad_share is not None]
        return Row(
            t_s=self.now_s - min(self.begun_s.values(), default=self.now_s),
            arrived_rps=sum(rates),
            carried_rps=sum(each.carried_rps for each in told),
            bad_share=max(missed, default=None),
            running=sum(each.running for each in told),
            waiting=sum(each.waiting for each in told),
            pods=sum(each.pods for each in told),
            machines=sum(each.to_s is None for each in self.books.rentals.values()),
            usd_per_hour=self.books.usd_per_hour(),
        )

    def _done(self, each: Pod) -> bool:
        served = self.served.get(each.key)
        late = self.now_s - self._told_to_end_s[each.uid] >= (each.grace_s or 0.0)
        return late or served is None or served.idle(each.uid)

    def _receiving(self, key: Key) -> dict[str, int]:
        """The profiles of the pods that a Service sends requests to."""
        found: dict[str, int] = {}
        uids = {uid for whose, those in self._slices.values() if whose == key for uid in those}
        for each in (self._pods[uid] for uid in sorted(uids) if uid in self._pods):
            profile = self._profile_of(each)
            if profile is not None:
                found[each.uid] = profile
                if each.uid in self._waiting_s:
                    self.leads_s.append(self.now_s - self._waiting_s.pop(each.uid))
        return found

    def _profile_of(self, each: Pod) -> int | None:
        """The engine of a pod, which is that of its pool; None while that has not been heard of."""
        where = (each.namespace, each.pool)
        if where not in self._profiles:
            of, pool = self._engines_of(each.key), self._pools.get(where)
            if of is None or pool is None:
                return None
            self._profiles[where] = of.of(pool)
        return self._profiles[where]

    def _engines_of(self, key: Key) -> Engines | None:
        if key not in self._engines:
            raw = self._deployments.get(key)
            if raw is None or not self._catalogs:
                return None
            self._engines[key] = engines(raw, self._catalogs.values())
        return self._engines[key]

    def _begun(self, key: Key) -> Served:
        of = self._engines[key]
        trace = self.traces[key]
        made = trace if isinstance(trace, RequestTrace) else requests(trace, seed=self.seed)
        return Served(taken(made, of.context_tokens), of, seed=self.seed)


def pod(raw: Object) -> Pod:
    """What matters of a pod's object."""
    metadata = raw["metadata"]
    labels = metadata.get("labels") or {}
    deleting = bool(metadata.get("deletionTimestamp"))
    return Pod(
        uid=metadata["uid"],
        namespace=metadata["namespace"],
        name=metadata["name"],
        owner=labels.get(OWNER, ""),
        pool=labels.get(POOL, ""),
        address=(raw.get("status") or {}).get("podIP", ""),
        node=(raw.get("spec") or {}).get("nodeName", ""),
        mischief=(metadata.get("annotations") or {}).get(MISCHIEF, ""),
        grace_s=float(metadata.get("deletionGracePeriodSeconds") or 0) if deleting else None,
    )


def ready_endpoints(raw: Object) -> Iterable[str]:
    """The uids of the pods that a slice sends requests to."""
    for each in raw.get("endpoints") or ():
        target = each.get("targetRef") or {}
        if target.get("kind") == "Pod" and (each.get("conditions") or {}).get("ready", True):
            yield target["uid"]
