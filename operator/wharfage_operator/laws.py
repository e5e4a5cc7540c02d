"""The law of every deployment's count: once a day the worker finds the one that would have cost least lately.

A law that was found is fetched by whoever steers, and is part of what is written down, so it survives a restart. Until
six hours of load are known, and wherever the worker fails, the law of before holds.
"""

import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from wharfage_autoscaler.experience import Entry
from wharfage_autoscaler.law import Law
from wharfage_autoscaler.snapshot import Expectation, Key

from wharfage_operator.clock import Clock
from wharfage_operator.diary import LEVELS, TICK_S, Course, Diary, Minutes
from wharfage_operator.errands import Tuning
from wharfage_operator.expectations import worked
from wharfage_operator.foreman import WorkerFailed
from wharfage_operator.history import STEP_S, Rows
from wharfage_operator.rota import due
from wharfage_operator.rounds import Question

log = logging.getLogger(__name__)
_EVERY_S = 60.0
_LEAST_KNOWN_S = 6 * 3600.0
_LEAST_SEEN_S = 86_400.0
"""Tick by tick, before a law that was tuned gives way to another: on rows of five minutes alone the law that is found
costs up to 9 % more, though never more than one that nobody tuned."""
_AGAIN_S = 900.0
"""After the worker failed, or too little was known; to see that takes 20 ms."""

Tune = Callable[[Tuning], Awaitable[Law]]
"""Raises `WorkerFailed`."""


@dataclass(slots=True)
class _Subject:
    """One deployment whose law is tuned, as it was last looked at."""

    uid: str
    question: Question
    diary: Diary = field(default_factory=Diary)
    minutes: Minutes = field(default_factory=Minutes)
    asked_s: float = -math.inf
    found: Law | None = None


class Laws:
    """The laws of all deployments, until they are fetched."""

    def __init__(self, tune: Tune, rows: Callable[[Key], Rows], clock: Clock) -> None:
        """`rows` are the weeks that are known of a deployment's load."""
        self._tune = tune
        self._rows = rows
        self._clock = clock
        self._subjects: dict[Key, _Subject] = {}

    def note(self, key: Key, uid: str, question: Question, entry: Entry, forecast: Expectation | None) -> None:
        """One tick of a deployment: how things stand, what the look adds to its record, and what was expected then."""
        known = self._subjects.get(key)
        if known is None or known.uid != uid:
            known = self._subjects[key] = _Subject(uid, question)
        if known.question.charter.work != question.charter.work:
            known.diary = Diary()  # was in other units; how full replicas were has none
        known.question = question
        sight = question.sight
        known.diary.note(sight.now_s, entry.rps, quantiles(forecast, sight.now_s + TICK_S + sight.lead_s))
        if entry.minute is not None:
            known.minutes.note(sight.now_s, entry.minute)

    def law(self, key: Key) -> Law | None:
        """The law that was found since it was last asked for, once."""
        known = self._subjects.get(key)
        if known is None:
            return None
        found, known.found = known.found, None
        return found

    def forget(self, key: Key) -> None:
        """The deployment is gone."""
        self._subjects.pop(key, None)

    async def run(self) -> None:
        """Tune each at its minute of the day, for ever."""
        await self._clock.every(_EVERY_S, self.turn)

    async def turn(self, now_s: float) -> None:
        """Tune all that are due; `now_s` in Unix seconds."""
        for key, subject in list(self._subjects.items()):
            tuned_s = subject.question.experience.tuned_s
            steered = now_s - subject.question.sight.now_s < _AGAIN_S
            if not steered or subject.found is not None or not due(key, tuned_s, now_s):
                continue
            if abs(now_s - subject.asked_s) < _AGAIN_S:
                continue
            subject.asked_s = now_s
            try:
                errand = tuning(key, subject.question, self._course(key, subject), subject.minutes)
                if errand is None:
                    continue
                subject.found = await self._tune(errand)
            except WorkerFailed as failure:
                log.info("the law is not tuned this time", extra={"key": "/".join(key), "error": failure.reason})
            except Exception:  # one deployment's is no reason to end all others'
                log.exception("the law is not tuned this time", extra={"key": "/".join(key)})
            else:
                log.info("a law was tuned", extra=_said(key, subject.found))

    def _course(self, key: Key, subject: _Subject) -> Course:
        rows = self._rows(key)
        first = rows.start_s // STEP_S
        return subject.diary.course(dict(enumerate(worked(rows, subject.question.charter.work), first)))


def tuning(key: Key, question: Question, course: Course, minutes: Minutes) -> Tuning | None:
    """What the worker is asked; None while too little is known, or nothing is allotted that can be seen."""
    answer, sight = question.experience.answer, question.sight
    tuned = question.experience.tuned_s > -math.inf
    if course.known_s < _LEAST_KNOWN_S or (tuned and course.seen_s < _LEAST_SEEN_S):
        return None
    if answer is None or not answer.allotment.shapes:
        return None
    most = max(answer.allotment.shapes, key=lambda each: each.pool.replicas)
    pool = next((each for each in sight.pools if each.key == most.pool.key), None)
    if pool is None:
        return None
    charter = question.charter
    filled, bad = minutes.listed()
    return Tuning(
        key=key,
        arrivals=course.arrivals,
        said=course.said,
        filled=filled,
        bad=bad,
        planned_rps=pool.planned_rps,
        good_rps=pool.good_rps,
        slots=pool.slots,
        lead_s=pool.lead_s,
        ttft_s=charter.objectives.ttft_p95_s,
        least=charter.wanted.min_replicas,
        most=charter.wanted.max_replicas,
        usd_per_replica_hour=pool.usd_per_hour,
        usd_per_bad_minute=charter.objectives.usd_per_bad_minute,
        tick_s=TICK_S,
    )


def quantiles(forecast: Expectation | None, at_s: float) -> tuple[float, ...]:
    """What is expected of one moment at `LEVELS`; NaN where nothing is."""
    highest = (None if forecast is None else forecast.highest(level, at_s, at_s) for level in LEVELS)
    return tuple(math.nan if rate is None else rate for rate in highest)


def _said(key: Key, law: Law) -> dict[str, object]:
    told: dict[str, object] = {"key": "/".join(key)}
    return told | {name: getattr(law, name) for name in ("headroom", "swing_gain", "swing_memory_s", "level")}
