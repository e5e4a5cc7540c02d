"""What one deployment needs, and where its replicas could run: the values that a mix is computed from.

Rates are the requests a second that a replica is planned to carry within its objectives; where they come from is the
capacity model's business. Nothing here solves anything.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from wharfage_autoscaler.choice import Candidate
from wharfage_autoscaler.fleet import Fleet, Pool, PoolKey
from wharfage_autoscaler.model import Placement, SpotPolicy
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.spot import SpotPool

Key = tuple[str, str]  # namespace, name

ROUNDING = 1e-6  # of a demand; the solver's own tolerance

_UNSERVED_USD_PER_HOUR = 100_000.0
"""The price of serving nothing for an hour: a thousand times a large machine, so that a shortfall beyond a thousandth
of the demand is bought whatever it costs, where it can be bought at all."""

SURVIVE_SHARE = 1.0
"""Of the usual demand, what is left when spot is lost; with less every loss is minutes of missed objectives."""

LOSS_ALLOWED = 0.006
"""The chance that more is lost, within the time that a replacement takes, than leaves that share. What is lost so is
missed for as long, so it is also the share of bad minutes while it lasts; bouts are a small part of the time."""

_MACHINES_PER_DEMAND = 1_000.0
_DEAREST = 30.0  # a whole machine for each replica, three times, at a tenth of the weight
_LEAST_WEIGHT, _MOST_WEIGHT = 0.1, 10.0


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """What makes replicas alike: only one shape may serve behind a plain Service, where all get equal shares."""

    machine: str
    accelerators: int  # per replica
    variant: str
    requests_per_second: float


@dataclass(frozen=True, slots=True)
class Berth:
    """One way to run a replica: a variant on an offer, what it carries there, and how long it takes to come.

    `penalty_usd_per_hour` is what avoiding one such replica is worth beyond its price, for a lower quality.
    """

    candidate: Candidate
    requests_per_second: float
    start_s: float
    penalty_usd_per_hour: float = 0.0

    @property
    def offer(self) -> Offer:
        """The machine it is on."""
        return self.candidate.offer

    @property
    def accelerators(self) -> int:
        """What a replica takes of the machine."""
        return self.candidate.fit.accelerators

    @property
    def pool(self) -> PoolKey:
        """The pool that its replicas belong to."""
        offer = self.candidate.offer
        return PoolKey(offer.catalog, offer.name, offer.market, offer.zone, self.candidate.variant.name)

    @property
    def shape(self) -> Shape:
        """What its replicas share with those of other markets and zones."""
        return Shape(self.offer.machine, self.accelerators, self.candidate.variant.name, self.requests_per_second)

    @property
    def order(self) -> tuple[PoolKey, int]:
        """A total order over the berths of a deployment."""
        return self.pool, self.accelerators

    @property
    def spot(self) -> bool:
        """Whether it can be taken away."""
        return self.offer.market is Market.SPOT

    @property
    def per_machine(self) -> int:
        """Replicas that share one machine. Parts of machines add up to machines where sizes are powers of two."""
        return max(1, self.offer.accelerators // max(1, self.accelerators))

    @property
    def seat_usd_per_hour(self) -> float:
        """The replica's part of the machine's price in the books."""
        return self.offer.usd_per_hour / self.per_machine

    def replicas(self, count: int) -> Pool:
        """That many replicas, as a target."""
        return self.candidate.pool(count)


@dataclass(frozen=True, slots=True)
class Need:
    """One deployment as the optimiser sees it. `peak_rps` is the demand to provision for, `usual_rps` its median.

    `shapes` is how many shapes may serve together: 1 behind a plain Service; `variants` how many variants may, in these
    shapes. `loss_allowed` is the chance, at any
    instant, of a loss of spot pools that leaves less than `survive_share` of the usual demand; `survive` holds sets of
    pools that must be survivable as one, besides each pool alone. `restless` says how much oftener than on average spot
    is lost just now, by catalog (`unrest`). `fleet` is what runs: starting more costs its time.
    `preferred_usd_per_request` is set where some berths were left out (`among`).
    """

    key: Key
    berths: tuple[Berth, ...]
    peak_rps: float
    usual_rps: float
    min_replicas: int = 1
    max_replicas: int = 10
    shapes: int = 1
    variants: int = 1
    placement: Placement = Placement()  # noqa: RUF009 - immutable
    survive_share: float = SURVIVE_SHARE
    loss_allowed: float = LOSS_ALLOWED
    survive: tuple[frozenset[SpotPool], ...] = ()
    restless: Mapping[str, float] = field(default_factory=dict)
    usd_per_hour_limit: float | None = None
    usd_per_bad_minute: float = 1.0
    priority: int = 100
    fleet: Fleet = Fleet()  # noqa: RUF009 - immutable
    preferred_usd_per_request: float | None = None

    def __post_init__(self) -> None:
        for name in ("peak_rps", "usual_rps"):
            rate = getattr(self, name)
            if not math.isfinite(rate) or rate < 0:
                raise ValueError(f"{'/'.join(self.key)}: {name} is {rate}; a demand is a finite number of at least 0")
        for berth in self.berths:
            rate = berth.requests_per_second
            if not math.isfinite(rate) or rate <= 0:
                where = f"{berth.pool.catalog}/{berth.pool.offer} ({berth.pool.variant or 'the model itself'})"
                raise ValueError(
                    f"{'/'.join(self.key)}: a replica on {where} carries {rate} requests per second; leave out "
                    "what cannot serve within the objectives"
                )

    @property
    def name(self) -> str:
        """As users write it."""
        return "/".join(self.key)

    @property
    def max_spot_share(self) -> float:
        """The largest part of all capacity that spot may be."""
        return 1.0 if self.placement.spot in (SpotPolicy.FORBID, SpotPolicy.REQUIRE) else self.placement.max_spot_share

    @property
    def floor_rps(self) -> float:
        """What on-demand and reserved machines must carry by themselves."""
        shared = self.placement.spot in (SpotPolicy.ALLOW, SpotPolicy.PREFER)
        return self.placement.min_on_demand_share * self.usual_rps if shared else 0.0

    @property
    def survive_rps(self) -> float:
        """What must be left when a spot pool is lost."""
        return self.survive_share * self.usual_rps

    @property
    def weight(self) -> float:
        """How much its demand counts beside that of others: by the price of a bad minute and by priority."""
        return min(_MOST_WEIGHT, max(_LEAST_WEIGHT, self.usd_per_bad_minute * self.priority / 100.0))

    @property
    def unserved_usd_per_hour(self) -> float:
        """The price of serving none of the peak for an hour; above whatever serving it can cost."""
        machine = max((berth.offer.usd_per_hour for berth in self.berths), default=0.0)
        slowest = min((berth.requests_per_second for berth in self.berths), default=1.0)
        dearest = _DEAREST * machine * max(1.0, self.peak_rps / slowest)
        return max(self.weight * max(_UNSERVED_USD_PER_HOUR, _MACHINES_PER_DEMAND * machine), dearest)

    @property
    def dearest_spot_usd_per_request(self) -> float:
        """What a request per second costs for an hour on the dearest spot; under `Prefer` others count as dearer."""
        if self.preferred_usd_per_request is not None:
            return self.preferred_usd_per_request
        spot = (berth for berth in self.berths if berth.spot)
        return max((berth.offer.usd_per_hour / berth.requests_per_second for berth in spot), default=0.0)

    def among(self, berths: tuple[Berth, ...]) -> "Need":
        """The same on fewer berths, since no other can be best: what is left counts what it counted before."""
        return replace(self, berths=berths, preferred_usd_per_request=self.dearest_spot_usd_per_request)

    def running(self, berth: Berth) -> int:
        """Replicas that the fleet already has in that berth."""
        if not self.fleet.pools:
            return 0
        pool = self.fleet.pool(berth.pool)
        return pool.replicas if pool is not None and pool.accelerators == berth.accelerators else 0
