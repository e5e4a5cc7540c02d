"""One look at one object: gather what is known, decide, write the difference, say what was seen.

Level-triggered: what happened does not matter, only what is. The same state looked at twice writes nothing
the second time, and a look that was cut short is made good by the next.
"""

import random
import time
from dataclasses import dataclass, replace

from pydantic import ValidationError
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.supply import OfferKey

from wharfage_operator.adoptions import Adoptions
from wharfage_operator.apply import Writer, taken
from wharfage_operator.blockers import blocker
from wharfage_operator.budget import announced, budget_status
from wharfage_operator.budgets import Budgets
from wharfage_operator.cache import Cache
from wharfage_operator.catalog import catalog_status, rejected_status, turns_stale_in_s
from wharfage_operator.children import ChildSettings, Identity, child_settings
from wharfage_operator.errors import NotYet, Rejected
from wharfage_operator.events import events, turn
from wharfage_operator.failures import explained
from wharfage_operator.figures import figures
from wharfage_operator.gather import (
    Specs,
    Subject,
    Supplied,
    Supply,
    complaint,
    fleet_of,
    gather,
    is_paused,
    newsworthy,
    parsed,
    require_catalog,
    snapshot,
)
from wharfage_operator.inbox import BOUNDS, SUPPLY, moment_s
from wharfage_operator.inquiry import Inquiry, held, inquire, left_out, unsized
from wharfage_operator.kinds import (
    CAPACITY_BUFFERS,
    LLM_BUDGETS,
    LLM_DEPLOYMENTS,
    OFFER_CATALOGS,
    POD_MONITORS,
    Key,
    Object,
)
from wharfage_operator.ledger import Spent
from wharfage_operator.lookout import Lookout
from wharfage_operator.loop import Item
from wharfage_operator.manifests import manifests
from wharfage_operator.metrics import MetricsSource
from wharfage_operator.origin import rows
from wharfage_operator.pilotage import Pilotage
from wharfage_operator.placeholders import Means, buffers, hold, placeholders
from wharfage_operator.plan import plan
from wharfage_operator.pools import replicas_by_pool, stand_ins
from wharfage_operator.reader import readable, reader
from wharfage_operator.routing import ServedNames, require_own_name
from wharfage_operator.scalers import Scalers
from wharfage_operator.settings import Settings
from wharfage_operator.spec import Known, untold
from wharfage_operator.status import lasting, refused_status, status
from wharfage_operator.surge import rollouts
from wharfage_operator.sync import Sync
from wharfage_operator.telemetry import Telemetry
from wharfage_operator.testimony import Testimony
from wharfage_operator.treasury import Treasury
from wharfage_operator.verdicts import Seen
from wharfage_operator.victims import farewells, leaving, resizes, with_stand_ins
from wharfage_operator.wake import how_to_wake
from wharfage_operator.wishes import cost
from wharfage_operator.workqueue import WorkQueue

_MOST_ACTS = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """A decision and the ground it was taken on."""

    generation: int
    supply: Supplied
    learned: Known
    decision: Decision
    adopted: str = ""

    def same_ground(self, other: "Standing") -> bool:
        """Whether the other decision aims for the same, for the same reasons."""
        alike = self.generation == other.generation and self.supply is other.supply
        alike = alike and (self.learned, self.adopted) == (other.learned, other.adopted)
        alike = alike and self.decision.advised == other.decision.advised
        return alike and self.decision.target == other.decision.target


class Reconciler:
    """Looks at objects, one at a time per key."""

    def __init__(
        self,
        *,
        cache: Cache,
        queue: WorkQueue[Item],
        writer: Writer,
        supply: Supply,
        metrics: MetricsSource,
        pilotage: Pilotage,
        lookout: Lookout,
        testimony: Testimony,
        scalers: Scalers,
        budgets: Budgets,
        treasury: Treasury,
        sync: Sync,
        adoptions: Adoptions,
        spent: Spent,
        settings: Settings,
        telemetry: Telemetry,
    ) -> None:
        """Everything a look needs; `sync` knows which optional APIs exist."""
        self._cache = cache
        self._queue = queue
        self._writer = writer
        self._supply = supply
        self._metrics = metrics
        self._pilotage = pilotage
        self._lookout = lookout
        self._testimony = testimony
        self._scalers = scalers
        self._budgets = budgets
        self._treasury = treasury
        self._sync = sync
        self._adoptions = adoptions
        self._spent = spent
        self._settings = settings
        self._telemetry = telemetry
        self._written_at: dict[Key, float] = {}
        self._acted: dict[Key, int] = {}
        self._standing: dict[Key, Standing] = {}
        self._settled: dict[Key, tuple[object, ...]] = {}
        """On what ground a deployment was last found as it should be."""
        self._specs = Specs()
        self._names = ServedNames()
        self._woken_for: Supplied | None = None

    async def look(self, item: Item) -> None:
        """Look at one object; raises what `loop` knows how to handle."""
        kind, key = item
        try:
            if item == SUPPLY:
                self._wake_for_supply()
            elif item == BOUNDS:
                for misstated in self._budgets.misstated():
                    self._queue.add((LLM_DEPLOYMENTS, misstated))
            elif kind is LLM_DEPLOYMENTS:
                await self._deployment(key)
            elif kind is OFFER_CATALOGS:
                await self._catalog(key)
            elif kind is LLM_BUDGETS:
                await self._budget(key)
        finally:  # what was refused may be allowed later, and nobody says so
            if item != SUPPLY and self._cache.get(kind, key) is not None:
                self._queue.add_after(item, self._settings.resync_s * random.uniform(0.8, 1.2))  # noqa: S311

    async def _deployment(self, key: Key) -> None:
        raw = self._cache.get(LLM_DEPLOYMENTS, key)
        if raw is None:
            self._pilotage.forget(key)
            self._written_at.pop(key, None)
            self._acted.pop(key, None)
            self._standing.pop(key, None)
            self._settled.pop(key, None)
            self._specs.forget(key)
            self._testimony.forget(key)
            self._scalers.forget(key)
            self._telemetry.forget(key)
            return
        try:
            subject = self._gathered(key)
        except Rejected as rejected:
            await self._writer.status(LLM_DEPLOYMENTS, raw, refused_status(raw, rejected, now=time.time()))
            return
        if subject is None:
            return
        supply, now = self._supply.now(), time.time()
        if subject.adopted is None:
            self._scalers.heard(key, subject.pools, raw.get("status") or {}, now=now)
        inquiry: Inquiry | None = None
        self._woken_for = self._woken_for or supply  # whoever is looked at first has seen it
        decision: Decision | None = None
        wrote = True
        problem: Rejected | NotYet | None = None
        failure: Exception | None = None
        try:
            require_catalog(subject, supply)
            if subject.adopted is None:
                self._budgets.require(raw)
            inquiry = self._inquiry(subject, supply, now=now)
            decision = self._decision(subject, supply, inquiry, now=now)
            wrote = await self._act(subject, decision, supply, inquiry, now=now)
            if wrote and self._more_to_come(key):
                return
            self._acted.pop(key, None)
        except Rejected as rejected:
            problem = rejected
        except NotYet as busy:
            problem = busy
            self._queue.add_after((LLM_DEPLOYMENTS, key), busy.retry_after)
        except Exception as error:
            problem, failure = explained(error), error
        await self._publish(
            key, None if wrote else subject, supply, decision, problem, now=now, inquired=inquiry is not None
        )
        if failure is not None:
            raise failure

    def _gathered(self, key: Key) -> Subject | None:
        offers = self._supply.now().offers
        return self._adoptions.seen(gather(self._cache, key, self._metrics, self._specs), offers)

    def _inquiry(self, subject: Subject, supply: Supplied, events: tuple[Object, ...] = (), *, now: float) -> Inquiry:
        """What the models' own files have told so far; `events` are about the pods that read them."""
        deployment = subject.deployment
        settings, whose = self._children(), Identity(*subject.key, subject.uid)
        wanted = {
            origin: reader(deployment, whose, origin, settings, supply.platform) if readable(origin) else None
            for origin in untold(deployment)
        }
        return inquire(
            wanted,
            subject.remembered,
            subject.readers,
            events,
            owner_uid=subject.uid,
            retry_s=self._settings.reader_retry_s,
            now=now,
        )

    def _decision(self, subject: Subject, supply: Supplied, inquiry: Inquiry, *, now: float) -> Decision:
        """What to aim for; a deployment of which nothing runs waits until its best variants are known."""
        all_there, changes = self._cache.all(LLM_DEPLOYMENTS), self._cache.changes(LLM_DEPLOYMENTS)
        require_own_name(subject.deployment, self._names.older(subject.deployment, all_there, changes))
        seen = snapshot(subject, supply, settings=self._settings, now=now, learned=inquiry.learned)
        if inquiry.under_way and not seen.fleet.pools:
            return held(seen.fleet, inquiry)
        self._lookout.heard(subject.key, subject.pods, seen.fleet, now_s=now)
        gone = leaving(seen.fleet, subject.pods, self._lookout.notices)
        seen = replace(seen, bounds=self._treasury.bounds(subject.key))
        decision = self._pilotage.decision(subject, seen, leaving=gone)
        if not self._pilotage.awaits(subject.key):
            self._treasury.noted(subject.key, cost(seen, decision, self._pilotage.ahead(subject.key)))
        pin = subject.deployment.spec.scaling.pin
        if seen.wanted.pinned and pin is not None:
            self._queue.add_after((LLM_DEPLOYMENTS, subject.key), pin.until.timestamp() - now)
        if self._pilotage.steers(subject.key):  # each reading is followed by a look, but there may be none
            ticks = 1.0 if subject.load is None else 3.0
            self._queue.add_after((LLM_DEPLOYMENTS, subject.key), ticks * self._pilotage.tick_wall_s)
        generation = subject.deployment.metadata.generation
        standing = self._stands(subject.key, Standing(generation, supply, inquiry.learned, decision, seen.adopted))
        return left_out(standing, inquiry)

    async def _act(
        self, subject: Subject, decision: Decision, supply: Supplied, inquiry: Inquiry, *, now: float
    ) -> bool:
        """Make the cluster what was decided, in the plan's order; returns whether anything had to be written."""
        ground = self._ground(subject, decision, supply, inquiry)
        if subject.adopted is not None or self._settled.get(subject.key) == ground:
            return False
        wanted = manifests(
            subject.deployment,
            subject.uid,
            decision.target,
            self._children(),
            supply.platform,
            learned=inquiry.learned,
        )
        counts, means = replicas_by_pool(self._pilotage.ahead(subject.key)), self._means()
        holders = placeholders(wanted, counts, subject.placeholders, subject.children, means, now_s=now)
        if means.buffers:
            wanted = (*wanted, *buffers(wanted, counts))
        notice_s = self._lookout.notice_s(supply.platform)
        wanted = with_stand_ins(wanted, subject.pods, self._lookout.notices, notice_s=notice_s, now_s=now)
        patience_s = self._settings.surge_patience_s
        settled = rollouts(wanted, subject.children, subject.pods, patience_s=patience_s, now=now)
        if settled.again_s is not None:
            self._queue.add_after((LLM_DEPLOYMENTS, subject.key), settled.again_s)
        todo = plan(subject.children, settled.objects, owner_uid=subject.uid)
        if todo.conflicts:
            raise taken(todo.conflicts[0], subject.key, retry_s=self._settings.conflict_every_s)
        sizes = resizes(subject.pools, settled.objects)
        running = self._metrics.running(subject.key)
        parting = farewells(subject.pods, self._lookout.notices, sizes, notice_s=notice_s, now_s=now, running=running)
        for mark in parting.marks:
            await self._writer.mark(mark.pod, labels=mark.labels, annotations=mark.annotations)
        for obj in (*todo.applies, *inquiry.creates):
            await self._writer.apply(obj, owner=subject.key, owner_uid=subject.uid)
        for obj in (*todo.deletes, *inquiry.deletes):
            await self._writer.delete(obj)
        for pod in (*parting.ends, *holders.deletes):
            await self._writer.delete(pod, as_it_was=False)
        held_more = await hold(self._writer, holders.creates, owner=subject.key, owner_uid=subject.uid)
        later = [again_s for again_s in (inquiry.again_s, parting.again_s) if again_s is not None]
        for again_s in later:
            self._queue.add_after((LLM_DEPLOYMENTS, subject.key), again_s)
        wrote = not todo.empty or bool(inquiry.creates or inquiry.deletes or parting.marks or parting.ends)
        wrote = wrote or held_more or bool(holders.deletes)
        noticed = any(self._lookout.notices.of(pod) is not None for pod in subject.pods)
        if not (wrote or later or noticed or counts) and settled.again_s is None:
            self._settled[subject.key] = ground
        return wrote

    def _ground(self, subject: Subject, decision: Decision, supply: Supplied, inquiry: Inquiry) -> tuple[object, ...]:
        """All that what is to be written follows from but the time: the same again leads to nothing again."""
        objects = (*subject.children, *subject.pods, *subject.placeholders)
        return (
            subject.uid,
            subject.deployment.metadata.generation,
            decision.target,
            self._pilotage.ahead(subject.key),
            supply.platform,
            self._lookout.notices,
            self._children(),
            inquiry,
            tuple((obj["metadata"]["uid"], obj["metadata"]["resourceVersion"]) for obj in objects),
        )

    def _stands(self, key: Key, now: "Standing") -> Decision:
        """The decision that led to this target, as long as spec and supply are the same.

        The next decision only finds it done, and would explain less.
        """
        before = self._standing.get(key)
        if before is not None and before.same_ground(now):
            return before.decision
        self._standing[key] = now
        self._pilotage.stands(key, now.decision)
        return now.decision

    def _more_to_come(self, key: Key) -> bool:
        """After a write: the controllers answer within a moment, and what they say belongs into the same status.

        Somebody who undoes our writes at once (a mutating webhook) must not keep us from saying so.
        """
        self._acted[key] = self._acted.get(key, 0) + 1
        if self._acted[key] > _MOST_ACTS:
            return False
        self._queue.add_after((LLM_DEPLOYMENTS, key), moment_s(self._settings.children_settle_s, len(self._queue)))
        return True

    async def _publish(
        self,
        key: Key,
        subject: Subject | None,
        supply: Supplied,
        decision: Decision | None,
        problem: Rejected | NotYet | None,
        *,
        now: float,
        inquired: bool,
    ) -> None:
        """Say what is seen now; without an inquiry what was learned is kept as it stands.

        `subject` is None where something was written since it was gathered: our own writes are to be seen.
        """
        if subject is None:
            subject = self._gathered(key)
        if subject is None:
            return
        witnesses, again_s = await self._testimony.about(key, (*subject.readers, *subject.pods), now=now)
        scaled, look_s = await self._scalers.about(key, subject.pools, now=now)
        for later_s in (again_s, look_s):
            if later_s is not None:
                self._queue.add_after((LLM_DEPLOYMENTS, key), later_s)
        fleet = fleet_of(subject, supply)
        if self._lookout.heard(key, subject.pods, fleet, witnesses, now_s=now):
            self._queue.add_after((LLM_DEPLOYMENTS, key), 0.0)
        ahead, beside = self._pilotage.ahead(key), stand_ins(subject.pools, fleet)
        previous = subject.raw.get("status") or {}
        models = previous.get("models") or []
        if inquired:
            inquiry = self._inquiry(subject, supply, witnesses, now=now)
            models = rows(inquiry.learned)
            if problem is None and decision is not None and unsized(decision):
                problem = inquiry.problem
        seen = Seen(
            fleet=fleet,
            ahead=ahead,
            stand_ins=beside,
            slots=self._pilotage.slots(key),
            leads={offer: self._lookout.lead(offer, key) for offer in _offers(fleet, decision)},
            decision=decision,
            problem=problem,
            blocker=blocker(subject.pods, subject.pools, witnesses, now=now),
            pools=subject.pools,
            load=subject.load,
            spent=self._spent(subject.uid),
            models=tuple(models),
            prices_observed_at=supply.prices_observed_at,
            hindrances=self._pilotage.hindrances(key, subject.uid),
            prices_stale_after_s=self._settings.prices_stale_after_s,
            how_to_wake=how_to_wake(subject.raw),
            scaled=scaled,
            adopted="" if subject.adopted is None else subject.adopted.where,
            budget=self._budgets.binding(subject.raw),
            gateway_service=self._settings.gateway_service,
        )
        fresh = status(subject.deployment, seen, now=now, previous=previous)
        self._telemetry.deployment(key, figures(seen, fresh))
        if self._too_soon(key, previous, fresh, now=now):
            return
        if await self._writer.status(LLM_DEPLOYMENTS, subject.raw, fresh):
            self._written_at[key] = now
            if models != (previous.get("models") or []):
                self._queue.add_after((LLM_DEPLOYMENTS, key), 0.0)  # the pods that told it may go
            if (made := turn(previous, fresh)) is not None:
                self._telemetry.decisions.labels(*key, *made).inc()
            for event in events(previous, fresh):
                self._writer.event(subject.raw, reason=event.reason, message=event.message, warning=event.warning)
        elif self._cache.get(LLM_DEPLOYMENTS, key) is None:
            self._queue.add((LLM_DEPLOYMENTS, key))  # it is gone: what is remembered of it goes, too

    def _children(self) -> ChildSettings:
        return child_settings(self._settings, pod_monitors=POD_MONITORS in self._sync.served)

    def _means(self) -> Means:
        """What machines can be ordered ahead with here."""
        there, settings = CAPACITY_BUFFERS in self._sync.served, self._settings
        return Means(there, settings.placeholder_image, settings.placeholder_priority_class)

    def _too_soon(self, key: Key, previous: Object, fresh: Object, *, now: float) -> bool:
        """Whether only moving figures differ and they were written a short while ago."""
        left_s = self._written_at.get(key, 0.0) + self._settings.status_every_s - now
        ahead = left_s > self._settings.status_every_s  # the clock was, and has been set back
        if left_s <= 0 or ahead or previous == fresh or lasting(previous) != lasting(fresh):
            return False
        self._queue.add_after((LLM_DEPLOYMENTS, key), left_s)
        return True

    async def _catalog(self, key: Key) -> None:
        raw = self._cache.get(OFFER_CATALOGS, key)
        if raw is None:
            self._telemetry.forget_catalog(key[1])
        if raw is None or is_paused(raw):
            return
        now, generation = time.time(), raw["metadata"].get("generation", 0)
        previous = raw.get("status") or {}
        try:
            catalog = parsed(raw)
        except ValidationError as error:
            self._telemetry.forget_catalog(key[1])
            fresh = rejected_status(complaint(error), previous=previous, generation=generation, now=now)
        else:
            stale_after_s = self._settings.prices_stale_after_s
            self._telemetry.prices_observed.labels(key[1]).set(catalog.spec.observed_at.timestamp())
            fresh = catalog_status(
                catalog,
                self._supply.now().offers,
                previous=previous,
                generation=generation,
                now=now,
                stale_after_s=stale_after_s,
            )
            left_s = turns_stale_in_s(catalog, now=now, stale_after_s=stale_after_s)
            if left_s is not None:
                self._queue.add_after((OFFER_CATALOGS, key), left_s + 1)
        await self._writer.status(OFFER_CATALOGS, raw, fresh)

    async def _budget(self, key: Key) -> None:
        raw = self._cache.get(LLM_BUDGETS, key)
        if raw is None or is_paused(raw):
            return
        account = self._treasury.account(key[1])
        fresh = budget_status(raw, account, now=time.time())
        if await self._writer.status(LLM_BUDGETS, raw, fresh):
            for said in announced(raw, account):
                self._writer.event(raw, reason=said.reason, message=said.message, warning=said.warning)

    def _wake_for_supply(self) -> None:
        """Nodes, NodePools or prices changed: wake whom it concerns, which is nobody if the offers are the same."""
        for key in self._lookout.look(time.time()):
            self._queue.add((LLM_DEPLOYMENTS, key))
        before, supply = self._woken_for, self._supply.now()
        if before is supply:
            return
        self._woken_for = supply
        for key in self._cache.keys(OFFER_CATALOGS):
            self._queue.add((OFFER_CATALOGS, key))
        if before is None or newsworthy(before, supply):
            for key in self._cache.keys(LLM_DEPLOYMENTS):
                self._queue.add((LLM_DEPLOYMENTS, key))


def _offers(fleet: Fleet, decision: Decision | None) -> set[OfferKey]:
    """The offers of all pools that run or are wanted."""
    wanted = decision.target.pools if decision is not None else ()
    return {pool.offer.key for pool in (*fleet.pools, *wanted)}
