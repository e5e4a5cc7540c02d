"""What the optimiser is asked for one deployment, and what its answers mean.

It is asked once as if nothing ran yet. Where its answer names other shapes than those that serve, it is asked again for
those alone: they are what is allotted, and the decision weighs the move to the others. Who solves is not said here: the
operator asks for all deployments together, in another process.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from wharfage_autoscaler.allotment import Allotment
from wharfage_autoscaler.charter import Charter
from wharfage_autoscaler.experience import Answer, Experience
from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.move import HORIZON_S, Ahead, Elsewhere, Forced
from wharfage_autoscaler.need import Berth, Need, Shape
from wharfage_autoscaler.sight import Sight

ASKED_EVERY_S = 300.0
AHEAD_STEP_S = 1800.0


def due(experience: Experience, sight: Sight) -> bool:
    """Whether the optimiser is to be asked: every five minutes, and when what can be had has changed."""
    answer = experience.answer
    return answer is None or sight.now_s - answer.at_s >= ASKED_EVERY_S or answer.obtainable != sight.obtainable


@dataclass(frozen=True, slots=True)
class Enquiry:
    """One deployment's question. `need` is what it needs, wherever it can be had.

    `berths` are all that can be had, fit or not, `shapes` what each is by its pool, and `served` the shapes of those
    that serve. `unfit` are the shapes that are not to be moved to.
    """

    need: Need
    berths: tuple[Berth, ...]
    shapes: Mapping[PoolKey, Shape]
    served: frozenset[Shape]
    unfit: Mapping[Shape, Forced]
    prefers_cheaper: bool
    headroom: float
    charter: Charter

    def here(self, best: Allotment) -> Need | None:
        """The need of it on what serves; None where `best` is on that, or nothing of it can be had."""
        kept = tuple(berth for berth in self.berths if berth.shape in self.served)
        return None if not kept or allotted(best, self.shapes) <= self.served else replace(self.need, berths=kept)

    def elsewhere(self, best: Allotment, current: Allotment, yesterday_rps: Sequence[float]) -> Elsewhere:
        """The move from what is allotted here to the best there is, and what forces it.

        The hours ahead are `yesterday_rps`: mean rates of planned requests over half hours, from this time of
        yesterday on. Where nobody knows them (empty) it goes on as now.
        """
        likely = tuple(float(rate) * self.headroom for rate in yesterday_rps)
        ahead = Ahead(likely or (self.need.peak_rps,) * round(HORIZON_S / AHEAD_STEP_S), AHEAD_STEP_S)
        force = next((self.unfit[shape] for shape in sorted(self.served) if shape in self.unfit), None)
        if force is None and current.short.peak > best.short.peak:
            force = Forced.UNOBTAINABLE
        if force is None and self.prefers_cheaper:
            force = Forced.TOO_DEAR
        return Elsewhere(
            best,
            ahead,
            force=force,
            min_savings=self.charter.min_savings,
            cooldown_s=self.charter.cooldown_s,
            enabled=self.charter.moves,
        )


def enquiry(experience: Experience, sight: Sight, charter: Charter) -> Enquiry:
    """The question of now. The demand is what the law holds, or the load with its headroom before it held any.

    Shapes of which more cannot help serve until others do, and are taken where there are no others.
    """
    usual_rps = 0.0 if math.isnan(sight.rps_5m) else experience.lately.worth * max(0.0, sight.rps_5m)
    memory = experience.memory
    berths = tuple(charter.berth(pool) for pool in sight.pools if pool.obtainable)
    unfit = experience.unfit.reasons(sight, charter)
    fleet = sight.fleet
    need = Need(
        key=charter.key,
        berths=tuple(berth for berth in berths if berth.shape not in unfit) or berths,
        peak_rps=max(usual_rps * experience.law.headroom, memory.held.replicas * memory.unit_rps),
        usual_rps=usual_rps,
        min_replicas=charter.wanted.min_replicas,
        max_replicas=charter.wanted.max_replicas,
        shapes=charter.shapes,
        variants=charter.variants,
        placement=charter.wanted.placement,
        restless=_restless(experience, sight),
        usd_per_hour_limit=charter.wanted.usd_per_hour_limit,
        priority=charter.priority,
        usd_per_bad_minute=charter.objectives.usd_per_bad_minute,
        fleet=fleet,
    )
    shapes = {berth.pool: berth.shape for berth in berths}
    answer = experience.answer
    running = {shapes[pool.key] for pool in fleet.pools if pool.key in shapes}
    return Enquiry(
        need=need,
        berths=berths,
        shapes=shapes,
        served=frozenset(running if answer is None else allotted(answer.allotment, shapes)),
        unfit=unfit,
        prefers_cheaper=experience.purse.prefers_cheaper or charter.economises,
        headroom=experience.law.headroom,
        charter=charter,
    )


def answered(
    experience: Experience,
    sight: Sight,
    asked: Enquiry,
    best: Allotment,
    current: Allotment | None = None,
    yesterday_rps: Sequence[float] = (),
) -> Experience:
    """With what the optimiser said: `current` answers `Enquiry.here`, None where there was nothing to ask."""
    if current is None:
        return replace(experience, answer=Answer(best, None, sight.now_s, sight.obtainable))
    elsewhere = asked.elsewhere(best, current, yesterday_rps)
    return replace(experience, answer=Answer(current, elsewhere, sight.now_s, sight.obtainable))


def allotted(allotment: Allotment, shapes: Mapping[PoolKey, Shape]) -> set[Shape]:
    """The shapes that it runs on; a pool that cannot be had at present has none."""
    return {shapes[each.pool.key] for each in allotment.shapes if each.pool.replicas and each.pool.key in shapes}


def _restless(experience: Experience, sight: Sight) -> dict[str, float]:
    """How much oftener than on average spot is lost just now, by catalog."""
    regions = experience.regions
    if regions is None:
        return {}
    catalogs = sorted({pool.offer.catalog for pool in sight.pools})
    return {catalog: regions.restless(catalog, sight.now_s) for catalog in catalogs}
