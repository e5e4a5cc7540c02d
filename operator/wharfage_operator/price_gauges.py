"""What is shown of prices on the operator's page: those of the offers that this cluster can give."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Gauge
from wharfage_autoscaler.offers import Offer


class PriceGauges:
    """Prices of catalogs hold hundreds of machines that nobody can have here: they are left out."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """The registry that shows them."""
        self._prices = Gauge(
            "wharfage_price_usd_per_hour",
            "Price of the whole machine of an offer that can be had",
            ["catalog", "offer", "market", "zone", "accelerator", "accelerators"],
            registry=registry,
        )
        self._shown: tuple[Offer, ...] = ()

    def show(self, offers: tuple[Offer, ...]) -> None:
        """The offers that there are now; a price that nobody knows is absent."""
        if offers is self._shown:
            return
        self._shown = offers
        self._prices.clear()
        for offer in _told(offers):
            machine = offer.accelerator, str(offer.accelerators)
            self._prices.labels(*offer.key, *machine).set(offer.usd_per_hour)


def _told(offers: Iterable[Offer]) -> Iterable[Offer]:
    return (offer for offer in offers if offer.obtainable and offer.usd_per_hour > 0.0)
