"""What a machine costs for the ledger: the price of its offer, or the dearest that it may be, which is then a guess."""

from collections.abc import Iterable, Mapping

from wharfage_autoscaler.fleet import Pool
from wharfage_autoscaler.ledger import DAY_S
from wharfage_autoscaler.meter import Machine as Metered
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.savings import Machine, dearest

from wharfage_operator.tenancy import Priced


def priced(offers: Iterable[Offer], observed_at: Mapping[str, float], now_s: float) -> Priced:
    """Prices as of now; `observed_at` is when those of a catalog were true, both in Unix seconds of the wall."""
    every = tuple(offers)
    by_key = {offer.key: offer for offer in every}
    listed = dearest(every, Market.ON_DEMAND)

    def price(pool: Pool, known: Metered | None) -> tuple[float, bool]:
        offer, booked = by_key.get(pool.offer.key), listed.get((pool.offer.catalog, pool.offer.name), 0.0)
        if offer is None or not _believed(offer):
            last = 0.0 if known is None else known.usd_per_hour
            return last or booked or _at_most(every, pool.offer), True
        stale = now_s - observed_at.get(offer.catalog, now_s) > DAY_S
        if stale and booked > offer.usd_per_hour:
            return booked, True
        return offer.usd_per_hour, False

    return price


def on_demand(offers: Iterable[Offer]) -> dict[Machine, float]:
    """Dollars per hour of machines on demand, as far as somebody says; of several zones the dearest."""
    return {machine: usd for machine, usd in dearest(offers, Market.ON_DEMAND).items() if usd > 0.0}


def _believed(offer: Offer) -> bool:
    return offer.usd_per_hour > 0.0 or offer.market is Market.RESERVED


def _at_most(offers: Iterable[Offer], like: Offer) -> float:
    """What it costs at the dearest price of its accelerator; 0 where no offer has that."""
    rates = (each.usd_per_hour / each.accelerators for each in offers if each.accelerator == like.accelerator)
    return max(rates, default=0.0) * like.accelerators
