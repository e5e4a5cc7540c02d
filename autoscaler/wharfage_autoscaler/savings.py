"""What spot saves against the same machines on demand: the one baseline that needs no look back."""

from collections.abc import Iterable, Mapping

from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.spend import Account, Spend

Machine = tuple[str, str]
"""Catalog and offer."""


def dearest(offers: Iterable[Offer], market: Market) -> dict[Machine, float]:
    """Dollars per hour of the machines of a market; of several zones the dearest."""
    found: dict[Machine, float] = {}
    for offer in offers:
        if offer.market is market:
            machine = offer.catalog, offer.name
            found[machine] = max(found.get(machine, 0.0), offer.usd_per_hour)
    return found


def saved_usd(account: Account, spend: Spend, listed: Mapping[Machine, float]) -> float:
    """What spot machines cost less than the same on demand (`listed`); 0 of others, and where nobody says."""
    price = listed.get(account.offer[:2])
    if account.offer[2] is not Market.SPOT or price is None:
        return 0.0
    return price * spend.machine_hours - spend.usd
