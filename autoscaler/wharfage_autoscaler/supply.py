"""What deployments share: machines that are counted, machines that stand open, and dollars; and prices to believe."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median

from wharfage_autoscaler.need import Key, Need
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.words import offer_words

OfferKey = tuple[str, str, Market, str]

_TOO_CHEAP = 1 / 20  # of the median price of the same accelerator; spot is down to a tenth of on-demand
_ENOUGH_PRICES = 3  # for a median to mean something


@dataclass(frozen=True, slots=True)
class Cap:
    """Dollars per hour that some deployments may spend together; what their floors cost may exceed it."""

    name: str
    keys: frozenset[Key]
    usd_per_hour: float


@dataclass(frozen=True, slots=True)
class Supply:
    """What there is to share.

    `machines` counts the machines of an offer that may be taken: all that are reserved, or what a quota leaves; an
    offer that is not named has no limit. `open` holds, per offer, the parts of machines that are paid for anyway and
    empty: 0.5 is half a machine. `caps` are budgets.
    """

    machines: Mapping[OfferKey, int] = field(default_factory=dict)
    open: Mapping[OfferKey, float] = field(default_factory=dict)
    caps: tuple[Cap, ...] = ()

    def most(self, offer: Offer) -> float:
        """Machines of the offer that may be taken; infinite where nobody counts them."""
        return self.machines.get(offer.key, math.inf)

    def rent(self, offer: Offer) -> float:
        """What one more machine costs: nothing where it is reserved, because it is paid for used or not.

        A reservation that nobody has counted cannot be handed out for nothing: it costs what the books say.
        """
        reserved = offer.market is Market.RESERVED and offer.key in self.machines
        return 0.0 if reserved else offer.usd_per_hour


@dataclass(frozen=True, slots=True)
class Prices:
    """What a machine of an offer is worth, and what a dollar under a budget is worth beyond itself."""

    machines: Mapping[OfferKey, float]
    caps: Mapping[str, float] = field(default_factory=dict)

    def seen_by(self, need: Need, supply: Supply) -> dict[OfferKey, float]:
        """Prices of machines as that deployment meets them, its budgets included."""
        extra = sum(self.caps.get(cap.name, 0.0) for cap in supply.caps if need.key in cap.keys)
        offers = {berth.offer.key: berth.offer for berth in need.berths}
        return {key: self.machines[key] + extra * offer.usd_per_hour for key, offer in offers.items()}


def doubted(offers: Iterable[Offer]) -> dict[OfferKey, str]:
    """Why the price of an offer is not believed, per offer that must not be chosen for it.

    A price of 0 and a price far below that of every comparable machine are mistakes more often than bargains, and
    a decision by price would send everything there. Too high a price does no harm: it is not chosen.
    """
    rows = sorted({offer.key: offer for offer in offers}.values(), key=lambda offer: offer.key)
    stated = [offer for offer in rows if math.isfinite(offer.usd_per_hour) and offer.usd_per_hour > 0]
    typical = {
        name: median(prices)
        for name in {offer.accelerator for offer in stated}
        if len(prices := [each.usd_per_hour / each.accelerators for each in stated if each.accelerator == name])
        >= _ENOUGH_PRICES
    }
    return {offer.key: reason for offer in rows if (reason := _doubt(offer, typical.get(offer.accelerator)))}


def _doubt(offer: Offer, typical_usd_per_hour: float | None) -> str:
    where, price = f"{offer.catalog}: {offer_words(offer)}", offer.usd_per_hour
    if offer.market is Market.RESERVED and price == 0:
        return ""
    if not math.isfinite(price) or price <= 0:
        return f"{where} has the price {price:g} usd/h, which is not believed: correct the catalog"
    if typical_usd_per_hour is not None and price / offer.accelerators < _TOO_CHEAP * typical_usd_per_hour:
        return (
            f"{where} costs {price / offer.accelerators:.4g} usd/h per {offer.accelerator}, others "
            f"{typical_usd_per_hour:.4g}: not believed, correct the catalog"
        )
    return ""
