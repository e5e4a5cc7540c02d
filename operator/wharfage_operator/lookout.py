"""What this process has heard of machines: notices, lead times and shortages, which all deployments have in common.

Three values, each replaced by what the next look makes of it. Notices are told again by the nodes that there are; the
other two survive a restart (`almanac`).
"""

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.supply import OfferKey

from wharfage_operator.cache import Cache
from wharfage_operator.clock import Clock
from wharfage_operator.kinds import NODES, PODS, Key, Object
from wharfage_operator.leads import PRIOR, Lead, Leads
from wharfage_operator.notices import Fate, Notices, tenants
from wharfage_operator.platforms import Platform
from wharfage_operator.pools import offers_by_pool
from wharfage_operator.shortages import PATIENCE, Shortages, reports
from wharfage_operator.telemetry import Telemetry


class Lookout:
    """Keeps them. Times are those of the wall but where it says otherwise."""

    def __init__(self, cache: Cache, clock: Clock, *, wait_least_s: float = PATIENCE.wait_least_s) -> None:
        """The cache has the nodes; the clock says how much faster than the wall's the world's time runs.

        `wait_least_s` is of the wall: machines may boot faster in a demo, the control plane around them does not.
        """
        self._cache = cache
        self._clock = clock
        self._patience = replace(PATIENCE.scaled(clock.scale), wait_least_s=wait_least_s)
        self.notices = Notices()
        self.leads = Leads(prior=Lead(clock.wall_s(PRIOR.machine_s), clock.wall_s(PRIOR.engine_s)))
        self.shortages = Shortages()

    def look(self, now_s: float) -> frozenset[Key]:
        """Look at all nodes; returns the deployments that have pods where something else is said than before."""
        before, self.notices = self.notices, self.notices.heard(self._cache.all(NODES), now_s)
        news = self.notices.news(before)
        return tenants(self._cache.all(PODS), news) if news else frozenset()

    def heard(
        self, key: Key, pods: Sequence[Object], fleet: Fleet, events: Iterable[Object] = (), *, now_s: float
    ) -> bool:
        """Learn from a deployment's replicas and what is said of them; returns whether what can be had has changed."""
        offers = offers_by_pool(fleet)
        self.leads = self.leads.heard(key, pods, offers)
        told = reports(pods, tuple(events), self.notices, offers, self.leads, now_s=now_s, patience=self._patience)
        before, self.shortages = self.shortages, self.shortages.heard(told, now_s, self._patience)
        return any(
            before.obtainable(offer, now_s) != self.shortages.obtainable(offer, now_s) for offer in offers.values()
        )

    def forget_but(self, owners: Collection[Key], now_s: float) -> None:
        """These are all the deployments that there are; and nothing has happened yet that lies ahead."""
        self.leads = self.leads.among(owners).until(now_s)

    def notice_s(self, platform: Platform) -> float:
        """What a pod can use of an interruption's notice."""
        return self._clock.wall_s(platform.spot_notice_s)

    def lead(self, offer: OfferKey, owner: Key | None = None) -> Lead:
        """Seconds of the world from an order to its machine, and from there to the first answer."""
        lead = self.leads.of(offer, owner)
        return Lead(lead.machine_s * self._clock.scale, lead.engine_s * self._clock.scale)

    def lead_s(self, offer: Offer, owner: Key | None = None) -> float:
        """Seconds of the world from an order to the first answer."""
        return self.lead(offer.key, owner).total_s

    def machine_s(self, offer: Offer) -> float:
        """Seconds of the world from an order to its machine."""
        return self.lead(offer.key).machine_s

    def obtainable(self, offer: Offer, now_s: float | None = None) -> bool:
        """Whether an order would be filled now, as far as one knows."""
        return self.shortages.obtainable(offer.key, time.time() if now_s is None else now_s)

    def tell(self, telemetry: Telemetry, now_s: float) -> None:
        """Show it as metrics: offers that were ever ordered, those that were short lately, and nodes with a notice."""
        for offer in self.leads.starts:
            lead = self.lead(offer)
            telemetry.lead.labels(*offer, "machine").set(lead.machine_s)
            telemetry.lead.labels(*offer, "engine").set(lead.engine_s)
        telemetry.shortage.clear()
        telemetry.strikes.clear()
        for offer, shortage in self.shortages.by_offer.items():
            telemetry.shortage.labels(*offer).set(not self.shortages.obtainable(offer, now_s))
            telemetry.strikes.labels(*offer).set(shortage.strikes)
        for fate in Fate:
            count = sum(1 for notice in self.notices.by_node.values() if notice.fate is fate)
            telemetry.notices.labels(fate).set(count)
