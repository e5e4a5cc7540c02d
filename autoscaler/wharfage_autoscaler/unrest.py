"""Losses of spot machines come in bouts: how much oftener than on average they are to be expected just now.

Of nine zones (AWS V100, 45 days of 2023) a zone was lost .6 times an hour within an hour of a loss in its region, and
.04 times after sixteen quiet hours. A fleet that always insured itself against the bout would pay for on-demand
machines all the time; one that never did would miss its objectives in every bout.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wharfage_autoscaler.spot import SpotPool

AFTER_QUIET_H: tuple[tuple[float, float], ...] = (
    (0.0, 2.8),
    (0.5, 2.1),
    (1.0, 1.3),
    (2.0, 0.74),
    (4.0, 0.41),
    (8.0, 0.18),
    (16.0, 0.12),
)
"""Hours since a region's last loss, and how often its zones are lost from then on, over how often on average.

Measured on the "Can't Be Late" traces (NSDI 2024): zones of aws-02-15-2023 that were up, by the hour. Two zones of
aws-10-26-2022 tell the same of V100s and K80s, within a factor of two from half an hour on. Probes were minutes to a
quarter of an hour apart, so what comes before the first half hour stands for it.
"""


def restless(quiet_s: float) -> float:
    """How often zones are lost so long after the last loss in their region, over how often on average."""
    return [factor for since_h, factor in AFTER_QUIET_H if since_h * 3600.0 <= max(0.0, quiet_s)][-1]


@dataclass(frozen=True, slots=True)
class Regions:
    """When spot machines were last lost, by region; a catalog is a region. Before `since_s` nothing is known."""

    since_s: float
    lost_s: Mapping[str, float] = field(default_factory=dict)
    away: frozenset[SpotPool] = frozenset()
    """What could not be had when last looked."""

    def heard(self, now_s: float, away: Iterable[SpotPool]) -> "Regions":
        """After a look at what cannot be had: refused, or taken back. What was there before is lost now."""
        gone = frozenset(away)
        lost_s = dict(self.lost_s) | {pool.catalog: now_s for pool in gone - self.away}
        return Regions(self.since_s, lost_s, gone)

    def restless(self, catalog: str, now_s: float) -> float:
        """How often its pools are lost just now, over how often on average.

        Where no loss was seen yet the last one lies at least as far back as one has looked: then no more than average.
        """
        lost_s = self.lost_s.get(catalog)
        return restless(now_s - lost_s) if lost_s is not None else min(1.0, restless(now_s - self.since_s))
