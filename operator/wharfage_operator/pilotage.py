"""Steers every deployment whose count follows its load: what is known of each, and the decision of now.

`wharfage_autoscaler.pilot` says what a look is; here are the places where what it needs is kept. Before any load was
ever measured, and wherever nothing on the chart can serve, the decision is the one without a load: the cheapest offer
that holds the model, `minReplicas` of it, or what runs already.
"""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Protocol

from wharfage_autoscaler.capacity import AtOnce
from wharfage_autoscaler.charter import Charter
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.enquiry import answered, due
from wharfage_autoscaler.event import Event
from wharfage_autoscaler.experience import Experience
from wharfage_autoscaler.fleet import Fleet, PoolKey
from wharfage_autoscaler.forecast import Forecast
from wharfage_autoscaler.hindsight import no_later
from wharfage_autoscaler.idle import Idle
from wharfage_autoscaler.model import Mode
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.pilot import decided, heard, snapshot
from wharfage_autoscaler.reasons import Reason
from wharfage_autoscaler.sight import Sight
from wharfage_autoscaler.snapshot import Expectation, Memory, Snapshot
from wharfage_autoscaler.steptime import Theta
from wharfage_autoscaler.trials import serving, without_trials
from wharfage_autoscaler.vanguard import NONE, Stake, vanguard

from wharfage_operator.account import Account, Grounds, Said, accounted
from wharfage_operator.advice import advised, refused
from wharfage_operator.archive import Before
from wharfage_operator.calibrations import Calibrations
from wharfage_operator.charts import ENOUGH_ROWS, LEAD_S, USUAL, Chart, Charts, Terms, planned_traffic
from wharfage_operator.clock import Clock
from wharfage_operator.expectations import Expectations
from wharfage_operator.gather import Subject, objectives
from wharfage_operator.history import Rows
from wharfage_operator.kinds import Key
from wharfage_operator.laws import Laws
from wharfage_operator.lessons import Make
from wharfage_operator.rounds import Question, Rounds
from wharfage_operator.routing import shapes, variants
from wharfage_operator.sighting import sighted
from wharfage_operator.spec import expected_events, expected_peak, expected_traffic
from wharfage_operator.telling import Telling, news, record
from wharfage_operator.trials import Trials, with_trials
from wharfage_operator.units import in_new_units, unit_rps_of
from wharfage_operator.wake import idle, says_zero, silent_s, woken_s

log = logging.getLogger(__name__)

TICK_S = 15.0
"""Of the clock between two looks that count as such; what happens between them is decided on at once."""

NOBODY: Mapping[PoolKey, int] = MappingProxyType({})
_AS_RUNS = -1.0  # the law begins with what runs: what it last held may have been written down minutes before
_AWAITED_S = 60.0  # longer than an optimiser takes that works; until then dollars are held still, then held down
_REDRAWN_S = 86_400.0  # lengths drift; a day later they are planned for anew


class Market(Protocol):
    """What is known of offers beyond their price."""

    def lead_s(self, offer: Offer, owner: Key) -> float:
        """Seconds from an order of that deployment to the first answer."""
        ...

    def machine_s(self, offer: Offer) -> float:
        """Seconds of those until there is a machine."""
        ...

    def obtainable(self, offer: Offer) -> bool:
        """Whether an order would be filled now."""
        ...


@dataclass(slots=True)
class _Voyage:
    """What is kept of one deployment."""

    uid: str
    experience: Experience = field(default_factory=Experience)
    restored: bool = False
    """Whether it is known what an earlier process knew."""
    seen: bool = False
    """Whether one has looked at it: what it slept or did before, its pools say."""
    slept: bool = True
    """Whether it may have slept when an earlier process ended; what that wrote down, and its status, say it."""
    sailed: bool = False
    """Whether any load was measured before."""
    unled: Memory = field(default_factory=Memory)
    """Of the decisions that no load led."""
    ahead: Fleet = NONE
    """Replicas whose machines are ordered ahead, beside the last decision."""
    grounds: Grounds | None = None
    """Of the last decision."""
    of_load: Grounds | None = None
    """Of what the load would ask for, where the last decision was the user's."""
    refused: str = ""
    """Why the load cannot lead: objectives that nothing meets."""
    telling: Telling | None = None
    """The decision that stands, and what it looked at."""
    heard_s: float = float("-inf")
    leads: bool = False
    """Whether the load leads it, or would if the user did not."""
    led_s: float = float("-inf")
    """When the load last led it, by an allotment."""
    awaits: bool = False
    """Whether it waits for the next allotment, the last one being of other terms."""
    chart: Chart | None = None
    answered_on: Charter | None = None
    """That of the last answer."""
    drawn_for: tuple[object, ...] = ()
    drawn_with: frozenset[PoolKey] = frozenset()
    """Pools that are on it, or could not be drawn."""
    drawn_s: float = float("-inf")
    planned: Mapping[Make, Theta] = field(default_factory=dict)
    """What was learned of engines when it was drawn."""


class Pilotage:
    """The decisions of all deployments."""

    def __init__(
        self,
        rounds: Rounds,
        clock: Clock,
        *,
        rows: Callable[[Key], Rows],
        expectations: Expectations,
        laws: Laws,
        market: Market,
        calibrations: Calibrations,
        before: Callable[[Key, str], Before | None],
        unread: Callable[[Key, str], str] = lambda key, uid: "",
        orders_ahead: bool = False,
        asked_s: Callable[[Key], float] = lambda key: -math.inf,
    ) -> None:
        """`rows` are the weeks that are known of a deployment's load.

        `before` is what an earlier process knew of a deployment of that uid; while it is None nobody knows yet, and
        nothing that runs is taken away; `unread` says why it cannot be known, where that was found out.
        `orders_ahead` says whether machines may be ordered before replicas need them.
        """
        self._orders_ahead = orders_ahead
        self._asked_s = asked_s
        self._rounds = rounds
        self._expectations = expectations
        self._laws = laws
        self._clock = clock
        self._rows = rows
        self._market = market
        self._calibrations = calibrations
        self._before = before
        self._unread = unread
        self._charts = Charts()
        self._trials = Trials(self._charts)
        self._voyages: dict[Key, _Voyage] = {}

    def forget(self, key: Key) -> None:
        """The deployment is gone."""
        self._voyages.pop(key, None)
        self._laws.forget(key)
        self._calibrations.forget(key)
        self._leave(key)

    def _leave(self, key: Key) -> None:
        """Its count does not follow its load now."""
        self._rounds.forget(key)
        self._expectations.forget(key)
        self._trials.forget(key)

    @property
    def tick_wall_s(self) -> float:
        """The wall's seconds between two looks."""
        return self._clock.wall_s(TICK_S)

    def steers(self, key: Key) -> bool:
        """Whether the deployment's count follows its load, so that it is to be looked at every tick."""
        voyage = self._voyages.get(key)
        return voyage is not None and voyage.leads and voyage.heard_s > float("-inf")

    def decision(self, subject: Subject, seen: Snapshot, *, leaving: Mapping[PoolKey, int] = NOBODY) -> Decision:
        """What to aim for at `seen.now` (Unix seconds of the wall).

        `leaving` are the serving replicas of each pool whose machines are about to go.
        """
        voyage = self._voyages.get(subject.key)
        if voyage is None or voyage.uid != subject.uid:
            self.forget(subject.key)
            voyage = self._voyages[subject.key] = _Voyage(subject.uid)
        seen = replace(seen, now=self._clock.own_s(seen.now))
        if voyage.heard_s > seen.now + TICK_S:  # the clock was ahead, and has been set back
            voyage.experience = no_later(voyage.experience, seen.now)
            voyage.heard_s = voyage.drawn_s = seen.now - TICK_S
        self._restore(voyage, subject)
        self._calibrate(voyage, subject, seen)
        voyage.of_load, voyage.refused, voyage.awaits = None, "", False
        sent, voyage.ahead = voyage.ahead, NONE
        if seen.wanted.mode is Mode.RECOMMEND:
            _awake(voyage)
            led = self._led(voyage, subject, replace(seen, wanted=replace(seen.wanted, mode=Mode.AUTO)), leaving, NONE)
            voyage.experience = replace(voyage.experience, bound_for=frozenset())  # nobody goes there
            of_load, decision, voyage.ahead = voyage.grounds, self._unled(voyage, seen), NONE
            if led is None:
                return decision
            voyage.of_load = of_load
            return advised(decision, led, seen.fleet)
        if seen.wanted.mode is Mode.AUTO and not seen.wanted.pinned:
            seen = replace(seen, idle=self._idle(voyage, subject, seen))
            led = self._led(voyage, subject, seen, leaving, sent)
            voyage.led_s = voyage.led_s if led is None else seen.now
            voyage.awaits = led is None and 0.0 <= seen.now - voyage.led_s <= _AWAITED_S
            decision = led or self._between(voyage, seen)
            _put_to_sleep(voyage, any(step.reason is Reason.AT_ZERO for step in decision.steps))
            return decision
        _awake(voyage)
        self._leave(subject.key)
        voyage.leads = False
        voyage.led_s = -math.inf
        known = replace(voyage.experience, answer=None, bound_for=frozenset())  # old by the time the load leads again
        voyage.experience = known
        return self._unled(voyage, seen)

    def experience(self, key: Key, uid: str) -> Experience | None:
        """What is known of a deployment, to be written down; None where nothing is yet."""
        voyage = self._voyages.get(key)
        known = voyage is not None and voyage.uid == uid and voyage.restored and voyage.heard_s > float("-inf")
        return voyage.experience if voyage is not None and known else None

    def ahead(self, key: Key) -> Fleet:
        """Replicas, by pool, for which machines are to wait beside those of the last decision."""
        voyage = self._voyages.get(key)
        return NONE if voyage is None else voyage.ahead

    def awaits(self, key: Key) -> bool:
        """Whether the last decision is one between two allotments, which says nothing of what the load asks for."""
        voyage = self._voyages.get(key)
        return voyage is not None and voyage.awaits

    def stands(self, key: Key, decision: Decision) -> None:
        """The last decision of a deployment stands from now on: it is kept, and told where it is news."""
        voyage = self._voyages.get(key)
        if voyage is not None and voyage.grounds is not None:
            before = voyage.telling
            voyage.telling = Telling(decision, Account(voyage.grounds, voyage.of_load, voyage.refused))
            if before is None or news(before.decision, decision):
                log.info("decided", extra=record(key, voyage.telling))

    def telling(self, key: Key) -> Telling | None:
        """The decision that stands, with all that it looked at; None before the first."""
        voyage = self._voyages.get(key)
        return None if voyage is None else voyage.telling

    def slots(self, key: Key) -> Mapping[PoolKey, AtOnce]:
        """Requests that a replica of each pool carries at once, where that could be worked out."""
        chart = voyage.chart if (voyage := self._voyages.get(key)) is not None else None
        return {} if chart is None else {**chart.slots, **self._trials.slots(key)}

    def hindrances(self, key: Key, uid: str) -> Mapping[Reason, str]:
        """What keeps the decisions of a deployment from being as good as they could be, in words for its status."""
        voyage = self._voyages.get(key)
        if voyage is None or voyage.uid != uid:
            return {}
        if not voyage.restored:
            unread = self._unread(key, uid)
            return {Reason.HISTORY_UNREADABLE: unread} if unread else {}
        if not self.steers(key):
            return {}
        found = {
            Reason.DECISION_HELD: self._rounds.trouble,
            Reason.FORECAST_DEGRADED: self._expectations.trouble(key),
        }
        return {reason: words for reason, words in found.items() if words}

    def _restore(self, voyage: _Voyage, subject: Subject) -> None:
        if not voyage.restored:
            before = self._before(subject.key, subject.uid)
            if before is not None:
                memory = before.experience.memory
                counted_anew = replace(memory, held=memory.held._replace(replicas=_AS_RUNS))
                voyage.slept = before.experience.silence.asleep or not before.measured or says_zero(subject.raw)
                asleep = voyage.experience.silence.asleep and voyage.slept
                silence = replace(before.experience.silence, asleep=asleep)
                voyage.experience = replace(before.experience, memory=counted_anew, silence=silence)
                voyage.restored, voyage.sailed = True, before.measured
                self._calibrations.restore(subject.key, before.lessons)

    def _calibrate(self, voyage: _Voyage, subject: Subject, seen: Snapshot) -> None:
        """Learn from what the engines do, whoever decides the count."""
        known = voyage.chart.traffic if voyage.chart is not None else expected_traffic(subject.deployment)
        self._calibrations.heard(subject, seen, known or USUAL, moving=bool(voyage.experience.bound_for))

    def _idle(self, voyage: _Voyage, subject: Subject, seen: Snapshot) -> Idle | None:
        """What zero is weighed by; None where it never goes there. That it sleeps, its pools remember for us."""
        experience, first, voyage.seen = voyage.experience, not voyage.seen, True
        silence = experience.silence
        if not seen.wanted.rests:
            return None
        if first:
            silence = replace(silence, asleep=voyage.slept and bool(seen.fleet.pools) and not seen.fleet.replicas)
        wished_s = self._clock.own_s(max(woken_s(subject.raw), self._asked_s(subject.key)))
        after_s = subject.deployment.spec.scaling.idle_after.total_seconds()
        silence = silence.heard(seen.now, silent_s(seen.load), woken_s=wished_s, after_s=after_s)
        voyage.experience = replace(experience, silence=silence)
        leads = (self._market.lead_s(pool.offer, subject.key) for pool in seen.fleet.pools)
        lead_s = max(leads, default=LEAD_S)
        return idle(silence, subject.deployment, now_s=seen.now, woken_s=wished_s, lead_s=lead_s)

    def _unled(self, voyage: _Voyage, seen: Snapshot) -> Decision:
        """The decision that no load leads. What the law holds follows it, for when the load leads again.

        An offer that is short is left alone where another will do: to wait for nothing else helps nobody.
        """
        voyage.grounds = accounted(_filled(seen, self._market.obtainable), voyage.unled)
        decision, after = voyage.grounds.decided()
        if any(step.reason is Reason.CAPACITY_UNAVAILABLE for step in decision.steps):
            voyage.grounds = accounted(seen, voyage.unled)
            decision, after = voyage.grounds.decided()
        voyage.unled, memory = after, voyage.experience.memory
        if seen.wanted.mode is not Mode.RECOMMEND and memory.held.replicas >= 0.0:
            held = memory.held._replace(replicas=float(decision.serving.replicas))
            unit_rps = unit_rps_of(decision.serving, dict(memory.rates), memory.unit_rps)
            voyage.experience = replace(voyage.experience, memory=replace(memory, held=held, unit_rps=unit_rps))
        return decision

    def _between(self, voyage: _Voyage, seen: Snapshot) -> Decision:
        """The decision where the load is to lead and cannot yet, or not now."""
        seen = replace(seen, kept=_kept(voyage, seen), awaited=voyage.awaits)
        return _charted(self._unled(voyage, seen), voyage)

    def _led(
        self, voyage: _Voyage, subject: Subject, seen: Snapshot, leaving: Mapping[PoolKey, int], sent: Fleet
    ) -> Decision | None:
        """The decision that the load leads; None where no load was ever known, or nobody knows where to run.

        Beside it stands what is ordered ahead; `sent` was so far.
        """
        if not voyage.restored:
            return None
        known = len(self._rows(subject.key)) >= ENOUGH_ROWS
        prior = None if known else expected_peak(subject.deployment)
        chart = self._chart(voyage, subject, replace(seen, wanted=serving(seen.wanted, seen.trials)))
        if not chart.pools or (prior is None and not _has_sailed(voyage, seen)):
            self._leave(subject.key)
            return None
        voyage.leads = True
        sight = sighted(
            chart,
            seen.fleet,
            seen.load,
            now_s=seen.now,
            lead=partial(self._market.lead_s, owner=subject.key),
            obtainable=self._market.obtainable,
            leaving=leaving,
        )
        forecast = self._foreseen(subject, chart, sight.lead_s)
        self._look(voyage, subject.key, sight, chart, forecast)
        answer = voyage.experience.answer
        if answer is None or not answer.allotment.shapes:  # nothing can be had: what serves is not given up for that
            return None
        expected: Expectation | None = forecast
        if expected is None and prior is not None:
            expected = Said(prior)
        told = snapshot(voyage.experience, sight, chart.charter, expected)
        trials = self._trials.rated(seen, chart, self._calibrations.theta(subject), self._market.obtainable)
        told = with_trials(told, seen, trials)
        voyage.grounds = accounted(
            replace(told, offers=_known(seen.offers, sight), idle=seen.idle, bounds=seen.bounds),
            voyage.experience.memory,
        )
        decision, memory = voyage.grounds.decided()
        stake = Stake(chart.charter.objectives.usd_per_bad_minute, self._market.machine_s)
        voyage.ahead = vanguard(without_trials(told), decision, stake, sent) if self._orders_ahead else NONE
        voyage.experience = decided(voyage.experience, sight, chart.charter, decision, memory)
        return decision

    def _foreseen(self, subject: Subject, chart: Chart, lead_s: float) -> Forecast | None:
        """What is expected of its load, where the user lets it be foreseen."""
        written = subject.deployment.spec.scaling.forecast
        if not written.enabled:
            self._expectations.forget(subject.key)
            return None
        events = tuple(map(self._own, expected_events(subject.deployment)))
        history_s = written.history.total_seconds()
        return self._expectations.of(subject.key, subject.uid, chart, lead_s, events, history_s=history_s)

    def _own(self, event: Event) -> Event:
        return replace(event, start_s=self._clock.own_s(event.start_s), end_s=self._clock.own_s(event.end_s))

    def _look(self, voyage: _Voyage, key: Key, sight: Sight, chart: Chart, forecast: Forecast | None) -> None:
        """Learn from what is seen, fetch an answer, ask the next question."""
        if sight.now_s - voyage.heard_s >= TICK_S:
            voyage.experience, entry = heard(voyage.experience, sight, chart.charter)
            voyage.heard_s = sight.now_s
            here = Question(voyage.experience, sight, chart.charter)
            self._laws.note(key, voyage.uid, here, entry, forecast)
            if (law := self._laws.law(key)) is not None:
                voyage.experience = replace(voyage.experience, law=law, tuned_s=sight.now_s)
        told = self._rounds.answer(key)
        # An answer to a question of before a move is about machines that are being left.
        if (
            told is not None
            and told.question.charter is chart.charter
            and told.question.experience.answer is voyage.experience.answer
        ):
            asked = told.question.sight
            voyage.experience = answered(voyage.experience, asked, told.asked, told.best, told.current)
            voyage.answered_on = chart.charter
        if math.isnan(sight.rps_1m) and voyage.experience.memory.held.replicas < 0.0 and voyage.sailed:
            return  # what is needed is not known: an answer would be one for no load at all
        question = Question(voyage.experience, sight, chart.charter)
        redrawn = voyage.answered_on is not chart.charter
        self._rounds.ask(key, question, due=redrawn or due(voyage.experience, sight))

    def _chart(self, voyage: _Voyage, subject: Subject, seen: Snapshot) -> Chart:
        """The deployment's chart, drawn anew where what it shows has changed, and once a day."""
        spec = subject.deployment.spec
        economises, vertical = seen.bounds.economises, spec.scaling.vertical
        drawn_for = (seen.wanted, seen.offers, spec.objectives, spec.priority, vertical, spec.routing)
        planned = self._calibrations.planned(subject.key)
        running = frozenset(pool.key for pool in seen.fleet.pools)
        stale = seen.now - voyage.drawn_s >= _REDRAWN_S
        known = drawn_for == voyage.drawn_for and running <= voyage.drawn_with
        before = voyage.chart
        same = before is not None and before.charter.economises == economises and planned == voyage.planned
        if before is not None and known and same and not stale:
            return before
        kept = None if before is None or stale or not known else before.traffic
        drawn = self._charts.drawn(
            subject.key,
            seen.wanted,
            objectives(subject.deployment),
            kept or planned_traffic(expected_traffic(subject.deployment), self._rows(subject.key)),
            seen.offers,
            seen.fleet,
            Terms(
                priority=spec.priority,
                moves=vertical.enabled,
                min_savings=float(vertical.min_savings),
                cooldown_s=vertical.cooldown.total_seconds(),
                shapes=shapes(subject.deployment),
                variants=variants(subject.deployment),
                economises=economises,
            ),
            self._calibrations.theta(subject),
        )
        voyage.chart, voyage.drawn_for, voyage.planned = drawn, drawn_for, planned
        voyage.drawn_s = voyage.drawn_s if kept is not None else seen.now
        voyage.drawn_with = running | frozenset(drawn.charter.moorings)
        if before is not None and before.charter.work != drawn.charter.work:
            voyage.experience = in_new_units(voyage.experience, drawn.charter.work)
            voyage.heard_s = min(voyage.heard_s, seen.now - TICK_S)
        return drawn


def _awake(voyage: _Voyage) -> None:
    """The user runs it: it does not sleep, and silence counts anew once the load leads again."""
    voyage.seen = True
    silence = replace(voyage.experience.silence, asleep=False, heard_s=-math.inf)
    voyage.experience = replace(voyage.experience, silence=silence)


def _put_to_sleep(voyage: _Voyage, asleep: bool) -> None:
    """Where nothing is to run, that is so until somebody wakes it."""
    if voyage.experience.silence.asleep != asleep:
        voyage.experience = replace(voyage.experience, silence=replace(voyage.experience.silence, asleep=asleep))


def _charted(decision: Decision, voyage: _Voyage) -> Decision:
    """The decision, with what keeps the load from leading it where that is the objectives."""
    chart = voyage.chart
    if chart is None or chart.pools or not chart.refused:
        return decision
    voyage.refused = chart.refused[0]
    return refused(decision, voyage.refused)


def _filled(seen: Snapshot, obtainable: Callable[[Offer], bool]) -> Snapshot:
    """Without offers of which an order would not be filled now, but for those that serve."""
    serves = {pool.offer.key for pool in seen.fleet.pools if pool.ready}
    offers = (each if each.key in serves or obtainable(each) else replace(each, obtainable="") for each in seen.offers)
    return replace(seen, offers=tuple(offers))


def _kept(voyage: _Voyage, seen: Snapshot) -> int:
    """What runs, if the load may once have wanted it: what is not known now is no reason to do without it."""
    wanted = _has_sailed(voyage, seen) or not voyage.restored
    return min(without_trials(seen).fleet.replicas, seen.wanted.max_replicas) if wanted else 0


def _has_sailed(voyage: _Voyage, seen: Snapshot) -> bool:
    """Whether any load was ever known: before that nothing says that `minReplicas` is too few."""
    return voyage.sailed or seen.load is not None or voyage.experience.memory.held.replicas >= 0.0


def _known(offers: tuple[Offer, ...], sight: Sight) -> tuple[Offer, ...]:
    """All offers, for a good refusal; those of which an order would not be filled now as nobody's."""
    gone = {pool.offer.key for pool in sight.pools if not pool.obtainable}
    if not gone:
        return offers
    return tuple(replace(offer, obtainable="") if offer.key in gone else offer for offer in offers)
