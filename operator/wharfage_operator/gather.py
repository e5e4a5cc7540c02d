"""From the cache to values: what one deployment's decision and status may look at, and nothing else.

What can be rented is the same for all deployments, so `Supply` works it out once per change of catalogs,
nodes or NodePools instead of once per deployment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pydantic import ValidationError
from wharfage_api import LLMDeployment, OfferCatalog
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.model import SpotPolicy
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.snapshot import Snapshot
from wharfage_autoscaler.supply import OfferKey
from wharfage_autoscaler.supply import Supply as Shared

from wharfage_operator.adoption import Adopted
from wharfage_operator.cache import Cache
from wharfage_operator.errors import Rejected
from wharfage_operator.kinds import (
    CHILDREN,
    DEPLOYMENTS,
    LLM_DEPLOYMENTS,
    NODE_POOLS,
    NODES,
    OFFER_CATALOGS,
    PODS,
    Key,
    Object,
)
from wharfage_operator.metrics import MetricsSource
from wharfage_operator.obtainable import Obtainability, machines, obtainability
from wharfage_operator.origin import remembered
from wharfage_operator.placeholders import is_placeholder, is_replica
from wharfage_operator.platforms import Platform, platform
from wharfage_operator.pools import observed_fleet
from wharfage_operator.reader import is_reader
from wharfage_operator.routing import is_gated, require_gateway
from wharfage_operator.settings import Settings
from wharfage_operator.spec import NOTHING, Known, counted, offers, on_trial, pinned, refuse_zero, wanted

PAUSED = "wharfage.dev/paused"
_PRICE_NEWS = 0.05  # a smaller relative change of a price wakes nobody
_MOST_ATTAINED = 0.9999  # "1" asks for what no measurement can show


@dataclass(frozen=True, slots=True)
class Subject:
    """One deployment and all that belongs to it, as the cache has it.

    `pods` are its replicas, `readers` those that read a config.json, `remembered` is what they have told before;
    `placeholders` hold machines ahead of replicas.
    Where it only looks at a Deployment of others, that one is `adopted`, the only child, and `pods` are its.
    """

    raw: Object
    deployment: LLMDeployment
    children: tuple[Object, ...]
    pods: tuple[Object, ...]
    load: Load | None
    readers: tuple[Object, ...] = ()
    placeholders: tuple[Object, ...] = ()
    adopted: Adopted | None = None
    remembered: Known = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.deployment.metadata.namespace, self.deployment.metadata.name

    @property
    def uid(self) -> str:
        """The uid that its children must name as owner."""
        return str(self.raw["metadata"]["uid"])

    @property
    def pools(self) -> tuple[Object, ...]:
        """The Deployments among the children."""
        return tuple(child for child in self.children if child["kind"] == DEPLOYMENTS.name)


class Specs:
    """Deployments as they were last parsed: a spec changes seldom, and is looked at eight times a minute."""

    def __init__(self) -> None:
        self._parsed: dict[Key, tuple[str, int, LLMDeployment]] = {}

    def of(self, key: Key, raw: Object) -> LLMDeployment:
        """The deployment; ValidationError if this version cannot read it."""
        uid, generation = str(raw["metadata"]["uid"]), int(raw["metadata"].get("generation", 0))
        known = self._parsed.get(key)
        if known is None or known[:2] != (uid, generation):
            parsed = LLMDeployment.model_validate({name: part for name, part in raw.items() if name != "status"})
            known = self._parsed[key] = uid, generation, parsed
        return known[2]

    def forget(self, key: Key) -> None:
        """It is gone."""
        self._parsed.pop(key, None)


def gather(cache: Cache, key: Key, metrics: MetricsSource, specs: Specs) -> Subject | None:
    """The deployment as it is known; None if it is gone, going, or not to be touched.

    Raises:
        Rejected: for an object that this version cannot read (it was stored under other rules).

    """
    raw = cache.get(LLM_DEPLOYMENTS, key)
    if raw is None or raw["metadata"].get("deletionTimestamp") or is_paused(raw):
        return None
    try:
        deployment = specs.of(key, raw)
    except ValidationError as error:
        raise Rejected(Reason.INVALID_SPEC, complaint(error)) from error
    pods = cache.owned(key, kinds=(PODS,))
    replicas = tuple(pod for pod in pods if is_replica(pod))
    return Subject(
        raw,
        deployment,
        cache.owned(key, kinds=CHILDREN),
        replicas,
        metrics.load(key, replicas, objectives(deployment)),
        readers=tuple(pod for pod in pods if is_reader(pod)),
        placeholders=tuple(pod for pod in pods if is_placeholder(pod)),
        remembered=remembered(raw.get("status") or {}),
    )


def objectives(deployment: LLMDeployment) -> Objectives:
    """How soon and how fast an answer must come, as the user wrote it, and what it costs when it does not."""
    written = deployment.spec.objectives
    return Objectives(
        ttft_p95_s=written.ttft.p95.total_seconds(),
        tpot_p95_s=written.tpot.p95.total_seconds(),
        attainment=min(_MOST_ATTAINED, max(1.0 - _MOST_ATTAINED, float(written.attainment))),
        usd_per_bad_minute=float(written.usd_per_bad_minute),
    )


def is_paused(raw: Object) -> bool:
    """Whether the user asked for no writes at all."""
    return (raw["metadata"].get("annotations") or {}).get(PAUSED) == "true"


def snapshot(
    subject: Subject, supply: "Supplied", *, settings: Settings, now: float, learned: Known = NOTHING
) -> Snapshot:
    """What the decision looks at; `learned` are the shapes that the models' own files told.

    Raises:
        Rejected: for what this version or its settings do not allow.

    """
    require_gateway(subject.deployment, settings.gateways, release_namespace=settings.namespace)
    if settings.scale_to_zero == "Off" and not is_gated(subject.deployment):
        refuse_zero(subject.deployment)
    return Snapshot(
        now=now,
        key=subject.key,
        wanted=pinned(
            wanted(
                subject.deployment,
                spot_default=SpotPolicy(settings.spot_default),
                max_num_seqs=settings.max_num_seqs,
                learned=learned,
            ),
            subject.deployment.spec.scaling.pin,
            now=now,
        ),
        offers=supply.offers,
        fleet=fleet_of(subject, supply),
        load=subject.load,
        trials=on_trial(subject.deployment) if subject.adopted is None else (),
        adopted="" if subject.adopted is None else subject.adopted.said,
    )


def fleet_of(subject: Subject, supply: "Supplied") -> Fleet:
    """What runs, or what is looked at in its place."""
    return subject.adopted.fleet if subject.adopted is not None else observed_fleet(subject.pools, supply.offers)


def require_catalog(subject: Subject, supply: "Supplied") -> None:
    """Pass if one of the catalogs that the deployment names can be read, or if it names none.

    Raises:
        Rejected: else; with what there is.

    """
    named = subject.deployment.spec.placement.catalogs
    known = supply.prices_observed_at
    if not named or any(name in known for name in named):
        return
    told = "; ".join(f"{name}: {supply.unreadable.get(name, 'there is no such OfferCatalog')}" for name in named)
    raise Rejected(
        Reason.UNKNOWN_CATALOG,
        f"placement.catalogs names none that can be read ({told}); there are: {', '.join(sorted(known)) or 'none'}",
    )


@dataclass(frozen=True, slots=True)
class Supplied:
    """What can be rented: every offer of every readable catalog, and the dialect of the nodes."""

    offers: tuple[Offer, ...]
    platform: Platform
    prices_observed_at: Mapping[str, float] = field(default_factory=dict)  # Unix seconds by catalog
    unreadable: Mapping[str, str] = field(default_factory=dict)  # what is wrong with which catalog
    machines: Mapping[OfferKey, int] = field(default_factory=dict)  # of offers that are counted

    @property
    def shared(self) -> Shared:
        """What deployments share of it."""
        return Shared(machines=self.machines)


def newsworthy(before: Supplied, after: Supplied) -> bool:
    """Whether a change of supply may change a decision: anything but prices that moved by up to 5 %."""
    if before.platform != after.platform or len(before.offers) != len(after.offers):
        return True
    return any(
        replace(old, usd_per_hour=new.usd_per_hour) != new
        or abs(new.usd_per_hour - old.usd_per_hour) > _PRICE_NEWS * old.usd_per_hour
        for old, new in zip(before.offers, after.offers, strict=True)
    )


class Supply:
    """Remembers what can be rented until catalogs, nodes or NodePools change."""

    def __init__(self, cache: Cache, settings: Settings) -> None:
        """`settings` name the declared node groups and the platform."""
        self._cache = cache
        self._settings = settings
        self._seen: tuple[int, ...] = ()
        self._now: Supplied | None = None

    def now(self) -> Supplied:
        """What can be rented as of the cache's present content; the same object as long as it is the same."""
        seen = tuple(self._cache.changes(kind) for kind in (OFFER_CATALOGS, NODES, NODE_POOLS))
        if self._now is None or seen != self._seen:
            fresh = self._worked_out()
            self._seen = seen
            if self._now is None or fresh != self._now:
                self._now = fresh
        return self._now

    def _worked_out(self) -> Supplied:
        world = self._world()
        found: list[Offer] = []
        reserved: dict[OfferKey, int] = {}
        observed_at: dict[str, float] = {}
        unreadable: dict[str, str] = {}
        for raw in self._cache.all(OFFER_CATALOGS):
            try:
                catalog = parsed(raw)
            except ValidationError as error:
                unreadable[raw["metadata"]["name"]] = complaint(error)
                continue
            found.extend(offers(catalog, world))
            reserved |= counted(catalog)
            observed_at[catalog.metadata.name] = catalog.spec.observed_at.timestamp()
        dialect = platform(
            self._settings.platform,
            nodes=self._cache.all(NODES),
            has_node_pools=self._cache.count(NODE_POOLS) > 0,
        )
        there = machines(found, world) | reserved
        return Supplied(tuple(sorted(found, key=lambda offer: offer.key)), dialect, observed_at, unreadable, there)

    def _world(self) -> Obtainability:
        declared = self._settings.node_groups.split(",")
        return obtainability(self._cache.all(NODES), self._cache.all(NODE_POOLS), declared)


def complaint(error: ValidationError) -> str:
    """The first thing that is wrong with an object, and where, in one line."""
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


def parsed(raw: Object) -> OfferCatalog:
    """A catalog from its object; ValidationError if this version cannot read it."""
    return OfferCatalog.model_validate({name: part for name, part in raw.items() if name != "status"})
