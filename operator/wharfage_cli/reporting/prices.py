"""What machines cost on demand and on spot, and how many accelerators they have, as the catalogs say now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from wharfage_api.offercatalog import OfferCatalog
from wharfage_api.priced import priced
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.savings import Machine, dearest
from wharfage_autoscaler.spend import Account


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars per hour of machines, by market; of several zones the dearest."""

    on_demand: Mapping[Machine, float] = field(default_factory=dict)
    spot: Mapping[Machine, float] = field(default_factory=dict)
    offers: Mapping[Machine, Offer] = field(default_factory=dict)
    places: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Provider and region by catalog."""

    def listed(self, account: Account, usd: float, machine_hours: float) -> float:
        """What the machines of an account cost on demand; as much as they did cost where no catalog says."""
        price = self.on_demand.get(account.offer[:2])
        return usd if price is None else price * machine_hours


def prices(catalogs: Iterable[dict[str, Any]]) -> Prices:
    """The prices of OfferCatalogs as the API server returned them; one that cannot be read is left out."""
    every: list[Offer] = []
    places: dict[str, tuple[str, str]] = {}
    for raw in catalogs:
        try:
            catalog = OfferCatalog.model_validate(raw)
        except ValidationError:
            continue
        places[catalog.metadata.name] = (catalog.spec.provider.value, catalog.spec.region)
        every.extend(priced(catalog))
    on_demand, spot = dearest(every, Market.ON_DEMAND), dearest(every, Market.SPOT)
    return Prices(on_demand, spot, {(offer.catalog, offer.name): offer for offer in every}, places)
