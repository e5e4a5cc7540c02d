"""A law once a day for each deployment: asked for when enough is known, fetched once, and never lost to a failure."""

import math
from dataclasses import dataclass, field, replace

from wharfage_autoscaler.allot import allot
from wharfage_autoscaler.enquiry import answered, enquiry
from wharfage_autoscaler.experience import Entry, Experience
from wharfage_autoscaler.law import LAW, Law
from wharfage_autoscaler.snapshot import ClusterSnapshot
from wharfage_autoscaler.tide import Minute
from wharfage_autoscaler.work import Work
from wharfage_operator.clock import Clock
from wharfage_operator.diary import TICK_S
from wharfage_operator.errands import Tuning
from wharfage_operator.foreman import WorkerFailed
from wharfage_operator.history import STEP_S, Row, Rows
from wharfage_operator.laws import Laws
from wharfage_operator.rota import last_turn_s
from wharfage_operator.rounds import Question

from tests.sights import charter, pool, sight

KEY = ("shop", "chat")
HOUR_S, DAY_S = 3600.0, 86_400.0
NOW = last_turn_s(KEY, 1_795_000_000.0) + 600.0  # its turn is just over
TUNED = LAW._replace(headroom=1.5)
SMALL, LARGE = pool("g6.xlarge", ready=2), pool("g6e.xlarge", accelerator="L40S", good_rps=9.0, usd_per_hour=20.0)


@dataclass(slots=True)
class Tuner:
    """A worker that always finds the same law, or dies."""

    fails: bool = False
    asked: list[Tuning] = field(default_factory=list)

    async def __call__(self, errand: Tuning) -> Law:
        self.asked.append(errand)
        if self.fails:
            raise WorkerFailed("it died")
        return TUNED


@dataclass(frozen=True, slots=True)
class Steady:
    """Expects the same at any time."""

    rps: float

    def highest(self, level: float, from_s: float, to_s: float) -> float:
        return self.rps * level


@dataclass(slots=True)
class Place:
    """One deployment with a worker and an archive."""

    tuner: Tuner = field(default_factory=Tuner)
    rows: Rows = field(default_factory=Rows)
    experience: Experience = field(default_factory=Experience)
    work: Work | None = None
    laws: Laws = field(init=False)

    def __post_init__(self) -> None:
        self.laws = Laws(self.tuner, lambda key: self.rows, Clock())

    def question(self, now_s: float, *, allotted: bool = True) -> Question:
        seen = replace(sight(SMALL, LARGE, rps=2.0), now_s=now_s)
        of = replace(charter(SMALL, LARGE), key=KEY)
        if self.work is not None:
            of = replace(of, work=self.work)
        if not allotted:
            return Question(self.experience, seen, of)
        asked = enquiry(self.experience, seen, of)
        best = allot(ClusterSnapshot((asked.need,))).by_key[KEY]
        return Question(answered(self.experience, seen, asked, best), seen, of)

    def live(self, from_s: float, to_s: float, *, uid: str = "1", allotted: bool = True, rps: float = 2.0) -> None:
        question = self.question(from_s, allotted=allotted)
        for tick in range(round((to_s - from_s) / TICK_S)):
            now_s = from_s + tick * TICK_S
            here = replace(question, sight=replace(question.sight, now_s=now_s))
            entry = Entry(rps, Minute(0.4, bad=False) if tick % 4 == 0 else None)
            self.laws.note(KEY, uid, here, entry, Steady(3.0))


def weeks(end_s: float, count: int) -> Rows:
    found, first_s = Rows(), int(end_s // STEP_S) * STEP_S - count * STEP_S
    for place in range(count):
        found = found.with_row(first_s + place * STEP_S, Row(2.0, 1800.0, 440.0))
    return found


async def test_six_hours_are_enough_to_find_the_first_law() -> None:
    place = Place()
    place.live(NOW - 5 * HOUR_S, NOW)
    await place.laws.turn(NOW)
    assert place.tuner.asked == []
    place.live(NOW, NOW + 1.2 * HOUR_S)
    await place.laws.turn(NOW + 1.2 * HOUR_S)
    assert place.laws.law(KEY) == TUNED
    assert place.laws.law(KEY) is None


async def test_after_a_restart_the_rows_that_were_kept_are_enough() -> None:
    place = Place(rows=weeks(NOW, 1000))
    place.live(NOW, NOW + TICK_S)
    await place.laws.turn(NOW)
    (errand,) = place.tuner.asked
    assert len(errand.arrivals) == 1000 * 20
    assert math.isnan(errand.said[0.95][-1])


async def test_the_worker_is_told_of_the_pool_that_carries_most_and_of_what_was_seen() -> None:
    place = Place()
    place.live(NOW - 7 * HOUR_S, NOW)
    await place.laws.turn(NOW)
    (errand,) = place.tuner.asked
    assert (errand.usd_per_replica_hour, errand.good_rps) == (SMALL.usd_per_hour, SMALL.good_rps)
    assert errand.planned_rps == SMALL.planned_rps
    assert set(errand.arrivals) == {2.0 * TICK_S}
    assert abs(errand.said[0.9][-1] - 2.7) < 0.01
    assert len(errand.filled) == len(errand.bad) == 7 * 60
    assert not any(errand.bad)


async def test_a_law_is_found_once_a_day_at_the_deployments_own_time() -> None:
    place = Place(rows=weeks(NOW, 1000), experience=Experience(law=TUNED, tuned_s=NOW))
    place.live(NOW - DAY_S, NOW)
    for later_s in (0.0, 12 * HOUR_S, DAY_S - 900.0):
        place.live(NOW + later_s, NOW + later_s + TICK_S)
        await place.laws.turn(NOW + later_s)
    assert place.tuner.asked == []
    place.live(NOW + DAY_S, NOW + DAY_S + TICK_S)
    await place.laws.turn(NOW + DAY_S)
    assert len(place.tuner.asked) == 1


async def test_after_a_restart_a_tuned_law_holds_until_a_day_was_seen_again() -> None:
    place = Place(rows=weeks(NOW, 1000), experience=Experience(law=TUNED, tuned_s=NOW - 2 * DAY_S))
    place.live(NOW, NOW + 23 * HOUR_S)
    await place.laws.turn(NOW + 23 * HOUR_S)
    assert place.tuner.asked == []
    place.live(NOW + 23 * HOUR_S, NOW + 24.5 * HOUR_S)
    await place.laws.turn(NOW + 24.5 * HOUR_S)
    assert len(place.tuner.asked) == 1


async def test_a_worker_that_failed_is_asked_again_a_quarter_of_an_hour_later() -> None:
    place = Place(Tuner(fails=True), rows=weeks(NOW, 1000))
    place.live(NOW, NOW + TICK_S)
    for later_s in (0.0, 60.0, 840.0):
        await place.laws.turn(NOW + later_s)
    assert len(place.tuner.asked) == 1
    assert place.laws.law(KEY) is None
    place.tuner.fails = False
    place.live(NOW + 900.0, NOW + 900.0 + TICK_S)
    await place.laws.turn(NOW + 900.0)
    assert place.laws.law(KEY) == TUNED


async def test_nothing_is_tuned_before_anything_is_allotted() -> None:
    place = Place(rows=weeks(NOW, 1000))
    place.live(NOW, NOW + TICK_S, allotted=False)
    await place.laws.turn(NOW)
    assert place.tuner.asked == []


async def test_a_deployment_made_anew_has_no_days_behind_it() -> None:
    place = Place()
    place.live(NOW - 7 * HOUR_S, NOW)
    place.live(NOW, NOW + 600.0, uid="2")
    await place.laws.turn(NOW + 600.0)
    assert place.tuner.asked == []


async def test_work_that_is_counted_in_other_requests_begins_a_new_record() -> None:
    place = Place()
    place.live(NOW - 7 * HOUR_S, NOW)
    place.work = Work(600.0, 200.0)
    place.live(NOW, NOW + 600.0)
    await place.laws.turn(NOW + 600.0)
    assert place.tuner.asked == []


async def test_who_is_gone_is_not_tuned() -> None:
    place = Place(rows=weeks(NOW, 1000))
    place.live(NOW, NOW + TICK_S)
    place.laws.forget(KEY)
    await place.laws.turn(NOW)
    assert place.tuner.asked == []
    assert place.laws.law(KEY) is None


async def test_who_is_not_steered_any_more_is_not_tuned() -> None:
    place = Place(rows=weeks(NOW, 1000))
    place.live(NOW, NOW + TICK_S)
    await place.laws.turn(NOW + HOUR_S)
    assert place.tuner.asked == []
