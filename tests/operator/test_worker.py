"""What the worker answers, and what it remembers: in process here, and once through the pipe, as the operator asks."""

import math
import pickle
import subprocess
import sys
from array import array
from dataclasses import replace

import numpy as np
import pytest
from wharfage_autoscaler.allot import allot
from wharfage_autoscaler.event import Event
from wharfage_autoscaler.foresight import STEP_S
from wharfage_autoscaler.history import DAY_S
from wharfage_autoscaler.law import LAW
from wharfage_autoscaler.snapshot import ClusterSnapshot
from wharfage_autoscaler.supply import Supply
from wharfage_operator.errands import Allotting, Foreseeing, Foreseen, Tuning
from wharfage_operator.foreman import Foreman, WorkerFailed
from wharfage_operator.rota import due
from wharfage_operator.telemetry import Telemetry
from wharfage_operator.worker import Worker, tuned
from wharfage_simulator.tuning import LEVELS, grid

from tests.builders import offer
from tests.needs import berth, need

KEY = ("shop", "chat")
SEEN = ClusterSnapshot(
    (
        need(berth(offer("small", usd_per_hour=1.0)), berth(offer("large", usd_per_hour=4.0)), peak_rps=8.0),
        need(berth(offer("small", usd_per_hour=1.0)), key=("shop", "other"), peak_rps=20.0),
    )
)


def rates(end_s: float) -> "array[float]":
    """Of a load around 20 with a tide, since 0."""
    times = np.arange(0.0, end_s, STEP_S)
    noise = np.random.default_rng(5).normal(0.0, 0.5, len(times))
    return array("d", (20.0 + 10.0 * np.sin(2 * np.pi * times / DAY_S) + noise).tolist())


def foreseeing(end_s: float, *, whole: bool, uid: str = "1", key: tuple[str, str] = KEY) -> Foreseeing:
    known = rates(end_s) if whole else rates(end_s)[-24:]
    return Foreseeing(key=key, uid=uid, rates=known, end_s=end_s, whole=whole, lead_s=600.0)


def tuning(*, days: float = 1.0, bad: bool = False) -> Tuning:
    """A day of a tide; half of the minutes were so full as to be bad, if any could be."""
    ticks = round(days * 5760)
    return Tuning(
        key=KEY,
        arrivals=array("d", [15.0 * (20.0 + 10.0 * math.sin(2 * math.pi * tick / 5760)) for tick in range(ticks)]),
        said={level: array("d", [math.nan] * ticks) for level in LEVELS},
        filled=array("d", [0.3, 0.6] * 300),
        bad=[False, bad] * 300,
        planned_rps=2.0,
        good_rps=2.4,
        slots=256.0,
        lead_s=300.0,
        ttft_s=2.0,
        least=1,
        most=100,
        usd_per_replica_hour=3.0,
        usd_per_bad_minute=3.0,
    )


def test_a_question_is_the_same_on_the_other_side() -> None:
    errand = Allotting(replace(SEEN, supply=Supply({berth().offer.key: 3})), "here")
    assert pickle.loads(pickle.dumps(errand)) == errand


def test_what_deployments_have_in_common_is_sent_once() -> None:
    shared = [berth(offer(f"m-{number}")) for number in range(100)]
    one, ten = (
        ClusterSnapshot(tuple(need(*map(replace, shared), key=("shop", str(number))) for number in range(count)))
        for count in (1, 10)
    )
    assert len(pickle.dumps(Allotting(ten, "best"))) < 4 * len(pickle.dumps(Allotting(one, "best")))


def test_allotments_are_those_of_the_core() -> None:
    errand = Allotting(SEEN, "best")
    assert errand.read(Worker().answer(errand)) == allot(SEEN).by_key


def test_every_chain_begins_from_its_own_last_answer() -> None:
    worker, warm = Worker(), allot(SEEN)
    for _ in range(2):
        worker.answer(Allotting(SEEN, "best"))
    worker.answer(Allotting(ClusterSnapshot(()), "here"))
    moved = ClusterSnapshot((replace(SEEN.needs[0], peak_rps=16.0), SEEN.needs[1]))
    again = allot(moved, allot(SEEN, warm))
    assert worker.answer(Allotting(moved, "best")) == again.by_key
    assert again.solved == (KEY,)


def test_a_deployment_whose_history_nobody_has_is_asked_for_the_whole() -> None:
    worker = Worker()
    assert worker.answer(foreseeing(DAY_S, whole=False)) == Foreseen(None, wants_whole=True)
    told = foreseeing(DAY_S, whole=True)
    learned = told.read(worker.answer(told))
    assert learned.forecast is not None
    assert not learned.wants_whole


def test_a_night_later_it_goes_on_with_what_it_knows_and_asks_for_the_whole() -> None:
    worker = Worker()
    worker.answer(foreseeing(DAY_S, whole=True))
    night = worker.foreseen(foreseeing(2 * DAY_S, whole=False))
    assert night.forecast is not None
    assert night.wants_whole
    assert not worker.foreseen(foreseeing(2 * DAY_S, whole=True)).wants_whole


def test_a_worker_started_anew_goes_on_with_the_forecaster_that_was_chosen() -> None:
    errand = replace(foreseeing(4 * DAY_S, whole=True), forecaster="seasonal")
    anew = Worker().foreseen(errand)
    assert anew.forecast is not None
    assert anew.forecast.forecaster == "seasonal"
    assert not anew.wants_whole


@pytest.mark.parametrize("forecaster", ["", "crystal ball"])
def test_without_a_known_forecaster_it_chooses(forecaster: str) -> None:
    errand = foreseeing(4 * DAY_S, whole=True)
    assert Worker().answer(replace(errand, forecaster=forecaster)) == Worker().answer(errand)


@pytest.mark.parametrize("days", [1, 4], ids=["young", "grown"])
def test_events_that_are_told_later_are_in_the_next_forecast_of_the_whole(days: int) -> None:
    worker, end_s = Worker(), days * DAY_S
    usual = worker.foreseen(foreseeing(end_s, whole=True)).forecast
    sale = Event("sale", end_s, end_s + 7200.0, multiplier=3.0)
    assert worker.foreseen(replace(foreseeing(end_s, whole=False), events=(sale,))).wants_whole
    told = worker.foreseen(replace(foreseeing(end_s, whole=True), events=(sale,)))
    assert usual is not None
    assert told.forecast is not None
    assert told.forecast.rates[0] == pytest.approx([3.0 * rate for rate in usual.rates[0]])
    assert not told.wants_whole


def test_each_deployment_learns_again_at_its_own_time_of_day() -> None:
    later_s, seen = DAY_S + 12 * 3600.0, set()
    for key in (("shop", f"chat-{number}") for number in range(6)):
        worker, errand = Worker(), replace(foreseeing(DAY_S, whole=True), key=key)
        assert not worker.foreseen(errand).wants_whole
        wants = worker.foreseen(replace(errand, whole=False, end_s=later_s)).wants_whole
        assert wants == due(key, DAY_S, later_s)
        seen.add(wants)
    assert seen == {True, False}


def test_a_deployment_made_anew_has_nothing_of_the_old_one() -> None:
    worker = Worker()
    worker.answer(foreseeing(DAY_S, whole=True))
    assert worker.answer(foreseeing(DAY_S, whole=False, uid="2")) == Foreseen(None, wants_whole=True)


def test_before_two_hours_are_known_nothing_is_expected_and_more_is_wanted() -> None:
    assert Worker().answer(foreseeing(6000.0, whole=True)) == Foreseen(None, wants_whole=True)


def test_an_hour_without_a_question_is_the_end_of_a_deployment() -> None:
    worker = Worker()
    worker.answer(foreseeing(DAY_S, whole=True))
    worker.answer(foreseeing(DAY_S + 3900.0, whole=False, key=("shop", "other")))
    assert worker.foreseen(foreseeing(DAY_S + 3900.0, whole=False)).forecast is None


def test_a_gap_in_the_record_is_no_reason_to_fail() -> None:
    worker = Worker()
    worker.answer(foreseeing(DAY_S, whole=True))
    silent = replace(foreseeing(DAY_S + 7200.0, whole=False), rates=array("d", [math.nan] * 24))
    assert worker.foreseen(silent).forecast is not None


def test_the_cheapest_law_of_those_that_are_tried_is_found() -> None:
    law = tuned(tuning())
    assert law in grid((0.0, *LEVELS))
    assert law != LAW


def test_replicas_that_are_bad_when_half_full_are_filled_less() -> None:
    assert tuned(tuning(bad=True)).headroom > tuned(tuning()).headroom


def test_a_law_that_is_not_found_in_time_is_given_up() -> None:
    code = (
        "from tests.operator.test_worker import tuning\n"
        "from wharfage_operator.worker import apart\n"
        "apart(tuning(days=0.1), within_s=0.0)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stderr.endswith("RuntimeError: tuning took longer than 0 s\n")


def test_an_errand_that_nobody_knows_is_refused() -> None:
    with pytest.raises(TypeError, match="str is no errand"):
        Worker().answer("sweep the floor")


NONSENSE = {
    "an allotment for somebody else": (Allotting(SEEN, "best"), {KEY: None}),
    "allotments that are none": (Allotting(SEEN, "best"), dict.fromkeys((each.key for each in SEEN.needs), 1.0)),
    "no allotments at all": (Allotting(SEEN, "best"), None),
    "no forecast": (foreseeing(7200.0, whole=True), 3.0),
    "no law": (tuning(days=0.1), (1.0,)),
}


@pytest.mark.parametrize(("errand", "answer"), NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_not_read(errand: Allotting | Foreseeing | Tuning, answer: object) -> None:
    with pytest.raises(ValueError, match=r"no |none"):
        errand.read(answer)


def test_a_forecast_of_another_time_is_not_read() -> None:
    worker = Worker()
    answer = worker.answer(foreseeing(DAY_S, whole=True))
    with pytest.raises(ValueError, match="not from"):
        foreseeing(DAY_S + 300.0, whole=False).read(answer)


async def test_the_operator_gets_all_three_through_the_pipe() -> None:
    foreman = Foreman(Telemetry())
    try:
        assert await foreman.ask(Allotting(SEEN, "best"), timeout_s=60) == allot(SEEN).by_key
        errand = foreseeing(DAY_S, whole=True)
        foreseen = await foreman.ask(errand, timeout_s=60)
        assert foreseen == Worker().answer(errand)
        assert foreseen.forecast is not None
        assert await foreman.ask(tuning(), timeout_s=60) == tuned(tuning())
        with pytest.raises(WorkerFailed, match="a replica hour at nan usd"):
            await foreman.ask(replace(tuning(days=0.1), usd_per_replica_hour=math.nan), timeout_s=60)
    finally:
        await foreman.close()


@pytest.mark.parametrize(
    ("module", "without"),
    [
        pytest.param("__main__", "numpy scipy sklearn numba wharfage_simulator", id="the operator's own"),
        pytest.param("worker", "sklearn numba wharfage_simulator pydantic aiohttp kubernetes", id="the worker's"),
    ],
)
def test_a_process_loads_nothing_that_the_other_is_there_for(module: str, without: str) -> None:
    code = (
        f"import sys, wharfage_operator.{module}; print([name for name in '{without}'.split() if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_a_forecast_is_small_to_hand_over() -> None:
    assert len(pickle.dumps(Worker().answer(foreseeing(DAY_S, whole=True)))) < 1000
