"""How long it takes from an order to the first answer, per offer, as our own pods have shown.

It is how far ahead the load must be known: a replica ordered now serves only then. A pod's own timestamps tell it, in
two parts: created until it has a machine, which depends on the offer; and from there until its engine is ready, which
depends on the model, too. Of the last eight starts the third quartile counts. Of 1,545 starts of machines of which an
earlier one of the same family was known, a quarter took longer than that (of the median, two fifths), and nobody is
served by a forecast that ends too soon; one that reaches 20 s too far costs next to nothing.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from statistics import quantiles
from typing import Any

import orjson
from wharfage_api.labels import POOL
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.supply import OfferKey

from wharfage_operator.kinds import Key

_KEPT = 8
_AHEAD_S = 600.0  # clocks of machines differ
_FEWEST = 3  # the prior stands for those of them that are missing
_LONGEST_S = 3600.0  # the startup probe ends an engine after half an hour: what is longer became ready once more

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Lead:
    """Seconds until there is a machine, and from there until the engine answers."""

    machine_s: float
    engine_s: float

    @property
    def total_s(self) -> float:
        """From the order to the first answer."""
        return self.machine_s + self.engine_s


PRIOR = Lead(83.0, 217.0)
"""The median of 103 starts of accelerated machines on five clouds (SpareCores, 2026-08), and what is left of the five
minutes that comparisons assume by default."""


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a replica: whose, which pod, how long, and when it was ready (Unix seconds)."""

    owner: Key
    uid: str
    lead: Lead
    ready_s: float


@dataclass(frozen=True, slots=True)
class Leads:
    """The latest starts by offer, the newest last: of each deployment as many as count."""

    starts: Mapping[OfferKey, tuple[Start, ...]] = field(default_factory=dict)
    prior: Lead = PRIOR

    def heard(self, owner: Key, pods: Iterable[Object], offers: Mapping[str, OfferKey]) -> "Leads":
        """After a look at a deployment's pods; `offers` are those of its pools, by the pool's hash.

        The same value where they tell nothing new.
        """
        found = dict(self.starts)
        for pod in pods:
            offer = offers.get((pod["metadata"].get("labels") or {}).get(POOL, ""))
            start = None if offer is None else start_of(owner, pod)
            if offer is not None and start is not None:
                found[offer] = _with(found.get(offer, ()), start)
        return self if found == self.starts else Leads(found, self.prior)

    def among(self, owners: Collection[Key]) -> "Leads":
        """Without what nobody asks for any more: starts of deployments that are gone, but for the latest of an offer.

        Those tell of its machines still. The same value where there are none.
        """
        kept = {
            offer: tuple(start for start in starts if start.owner in owners or start in starts[-_KEPT:])
            for offer, starts in self.starts.items()
        }
        return self if kept == self.starts else Leads(kept, self.prior)

    def until(self, now_s: float) -> "Leads":
        """Without starts that lie ahead: a machine's clock did, and later ones would never count as the latest."""
        kept = {
            offer: tuple(start for start in starts if start.ready_s < now_s + _AHEAD_S)
            for offer, starts in self.starts.items()
        }
        return self if kept == self.starts else Leads(kept, self.prior)

    def of(self, offer: OfferKey, owner: Key | None = None) -> Lead:
        """What to reckon with for one more replica: machines by all starts, engines by the owner's if there are any."""
        starts = self.starts.get(offer, ())
        own = tuple(start for start in starts if start.owner == owner) or starts
        return Lead(
            _reckoned((start.lead.machine_s for start in starts), self.prior.machine_s),
            _reckoned((start.lead.engine_s for start in own), self.prior.engine_s),
        )

    def written(self) -> str:
        """The latest starts of each offer as JSON; `read` reads them. Pods that are still there tell theirs again."""
        rows = [
            [*offer, *start.owner, start.uid, start.lead.machine_s, start.lead.engine_s, start.ready_s]
            for offer, starts in sorted(self.starts.items())
            for start in starts[-_KEPT:]
        ]
        return orjson.dumps(rows).decode()


def read(text: str, prior: Lead = PRIOR) -> Leads:
    """What `Leads.written` wrote; ValueError for anything else."""
    found: dict[OfferKey, tuple[Start, ...]] = {}
    try:
        for catalog, name, market, zone, namespace, owner, uid, machine_s, engine_s, ready_s in orjson.loads(text):
            offer = str(catalog), str(name), Market(market), str(zone)
            lead = Lead(float(machine_s), float(engine_s))
            found[offer] = _with(found.get(offer, ()), Start((namespace, owner), uid, lead, float(ready_s)))
    except (TypeError, ValueError) as error:
        raise ValueError(f"no record of starts: {error}") from error
    return Leads(found, prior)


def start_of(owner: Key, pod: Object) -> Start | None:
    """How a pod started; None while it does, and where it has failed on the way, which no lead time is to count."""
    status = pod.get("status") or {}
    conditions = {row.get("type"): row for row in status.get("conditions") or ()}
    created_s = _instant_s(pod["metadata"].get("creationTimestamp"))
    scheduled_s, ready_s = (_since_s(conditions.get(name)) for name in ("PodScheduled", "Ready"))
    restarted = any(container.get("restartCount") for container in status.get("containerStatuses") or ())
    if created_s is None or scheduled_s is None or ready_s is None or restarted:
        return None
    lead = Lead(max(0.0, scheduled_s - created_s), max(0.0, ready_s - scheduled_s))
    return Start(owner, str(pod["metadata"]["uid"]), lead, ready_s) if lead.engine_s <= _LONGEST_S else None


def _with(starts: tuple[Start, ...], start: Start) -> tuple[Start, ...]:
    """With one more start, unless it is known: a pod that becomes ready again has not started again."""
    if any(each.uid == start.uid for each in starts):
        return starts
    own = sorted((*(each for each in starts if each.owner == start.owner), start), key=_when)[-_KEPT:]
    return tuple(sorted((*(each for each in starts if each.owner != start.owner), *own), key=_when))


def _when(start: Start) -> tuple[float, str]:
    return start.ready_s, start.uid


def _reckoned(seconds: Iterable[float], prior_s: float) -> float:
    """The third quartile of the latest; the prior fills up what is missing."""
    latest = list(seconds)[-_KEPT:]
    latest += [prior_s] * (_FEWEST - len(latest))
    return quantiles(latest, n=4, method="inclusive")[2]


def _since_s(condition: Object | None) -> float | None:
    holds = condition is not None and condition.get("status") == "True"
    return _instant_s(condition.get("lastTransitionTime")) if condition is not None and holds else None


def _instant_s(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None
