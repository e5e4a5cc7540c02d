"""What a simulated cluster can rent, for how much, how soon, and when it is taken away again.

Everything follows from records and a seed: the same order at the same time has the same fate in every run.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from wharfage_autoscaler.offers import Market, Offer

from wharfage_simulator.boots import MEASURED, BootTimes
from wharfage_simulator.prices import CATALOG, Prices
from wharfage_simulator.spot import Availability
from wharfage_simulator.tables import TraceError

NOTICE_S = {"aws": 120.0, "gcp": 30.0, "azure": 30.0}
"""From the notice of an interruption to the end of the machine, by cloud."""


@dataclass(frozen=True, slots=True, eq=False)
class Marketplace:
    """A market built of records; without one, what it would tell is always so.

    `zones` says which zone of the records stands for a catalog's zone, as `paired` makes it. `engine_start_s` is what a
    replica takes from the machine's boot to its first answer: image, weights, start. `machines_per_instance` turns
    what a record counts into machines; the default reads it as there being some or none.
    """

    seed: int = 1
    spot: Availability | None = None
    on_demand: Availability | None = None
    zones: Mapping[str, str] = field(default_factory=dict)
    prices: Prices = CATALOG
    boots: BootTimes = MEASURED
    engine_start_s: float = 120.0
    notice_s: float = NOTICE_S["aws"]
    machines_per_instance: float = math.inf

    def given(self, offer: Offer, at_s: float) -> bool:
        """Whether a machine could be had then; what is to be interrupted within the notice cannot."""
        return self.machines(offer, at_s) >= 1

    def machines(self, offer: Offer, at_s: float) -> float:
        """How many machines of the offer can be held at that time; a spot machine beyond that has its notice."""
        record = self._record(offer)
        if record is None:
            return math.inf
        ahead_s = self.notice_s if offer.market is Market.SPOT else 0.0
        most = max(record.least(zone, at_s, ahead_s) for zone in self._zones_of(offer, record))
        return most * self.machines_per_instance if most > 0 else 0.0

    def changes_at(self, offer: Offer, after_s: float) -> float:
        """When `machines` or `usd_per_hour` may next say something else; infinite where they never do."""
        dearer_s = self.prices.changes_at(offer, after_s)
        record = self._record(offer)
        if record is None:
            return dearer_s
        ahead_s = self.notice_s if offer.market is Market.SPOT else 0.0
        # A loss is felt from its notice on, a gain when it comes.
        return min(
            dearer_s,
            *(
                change_s
                for zone in self._zones_of(offer, record)
                for change_s in (record.changes_at(zone, after_s), record.changes_at(zone, after_s + ahead_s) - ahead_s)
            ),
        )

    def start_s(self, offer: Offer, number: int) -> float:
        """From the machine being given to the first answer, for the `number`th start of a replay."""
        boots_s = 0.0
        if offer.market is not Market.RESERVED:
            boots_s = self.boots.drawn(float(np.random.default_rng((self.seed, number)).random()))
        return boots_s + self.engine_start_s

    def usd_per_hour(self, offer: Offer, at_s: float) -> float:
        """The price of one machine at that time."""
        return self.prices.usd_per_hour(offer, at_s)

    def checked(self, offers: Iterable[Offer]) -> "Marketplace":
        """The market itself, if its records know the zones of all these offers; else `TraceError`."""
        for offer in offers:
            record = self._record(offer)
            if record is not None:
                self._zones_of(offer, record)
        return self

    def _record(self, offer: Offer) -> Availability | None:
        if offer.market is Market.SPOT:
            return self.spot
        return self.on_demand if offer.market is Market.ON_DEMAND else None

    def _zones_of(self, offer: Offer, record: Availability) -> tuple[str, ...]:
        """The record's zones that the offer can be had in: one, or all for an offer of any zone."""
        if not offer.zone:
            return tuple(record.zones)
        zone = self.zones.get(offer.zone, offer.zone)
        if zone not in record.zones:
            raise TraceError(
                f"availability {record.name} has no zone {zone} for offer {offer.name}; "
                f"it has {', '.join(record.zones)}: pair the zones"
            )
        return (zone,)


def paired(offers: Iterable[Offer], record: Availability) -> dict[str, str]:
    """A zone of the record for every zone of the offers: that of its name, else one after the other, in order.

    Offers in one zone share its record, whatever machine they are: they are lost together.
    """
    theirs = sorted(record.zones)
    ours = sorted({offer.zone for offer in offers if offer.zone})
    spare = [zone for zone in theirs if zone not in ours] or theirs
    foreign = [zone for zone in ours if zone not in record.zones]
    same = {zone: zone for zone in ours if zone in record.zones}
    return same | {zone: spare[place % len(spare)] for place, zone in enumerate(foreign)}
