"""How answers ended, and how sure that is."""

import statistics

import pytest
from wharfage_gateway.outcome import ABORTED, ANSWERED, FAILED, REJECTED, Outcome, Sample, share


@pytest.mark.parametrize(
    ("times", "of", "low", "high"),
    [
        pytest.param(0, 10, 0.0, 0.2775, id="none of ten says little"),
        pytest.param(5, 10, 0.2366, 0.7634, id="half of ten"),
        pytest.param(50, 1000, 0.0381, 0.0653, id="one in twenty of a thousand"),
        pytest.param(10, 10, 0.7225, 1.0, id="all of ten"),
    ],
)
def test_a_share_has_wilsons_interval(times: int, of: int, low: float, high: float) -> None:
    told = share(times, of)
    assert told["share"] == times / of
    assert told["low"] == pytest.approx(low, abs=1e-4)
    assert told["high"] == pytest.approx(high, abs=1e-4)


def test_of_nothing_there_is_no_share_and_of_one_no_interval() -> None:
    assert share(0, 0) == {"share": None, "low": None, "high": None}
    assert Sample().told() == {"mean": None, "low": None, "high": None}
    one = Sample()
    one.add(3.0)
    assert one.told() == {"mean": 3.0, "low": None, "high": None}


def test_a_mean_has_the_interval_of_its_standard_error() -> None:
    values = [1.0, 4.0, 2.5, 8.0]
    sample = Sample()
    for value in values:
        sample.add(value)
    half = 1.96 * statistics.stdev(values) / 2.0
    assert sample.told()["mean"] == pytest.approx(statistics.mean(values))
    assert sample.told()["low"] == pytest.approx(statistics.mean(values) - half)


def test_durations_and_lengths_are_those_of_answers_that_came_to_their_end() -> None:
    outcome = Outcome()
    outcome.add(ANSWERED, 2.0, 100, 100)
    outcome.add(ANSWERED, 4.0, 60, 100)
    outcome.add(ABORTED, 9.0, 7, 100)
    outcome.add(FAILED, None, 0, 100)
    outcome.add(REJECTED, None, 0, 100)
    told = outcome.told()
    assert told["requests"] == 4
    assert (told["failed"]["share"], told["aborted"]["share"], told["by_length"]["share"]) == (0.25, 0.25, 0.5)
    assert told["seconds"]["mean"] == 3.0
    assert told["output_tokens"]["mean"] == 80.0


def test_what_clients_repeat_and_how_they_rate_has_its_interval_too() -> None:
    outcome = Outcome(repeated=1)
    for score in (0.0, 1.0, 1.0, 1.0):
        outcome.add(ANSWERED, 1.0, 10, None)
        outcome.ratings.add(score)
    told = outcome.told()
    assert told["repeated"] == share(1, 4)
    assert (told["rating"]["count"], told["rating"]["mean"]) == (4, 0.75)
    assert told["rating"]["low"] < 0.75 < told["rating"]["high"]
