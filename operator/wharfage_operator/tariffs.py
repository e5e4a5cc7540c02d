"""What a machine costs for the ledger: the price of its offer, or the dearest that it may be, which is then a guess."""

from collections.abc import Iterable, Mapping

from wharfage_autoscaler.fleet import Pool
from wharfage_autoscaler.ledger import DAY_S
from wharfage_autoscaler.meter import Machine
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.spend import Account, Spend

from wharfage_operator.tenancy import Priced


def priced(offers: Iterable[Offer], observed_at: Mapping[str, float], now_s: float) -> Priced:
    """Prices as of now; `observed_at` is when those of a catalog were true, both in Unix seconds of the wall."""
    every = tuple(offers)
    by_key = {offer.key: offer for offer in every}

    def price(pool: Pool, known: Machine | None) -> tuple[float, bool]:
        offer, booked = by_key.get(pool.offer.key), _booked(every, pool.offer)
        if offer is None or not _believed(offer):
            last = 0.0 if known is None else known.usd_per_hour
            return last or booked or _dearest(every, pool.offer), True
        stale = now_s - observed_at.get(offer.catalog, now_s) > DAY_S
        if stale and booked > offer.usd_per_hour:
            return booked, True
        return offer.usd_per_hour, False

    return price


def on_demand(offers: Iterable[Offer]) -> dict[tuple[str, str], float]:
    """Dollars per hour of machines on demand, by catalog and offer; of several zones the dearest, as in reports."""
    found: dict[tuple[str, str], float] = {}
    for offer in offers:
        if offer.market is Market.ON_DEMAND and offer.usd_per_hour > 0.0:
            machine = offer.catalog, offer.name
            found[machine] = max(found.get(machine, 0.0), offer.usd_per_hour)
    return found


def saved_usd(account: Account, spend: Spend, listed: Mapping[tuple[str, str], float]) -> float:
    """What spot machines cost less than the same on demand (`listed`); 0 of others, and where nobody says."""
    price = listed.get(account.offer[:2])
    if account.offer[2] is not Market.SPOT or price is None:
        return 0.0
    return price * spend.machine_hours - spend.usd


def _believed(offer: Offer) -> bool:
    return offer.usd_per_hour > 0.0 or offer.market is Market.RESERVED


def _booked(offers: Iterable[Offer], like: Offer) -> float:
    """What the same machine costs on demand; 0 where nobody says."""
    same = (each for each in offers if (each.catalog, each.name) == (like.catalog, like.name))
    return max((each.usd_per_hour for each in same if each.market is Market.ON_DEMAND), default=0.0)


def _dearest(offers: Iterable[Offer], like: Offer) -> float:
    """What it costs at the dearest price of its accelerator; 0 where no offer has that."""
    rates = (each.usd_per_hour / each.accelerators for each in offers if each.accelerator == like.accelerator)
    return max(rates, default=0.0) * like.accelerators
