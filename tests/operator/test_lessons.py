"""What engines have taught: kept by make, handed to its nearest, written down and read again."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from wharfage_autoscaler.belief import Belief
from wharfage_autoscaler.calibration import Calibration, Observation
from wharfage_autoscaler.steptime import Theta
from wharfage_operator.lessons import MODEL, NOTHING, Lessons, Make, nearest, read, written
from wharfage_operator.values import Notation

from tests.operator.closed_loop import model_step

STEP = model_step()
ONE = Make("hf://Qwen/Qwen3-8B", "", "L4", 1, "v1")
SLOW = Observation(0.12, 10.0, 40.0, 10_000.0, 900.0)


def taught(*makes: Make) -> Lessons:
    """Four windows of an engine that is slower than the model, of each make."""
    lessons = NOTHING
    for make in makes:
        for _ in range(4):
            lessons = lessons.after(make, SLOW, STEP)
    return lessons


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        pytest.param(ONE, ONE, id="the make itself"),
        pytest.param(replace(ONE, accelerators=4), replace(ONE, accelerators=2), id="the nearest size"),
        pytest.param(replace(ONE, image="v2"), ONE, id="the same size under another image"),
        pytest.param(replace(ONE, accelerator="H100"), None, id="nobody knows another accelerator"),
        pytest.param(replace(ONE, quantization="fp8"), None, id="nor other weights"),
    ],
)
def test_a_make_that_never_ran_has_what_its_nearest_taught(asked: Make, found: Make | None) -> None:
    lessons = taught(ONE, replace(ONE, accelerators=2))
    assert nearest(asked, lessons.known) == found
    known = lessons.of(asked)
    if found is None:
        assert known is None
    else:
        assert known == (lessons.known[found] if found == asked else lessons.known[found].inherited())


def test_what_is_planned_with_is_what_was_said_last_and_the_model_where_nothing_was() -> None:
    lessons = NOTHING.planning(ONE, Theta(2.0)).planning(ONE, Theta(1.5))
    assert lessons.theta(ONE) == lessons.theta(replace(ONE, accelerators=2)) == Theta(1.5)
    assert lessons.theta(replace(ONE, accelerator="H100")) == MODEL


def test_the_makes_that_taught_last_are_kept() -> None:
    lessons = taught(*(replace(ONE, image=f"v{number}") for number in range(40)))
    assert [make.image for make in lessons.known][-1] == "v39"
    assert len(lessons.known) == 16


def test_lessons_are_read_as_they_were_written() -> None:
    lessons = taught(ONE, replace(ONE, accelerators=2)).planning(ONE, Theta(1.1, 1.2, 0.9))
    stored = json.loads(json.dumps(written(lessons)))
    assert read(stored) == lessons
    assert stored["said"][0].keys() == {"model", "on", "image", "windows", "overhead", "memory", "compute"}
    assert stored["said"][0]["windows"] == 4


def test_of_a_processor_more_is_believed_than_of_an_accelerator() -> None:
    slow = replace(Calibration(), belief=Belief((0.8, 0.1, math.log(6.0)), Calibration().belief.covariance))
    for make, expected in ((ONE, False), (replace(ONE, accelerator="CPU"), True)):
        stored = json.loads(json.dumps(written(Lessons({make: slow}))))
        assert (read(stored) is not None) is expected


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"belief": Belief((math.nan, 0.0, 0.0), Calibration().belief.covariance)}, id="no number"),
        pytest.param({"belief": Belief((9.0, 0.0, 0.0), Calibration().belief.covariance)}, id="beyond the clamps"),
        pytest.param({"belief": Belief((0.0, 0.0, 0.0), ((0.0, 0.0, 0.0),) * 3)}, id="certain of everything"),
        pytest.param({"load_variance": -1.0}, id="a negative variance"),
    ],
)
def test_what_no_engine_can_have_taught_is_not_read(broken: dict[str, Any]) -> None:
    lessons = Lessons({ONE: replace(Calibration(), **broken)})
    assert read(json.loads(json.dumps(Notation(Lessons).written(lessons)))) is None


@pytest.mark.parametrize("found", [None, {}, [], {"form": "other", "told": []}, {"form": "x"}], ids=str)
def test_what_another_release_wrote_is_not_read(found: object) -> None:
    assert read(found) is None
