"""Calibrates the capacity model by what every deployment's engines do, and says when to plan with what was learned.

A window of each make of engines is learned from twice a minute; of several pods the mean of those in the middle, so
that one of three that lies teaches nothing. What is learned is planned with in steps: a chart drawn anew has the
optimiser asked anew, so it is not for less than a twentieth of the capacity, nor every minute, nor during a move. A
slower engine counts at once as what it is. A faster one is believed by half more at a time, since that takes replicas
away, and what the others then do was never seen.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import fmean

from wharfage_api.labels import POOL
from wharfage_autoscaler.calibration import MODEL_SIGMA, Calibration, Observation
from wharfage_autoscaler.capacity import Capacity, capacity
from wharfage_autoscaler.choice import Candidate
from wharfage_autoscaler.fit import Fit, Miss, fit
from wharfage_autoscaler.fleet import Pool
from wharfage_autoscaler.model import Variant
from wharfage_autoscaler.mooring import engine_step
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.snapshot import Snapshot
from wharfage_autoscaler.steptime import StepTime, Theta
from wharfage_autoscaler.supply import OfferKey
from wharfage_autoscaler.traffic import Traffic
from wharfage_autoscaler.worth import USUAL, Weights, weights

from wharfage_operator.gather import Subject, objectives
from wharfage_operator.kinds import Key
from wharfage_operator.lessons import MODEL, NOTHING, Lessons, Make, make_of
from wharfage_operator.pools import pool_hash
from wharfage_operator.stints import Stint, observation
from wharfage_operator.telemetry import Telemetry

ALL = ""
"""In place of a pod's uid: a stint of the mean of all pods of a deployment."""

_AGAIN = 0.9  # of a stint's length after the last that was learned from
_REVIEW_S = 180.0
_FEWEST_PODS = 3  # of which some are in the middle
_FEWEST = 4  # windows: so many are young
_WORTH_A_REDRAW = math.log(1.05)
_SURE, _PLAIN = 2.0, math.log(1.25)  # standard deviations; what no doubt keeps from being planned with
_MOST_FASTER = math.log(1.5)  # by which more is planned for at a review
_SHARES = (1.0, 0.75, 0.5, 0.25)

Stints = Callable[[Key], Mapping[str, Stint]]
"""The last stint of each pod of a deployment, by its uid or `ALL`."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What one replica carries within the objectives, in requests per second; None: they are out of its reach."""

    variant: str
    make: Make
    by_model: float | None
    learned: float | None
    windows: int
    theta: Theta

    def __str__(self) -> str:
        where = f"{self.make.accelerator} x{self.make.accelerators}"
        what = f"one replica of {self.variant} on {where}" if self.variant else f"one replica on {where}"
        alone = "the objectives are out of its reach" if self.by_model is None else f"{self.by_model:.2f} req/s"
        if not self.windows:
            return f"{what}: {alone} by the model; nothing was learned of it yet"
        found = "the objectives are out of its reach" if self.learned is None else f"carries {self.learned:.2f} req/s"
        parts = ", ".join(f"{part} x{getattr(self.theta, part):.2f}" for part in ("overhead", "memory", "compute"))
        windows = f"{self.windows} window{'' if self.windows == 1 else 's'}"
        return f"{what}: {found} (calibrated on {windows}: {parts}; by the model alone: {alone})"


@dataclass(frozen=True, slots=True)
class _Engine:
    """An engine that runs: its pool's variant, its make, and its steps by the model as it is."""

    variant: str
    make: Make
    step: StepTime
    offer: OfferKey


@dataclass(slots=True)
class _Kept:
    """What is kept of one deployment."""

    lessons: Lessons = NOTHING
    heard_s: float = -math.inf
    """The end of the last stint that was looked at."""
    taught_s: dict[Make, float] = field(default_factory=dict)
    """The end of the last one that each make was taught by."""
    reviewed_s: float = -math.inf
    carried: tuple[Carried, ...] = ()
    weights: Mapping[OfferKey, Weights] = field(default_factory=dict)


class Calibrations:
    """What the engines of all deployments have taught."""

    def __init__(self, stints: Stints, *, image: str) -> None:
        """`image` is that of engines whose deployment names none."""
        self._stints = stints
        self._image = image
        self._kept: dict[Key, _Kept] = {}

    def restore(self, key: Key, lessons: Lessons) -> None:
        """Begin with what an earlier process knew; before that nothing is learned."""
        self._kept[key] = _Kept(lessons)

    def forget(self, key: Key) -> None:
        """The deployment is gone."""
        self._kept.pop(key, None)

    def lessons(self, key: Key) -> Lessons | None:
        """What is known, to be written down; None where it is not known yet what an earlier process knew."""
        kept = self._kept.get(key)
        return None if kept is None else kept.lessons

    def theta(self, subject: Subject) -> Callable[[Candidate], Theta]:
        """What each candidate of a deployment is planned with."""
        kept, image = self._kept.get(subject.key), self._image_of(subject)
        lessons = NOTHING if kept is None else kept.lessons
        return lambda candidate: lessons.theta(make_of(candidate, image))

    def planned(self, key: Key) -> Mapping[Make, Theta]:
        """Another value wherever `theta` is another."""
        kept = self._kept.get(key)
        return NOTHING.planned if kept is None else kept.lessons.planned

    def heard(self, subject: Subject, seen: Snapshot, traffic: Traffic, *, moving: bool) -> None:
        """Learn from what is new, and review from time to time what is planned with."""
        kept = self._kept.get(subject.key)
        if kept is None:
            return
        stints = self._stints(subject.key)
        newest_s = max((stint.end_s for stint in stints.values()), default=-math.inf)
        review = seen.now - kept.reviewed_s >= _REVIEW_S
        if newest_s <= kept.heard_s and not review:
            return
        kept.heard_s = newest_s
        engines = self._engines(subject, seen)
        running = {engine.make: engine for engine in engines.values()}
        wanted, before = objectives(subject.deployment), kept.lessons
        for make, found in _by_make(engines, subject, stints).items():
            _teach(kept, running[make], found)
        if review and running:
            kept.reviewed_s = seen.now
            if not moving and len(running) == 1:
                for engine in running.values():
                    kept.lessons = reviewed(kept.lessons, engine.make, engine.step, traffic, wanted)
        if review or kept.lessons is not before:
            kept.carried = tuple(_carried(kept.lessons, each, traffic, wanted) for each in running.values())
            fresh = {each.offer: _weighed(kept.lessons, each, traffic, wanted) for each in engines.values()}
            kept.weights = {**kept.weights, **fresh}

    def weights(self, key: Key, offer: OfferKey) -> Weights:
        """What tokens are worth on a deployment's engines on an offer, as they have taught."""
        kept = self._kept.get(key)
        return USUAL if kept is None else kept.weights.get(offer, USUAL)

    def told(self, key: Key) -> tuple[str, ...]:
        """What one replica of each kind that runs carries, in sentences."""
        kept = self._kept.get(key)
        return () if kept is None else tuple(map(str, kept.carried))

    def tell(self, telemetry: Telemetry) -> None:
        """Show it as metrics."""
        for series in (telemetry.capacity, telemetry.calibration_factor, telemetry.calibration_windows):
            series.clear()
        for key, kept in self._kept.items():
            for each in kept.carried:
                labels = (*key, each.variant, each.make.accelerator, str(each.make.accelerators))
                known = {"false": each.by_model, "true": each.learned if each.windows else None}
                for calibrated, rate in known.items():
                    if rate is not None:
                        telemetry.capacity.labels(*labels, calibrated).set(rate)
                telemetry.calibration_windows.labels(*labels).set(each.windows)
                for part in ("overhead", "memory", "compute"):
                    telemetry.calibration_factor.labels(*labels, part).set(getattr(each.theta, part))

    def _engines(self, subject: Subject, seen: Snapshot) -> dict[str, _Engine]:
        """The engines that serve, by the hash of their pool; of those whose place is still what it was."""
        variants = {variant.name: variant for variant in seen.wanted.variants if variant.shape is not None}
        image = self._image_of(subject)
        found = {}
        for pool in seen.fleet.pools:
            variant = variants.get(pool.variant)
            if pool.ready and variant is not None:
                candidate = _candidate(pool, variant, seen.wanted.max_model_tokens, seen.wanted.max_num_seqs)
                if candidate is not None:
                    step = _step(candidate.variant, candidate.offer, candidate.fit)
                    make = make_of(candidate, image)
                    found[pool_hash(pool.key)] = _Engine(pool.variant, make, step, pool.offer.key)
        return found

    def _image_of(self, subject: Subject) -> str:
        return subject.deployment.spec.engine.image or self._image


def _teach(kept: _Kept, engine: _Engine, stints: Iterable[Stint]) -> None:
    taught_s = kept.taught_s.get(engine.make, -math.inf)
    fresh = [stint for stint in stints if stint.end_s - taught_s >= _AGAIN * stint.seconds]
    if not fresh:
        return
    kept.taught_s[engine.make] = max(stint.end_s for stint in fresh)
    seen = [found for stint in fresh if (found := observation(stint, engine.step)) is not None]
    if seen:
        kept.lessons = kept.lessons.after(engine.make, middle(seen), engine.step)


def middle(seen: list[Observation]) -> Observation:
    """The mean of the pods in the middle; of two the faster: steps are slow for many reasons, and fast for none."""
    ordered = sorted(seen, key=lambda each: each.seconds_per_step)
    if len(ordered) < _FEWEST_PODS:
        return ordered[0]
    beside = max(1, len(ordered) // 4)
    kept = ordered[beside : len(ordered) - beside]
    prompts = [each.prompt_tokens for each in kept if each.prompt_tokens is not None]
    return Observation(
        seconds_per_step=fmean(each.seconds_per_step for each in kept),
        decoding=fmean(each.decoding for each in kept),
        prefill_tokens=fmean(each.prefill_tokens for each in kept),
        resident_tokens=fmean(each.resident_tokens for each in kept),
        prompt_tokens=fmean(prompts) if prompts else None,
    )


def reviewed(lessons: Lessons, make: Make, step: StepTime, traffic: Traffic, wanted: Objectives) -> Lessons:
    """The lessons, planning with what was learned of a make where that is worth it."""
    known = lessons.known.get(make)
    if known is None or known.accepted < _FEWEST:
        return lessons
    planned = lessons.theta(make)
    before = capacity(step.scaled(planned), traffic, wanted)
    if not isinstance(before, Capacity):  # whatever can be reached is more
        reached = isinstance(capacity(step.scaled(known.theta), traffic, wanted), Capacity)
        return lessons.planning(make, known.theta) if reached else lessons
    # As near to what was learned as some load still meets the objectives: what runs is to be planned for at any rate.
    for share in _SHARES:
        theta = _toward(planned, known.theta, share)
        after = capacity(step.scaled(theta), traffic, wanted)
        if isinstance(after, Capacity):
            faster = math.log(after.requests_per_second / before.requests_per_second)
            doubt = min(_PLAIN, _SURE * _spread(known, step, traffic, wanted)) if planned == MODEL else 0.0
            if abs(faster) < max(_WORTH_A_REDRAW, doubt):
                return lessons
            if faster > _MOST_FASTER:
                theta = _toward(planned, theta, _MOST_FASTER / faster)
            return lessons.planning(make, theta)
    return lessons


def _spread(known: Calibration, step: StepTime, traffic: Traffic, wanted: Objectives) -> float:
    """How uncertain the logarithm of the learned rate is, but for what no window can take from the model."""
    return math.sqrt(max(0.0, known.sigma(step, traffic, wanted) ** 2 - MODEL_SIGMA**2))


def _toward(here: Theta, there: Theta, share: float) -> Theta:
    """Theta on the line between two, in logarithms."""
    a, b, c = (
        getattr(here, part) * (getattr(there, part) / getattr(here, part)) ** share
        for part in ("overhead", "memory", "compute")
    )
    return Theta(a, b, c)


def _carried(lessons: Lessons, engine: _Engine, traffic: Traffic, wanted: Objectives) -> Carried:
    known = lessons.of(engine.make) or Calibration()
    rates = []
    for theta in (MODEL, known.theta):
        found = capacity(engine.step.scaled(theta), traffic, wanted)
        rates.append(found.requests_per_second if isinstance(found, Capacity) else None)
    return Carried(engine.variant, engine.make, rates[0], rates[1], known.accepted, known.theta)


def _weighed(lessons: Lessons, engine: _Engine, traffic: Traffic, wanted: Objectives) -> Weights:
    known = lessons.of(engine.make) or Calibration()
    return weights(engine.step.scaled(known.theta), traffic, wanted)


def _by_make(engines: Mapping[str, _Engine], subject: Subject, stints: Mapping[str, Stint]) -> dict[Make, list[Stint]]:
    """The stints of each make; of what is told of all pods together only where all are of one."""
    if ALL in stints:
        makes = {engine.make for engine in engines.values()}
        return {make: [stints[ALL]] for make in makes} if len(makes) == 1 else {}
    found: dict[Make, list[Stint]] = {}
    for pod in subject.pods:
        metadata = pod["metadata"]
        stint = stints.get(metadata["uid"])
        engine = engines.get((metadata.get("labels") or {}).get(POOL, ""))
        if stint is not None and engine is not None:
            found.setdefault(engine.make, []).append(stint)
    return found


def _candidate(pool: Pool, variant: Variant, max_model_tokens: int, max_num_seqs: int) -> Candidate | None:
    seat = fit(variant, pool.offer, max_model_tokens=max_model_tokens, max_num_seqs=max_num_seqs)
    if isinstance(seat, Miss) or seat.accelerators != pool.accelerators:
        return None
    return Candidate(variant, pool.offer, seat)


@lru_cache(maxsize=1024)
def _step(variant: Variant, offer: Offer, seat: Fit) -> StepTime:
    return engine_step(variant, offer, seat)
