"""Which offers cannot be had just now, learned from what became of our own orders.

Nobody can be asked beforehand. An offer is short when a pod has waited for its machine much longer than usual, when an
autoscaler says that it will not buy one, or when a spot machine of it is taken back. It is left alone for a while then,
twice as long each time, so that a deployment neither waits for what does not come nor runs back and forth; the times
are cluster-autoscaler's for a group whose machines fail to come.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
from wharfage_api.labels import POOL
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.supply import OfferKey

from wharfage_operator.blockers import hindrance
from wharfage_operator.leads import Leads
from wharfage_operator.notices import Notices
from wharfage_operator.plan import going

_TEMPLATE = "pod-template-hash"

Object = dict[str, Any]


class News(StrEnum):
    """What became of an order, the gravest first."""

    LOST = "Lost"
    REFUSED = "Refused"
    WAITS = "Waits"
    CAME = "Came"


_ORDER = tuple(News)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds of the wall. What waits twice as long as is usual for its offer, within bounds, is not coming.

    cluster-autoscaler's defaults: max-node-provision-time, initial- and max-node-group-backoff-duration,
    node-group-backoff-reset-timeout.
    """

    wait_least_s: float = 60.0
    wait_most_s: float = 900.0
    first_s: float = 300.0
    longest_s: float = 1800.0
    reset_s: float = 10800.0

    def wait_s(self, usual_s: float) -> float:
        """How long an order may wait."""
        return min(self.wait_most_s, max(self.wait_least_s, 2.0 * usual_s))

    def pause_s(self, strikes: int) -> float:
        """For how long an offer is left alone."""
        return min(self.longest_s, self.first_s * 2.0 ** min(strikes - 1, 16))

    def scaled(self, scale: float) -> "Patience":
        """For a world in which `scale` seconds pass in one of the wall."""
        times = (self.wait_least_s, self.wait_most_s, self.first_s, self.longest_s, self.reset_s)
        return Patience(*(seconds / scale for seconds in times))


PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one order of an offer, and when (Unix seconds)."""

    offer: OfferKey
    news: News
    at_s: float


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why an offer is left alone, since when and until when, how often before, and when it was last seen to be short.

    Times are Unix seconds. Once `retry_s` has passed it can be ordered again; it is remembered for the next time.
    """

    cause: News
    since_s: float
    retry_s: float
    strikes: int
    last_s: float


@dataclass(frozen=True, slots=True)
class Shortages:
    """The offers that were short lately."""

    by_offer: Mapping[OfferKey, Shortage] = field(default_factory=dict)

    def heard(self, told: Iterable[Report], now_s: float, patience: Patience = PATIENCE) -> "Shortages":
        """After a look at one deployment's orders; the same value where they change nothing."""
        worst: dict[OfferKey, Report] = {}
        came_s: dict[OfferKey, float] = {}
        for report in told:
            if report.news is News.CAME:
                came_s[report.offer] = max(report.at_s, came_s.get(report.offer, report.at_s))
            elif report.offer not in worst or _ORDER.index(report.news) < _ORDER.index(worst[report.offer].news):
                worst[report.offer] = report
        found = {offer: each for offer, each in self.by_offer.items() if _counts(each, now_s, patience)}
        for offer, report in worst.items():
            found[offer] = _short(found.get(offer), report.news, now_s, patience)
        for offer, at_s in came_s.items():
            known = found.get(offer)
            if offer not in worst and known is not None and _over(known, at_s, now_s):
                found[offer] = replace(known, retry_s=now_s)
        return self if found == self.by_offer else Shortages(found)

    def obtainable(self, offer: OfferKey, now_s: float) -> bool:
        """Whether an order would be filled now, as far as one knows."""
        known = self.by_offer.get(offer)
        return known is None or now_s >= known.retry_s

    def again_s(self, now_s: float) -> float | None:
        """In how many seconds the next offer can be ordered again; None where none is left alone."""
        return min((each.retry_s - now_s for each in self.by_offer.values() if each.retry_s > now_s), default=None)

    def written(self) -> str:
        """As JSON; `read` reads it."""
        rows = [
            [*offer, each.cause, each.since_s, each.retry_s, each.strikes, each.last_s]
            for offer, each in sorted(self.by_offer.items())
        ]
        return orjson.dumps(rows).decode()


def read(text: str) -> Shortages:
    """What `Shortages.written` wrote; ValueError for anything else."""
    found: dict[OfferKey, Shortage] = {}
    try:
        for catalog, name, market, zone, cause, since_s, retry_s, strikes, last_s in orjson.loads(text):
            offer = str(catalog), str(name), Market(market), str(zone)
            found[offer] = Shortage(News(cause), float(since_s), float(retry_s), int(strikes), float(last_s))
    except (TypeError, ValueError) as error:
        raise ValueError(f"no record of shortages: {error}") from error
    return Shortages(found)


def reports(
    pods: Sequence[Object],
    events: Sequence[Object],
    notices: Notices,
    offers: Mapping[str, OfferKey],
    leads: Leads,
    *,
    now_s: float,
    patience: Patience = PATIENCE,
) -> tuple[Report, ...]:
    """What became of a deployment's orders, as far as its pods tell.

    `events` are those about them, `offers` those of its pools by the pool's hash. A pod that waits in a rollout tells
    nothing: it may wait for the pod whose place it takes. Waiting counts from the offer's last machine on: of ten that
    are ordered at once one boots for ten minutes, and while others come the offer can be had.
    """
    found: list[Report] = []
    came_s = _last_came_s(pods, offers)
    templates = {pool: {_label(pod, _TEMPLATE) for pod in pods if _label(pod, POOL) == pool} for pool in offers}
    for pod in pods:
        pool = _label(pod, POOL)
        offer = offers.get(pool)
        if offer is None:
            continue
        notice = notices.of(pod)
        if notice is not None and notice.is_loss:
            found.append(Report(offer, News.LOST, notice.since_s))
            continue
        told = None if going(pod) else _told(pod, events, offer, leads, now_s, patience, came_s.get(offer, 0.0))
        if told is not None and (told.news is News.CAME or len(templates[pool]) == 1):
            found.append(told)
    return tuple(found)


def _told(
    pod: Object,
    events: Sequence[Object],
    offer: OfferKey,
    leads: Leads,
    now_s: float,
    patience: Patience,
    last_came_s: float,
) -> Report | None:
    """What one pod tells: it got its machine, or it waits, in vain or not."""
    placed, since_s = _placed(pod)
    if since_s is None:
        return None
    if placed:
        return Report(offer, News.CAME, since_s)
    if hindrance(pod, events, now=now_s).reason is Reason.CAPACITY_UNAVAILABLE:
        return Report(offer, News.REFUSED, since_s)
    waits = now_s - max(since_s, last_came_s) > patience.wait_s(leads.of(offer).machine_s)
    return Report(offer, News.WAITS, since_s) if waits else None


def _last_came_s(pods: Sequence[Object], offers: Mapping[str, OfferKey]) -> dict[OfferKey, float]:
    """When each offer last gave a machine to a pod that is still there."""
    found: dict[OfferKey, float] = {}
    for pod in pods:
        offer = offers.get(_label(pod, POOL))
        placed, since_s = _placed(pod)
        if offer is not None and placed and since_s is not None:
            found[offer] = max(since_s, found.get(offer, since_s))
    return found


def _placed(pod: Object) -> tuple[bool, float | None]:
    """Whether a pod has a machine, and since when it has one or waits; None where nobody has looked at it yet."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    condition: Object = next((row for row in conditions if row.get("type") == "PodScheduled"), {})
    since = condition.get("lastTransitionTime")
    return condition.get("status") == "True", datetime.fromisoformat(since).timestamp() if since else None


def _short(known: Shortage | None, cause: News, now_s: float, patience: Patience) -> Shortage:
    """One more strike, unless the offer is left alone already. A loss begins the pause anew: losses come in bouts."""
    if known is None or now_s >= known.retry_s:
        strikes = 1 if known is None else known.strikes + 1
        return Shortage(cause, now_s, now_s + patience.pause_s(strikes), strikes, now_s)
    if cause is News.LOST:
        retry_s = max(known.retry_s, now_s + patience.pause_s(known.strikes))
        return replace(known, cause=cause, retry_s=retry_s, last_s=now_s)
    return replace(known, last_s=now_s)


def _counts(known: Shortage, now_s: float, patience: Patience) -> bool:
    """Whether it is late enough to count, and no clock that was ahead and has been set back has written it."""
    return -patience.first_s < now_s - known.last_s < patience.reset_s


def _over(known: Shortage, came_s: float, now_s: float) -> bool:
    """Whether a machine that came ends the pause. After a loss it does not: its like will be lost, too."""
    return known.cause is not News.LOST and known.since_s < came_s and now_s < known.retry_s


def _label(obj: Object, name: str) -> str:
    return str((obj["metadata"].get("labels") or {}).get(name, ""))
