"""What can be rented: one machine, in one market and zone, at one price.

An `Offer` is the unit the decision chooses from. A catalog row with three prices is three
offers; a GCP machine type that takes 1, 2 or 4 accelerators is three offers again.
"""

from dataclasses import dataclass
from enum import StrEnum


class Market(StrEnum):
    """How a machine is rented; the values are the API's."""

    ON_DEMAND = "OnDemand"
    SPOT = "Spot"
    RESERVED = "Reserved"


@dataclass(frozen=True, slots=True)
class Offer:
    """One rentable machine: what it holds, what it costs, and whether this cluster can give it.

    `obtainable` names what would provide the machine ("node gpu-1", "NodePool gpu",
    "declared node group a100"); the empty string means nothing in this cluster can.
    """

    catalog: str
    name: str
    market: Market
    zone: str  # "" is any zone
    machine: str
    accelerator: str  # key of the accelerators table; "CPU" counts cores
    accelerators: int  # per machine
    accelerator_memory_gib: float  # each; for CPU the machine's memory divided by its cores
    vcpus: float
    memory_gib: float
    usd_per_hour: float  # of the whole machine
    interruptions_per_month: float | None = None
    node_selector: tuple[tuple[str, str], ...] = ()
    obtainable: str = ""

    @property
    def key(self) -> tuple[str, str, Market, str]:
        """What tells this offer from every other: catalog, name, market, zone."""
        return self.catalog, self.name, self.market, self.zone
