"""Weeks of rows go to the worker, a forecast comes back: once for each row, and in the units of the chart."""

import asyncio
import math
from dataclasses import dataclass, field, replace

import pytest
from wharfage_autoscaler.event import Event
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.forecast import Forecast
from wharfage_autoscaler.model import Mode
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.work import HEADS, Work
from wharfage_operator.charts import USUAL, Chart, Charts, Terms
from wharfage_operator.clock import Clock
from wharfage_operator.errands import Foreseeing, Foreseen
from wharfage_operator.expectations import Expectations, worked
from wharfage_operator.foreman import WorkerFailed
from wharfage_operator.history import STEP_S, Row, Rows
from wharfage_operator.telemetry import Telemetry

from tests.builders import offer, variant, wanted
from tests.operator.objects import UID

KEY = ("shop", "chat")
CHART = Charts().drawn(
    KEY,
    wanted(variants=(variant(),), mode=Mode.AUTO),
    Objectives(),
    USUAL,
    (offer(),),
    Fleet(),
    Terms(),
)


def rows(count: int) -> Rows:
    found = Rows()
    for place in range(count):
        found = found.with_row(STEP_S * place, Row(2.0, 1800.0, 440.0))
    return found


@dataclass(slots=True)
class Seer:
    """A worker that has learned nothing yet, and always says the same."""

    asked: list[Foreseeing] = field(default_factory=list)
    fails: bool = False
    forecast: Forecast | None = None

    async def __call__(self, errand: Foreseeing) -> Foreseen:
        self.asked.append(errand)
        if self.fails:
            raise WorkerFailed("it died")
        return Foreseen(self.forecast, wants_whole=not errand.whole)


@dataclass(slots=True)
class Place:
    seer: Seer = field(default_factory=Seer)
    weeks: Rows = field(default_factory=Rows)
    expectations: Expectations = field(init=False)

    def __post_init__(self) -> None:
        self.expectations = Expectations(self.seer, lambda key: self.weeks, Clock())

    def of(self, uid: str = UID, chart: Chart = CHART, lead_s: float = 300.0) -> Forecast | None:
        return self.expectations.of(KEY, uid, chart, lead_s)

    def turn(self) -> None:
        asyncio.run(self.expectations.turn(float(self.weeks.end_s)))


def test_it_is_asked_once_for_each_row() -> None:
    place = Place(weeks=rows(10))
    place.of()
    place.turn()
    place.turn()
    assert len(place.seer.asked) == 1
    place.weeks = rows(11)
    place.turn()
    assert [each.end_s for each in place.seer.asked] == [10 * STEP_S, 11 * STEP_S]


def test_the_next_one_reaches_as_far_as_an_order_takes_by_then() -> None:
    place = Place(weeks=rows(10))
    place.of(lead_s=300.0)
    place.turn()
    place.of(lead_s=700.0)
    place.turn()
    place.weeks = rows(11)
    place.turn()
    assert [each.lead_s for each in place.seer.asked] == [300.0, 700.0], "not for its own sake"


def test_weeks_are_sent_only_to_a_worker_that_wants_them() -> None:
    place = Place(weeks=rows(600))
    place.of()
    place.turn()
    assert [(each.whole, len(each.rates)) for each in place.seer.asked] == [(False, 24), (True, 600)]


def test_without_rows_of_late_nobody_is_asked() -> None:
    place = Place(weeks=rows(10))
    place.of()
    asyncio.run(place.expectations.turn(place.weeks.end_s + 3600.0))
    assert place.seer.asked == []


def test_a_worker_that_fails_is_asked_again_at_the_next_turn() -> None:
    place = Place(seer=Seer(fails=True), weeks=rows(10))
    place.of()
    place.turn()
    place.turn()
    assert len(place.seer.asked) == 2


def test_two_failures_in_a_row_are_said_until_there_is_a_forecast() -> None:
    place = Place(seer=Seer(fails=True), weeks=rows(10))
    place.of()
    said = []
    for _ in range(2):
        place.turn()
        said.append(place.expectations.trouble(KEY))
    place.seer.fails = False
    place.turn()
    assert [*said, place.expectations.trouble(KEY)] == ["", "it died", ""]


def test_what_is_expected_is_told_until_it_is_asked_of_another_chart() -> None:
    said = Forecast(10 * STEP_S, STEP_S, (0.9,), ((3.0, 3.0),))
    place = Place(seer=Seer(forecast=said), weeks=rows(10))
    assert place.of() is None
    place.turn()
    assert place.of() == said
    other = replace(CHART, charter=replace(CHART.charter, work=HEADS))
    assert place.of(chart=other) is None
    place.turn()
    first, *_, last = place.seer.asked
    assert first.uid != last.uid


def test_an_event_that_is_told_does_not_wait_for_the_next_row() -> None:
    place = Place(weeks=rows(10))
    place.of()
    place.turn()
    sale = Event("sale", 4000.0, 5000.0, multiplier=3.0)
    place.expectations.of(KEY, UID, CHART, 300.0, (sale,))
    place.turn()
    place.turn()
    assert [each.events for each in place.seer.asked] == [(), (sale,)]


def test_of_a_history_of_three_hours_no_more_is_told() -> None:
    place = Place(weeks=rows(600))
    place.expectations.of(KEY, UID, CHART, 300.0, history_s=3 * 3600.0)
    place.turn()
    assert [len(each.rates) for each in place.seer.asked] == [24, 36]


def test_rows_are_work_in_planned_requests_and_gaps_stay_gaps() -> None:
    found = Rows().with_row(0, Row(2.0, 2000.0, 200.0)).with_row(2 * STEP_S, Row(0.0, 0.0, 0.0))
    twice = Work(500.0, 100.0, 1.0, 0.0)
    assert worked(found, twice) == pytest.approx([4.0, math.nan, 0.0], rel=0.01, nan_ok=True)


def test_what_was_foreseen_of_now_is_shown_for_as_long_as_it_reaches() -> None:
    place = Place(weeks=rows(40))
    end_s = float(place.weeks.end_s)
    place.seer.forecast = Forecast(end_s, STEP_S, (0.5, 0.95), ((3.0, 4.0), (5.0, 6.0)), "a")
    place.of()
    place.turn()
    told = Telemetry()

    def shown(at_s: float) -> list[float | None]:
        place.expectations.tell(told, at_s)
        labels = {"namespace": KEY[0], "name": KEY[1]}
        name = "wharfage_forecast_requests_per_second"
        return [told.registry.get_sample_value(name, {**labels, "quantile": each}) for each in ("0.5", "0.95")]

    assert shown(end_s + 10.0) == [3.0, 5.0]
    assert shown(end_s + STEP_S + 10.0) == [4.0, 6.0]
    assert shown(end_s + 2 * STEP_S + 10.0) == [None, None]
    assert shown(end_s + 10.0) == [3.0, 5.0]
    place.expectations.forget(KEY)
    assert shown(end_s + 10.0) == [None, None]
