"""Half a minute of an engine's work, as its pages tell it: what the model learns from, and what teaches nothing."""

from collections.abc import Mapping
from typing import Any

import pytest
from wharfage_operator.stints import Shift, Stint, observation

from tests.operator.closed_loop import model_step
from tests.operator.readings import seen_at

STEP = model_step()
WINDOW_S, EVERY_S = 60.0, 15.0
STEPS_PER_S, DECODING, PROMPTS_PER_S, PROMPT, CACHED = 20.0, 10.0, 0.5, 900.0, 300.0
CONFIG = 'block_size="16",num_gpu_blocks="1000",kv_cache_size_tokens="8192"'


def figures(at_s: float) -> dict[str, Any]:
    """What an engine shows that makes twenty steps a second for ten sequences, and starts half a prompt a second."""
    began = PROMPTS_PER_S * at_s
    gaps = STEPS_PER_S * DECODING * at_s
    return {
        "running": DECODING + 1,
        "prompt_tokens": PROMPT * began,
        "output_tokens": gaps + began,
        "first_tokens": {0.1: began},
        "finished": began,
        "steps": STEPS_PER_S * at_s,
        "gaps": (gaps, gaps / STEPS_PER_S),
        "cached": CACHED * began,
        "kv_used": 0.5,
        "config": CONFIG,
    }


def shown(*looks: Mapping[str, Any]) -> Stint | None:
    """The stint of an engine that is looked at every quarter of a minute; each look with what differs at it."""
    shift = Shift()
    for place, look in enumerate(looks):
        at_s = EVERY_S * (place + 1)
        shift = shift.told(seen_at(at_s, **{**figures(at_s), **look}), window_s=WINDOW_S)
    return shift.last


def test_a_busy_engine_shows_what_its_steps_took_and_carried() -> None:
    stint = shown({}, {}, {})
    assert stint is not None
    seen = observation(stint, STEP)
    assert seen is not None
    assert seen.seconds_per_step == pytest.approx(1 / STEPS_PER_S)
    assert seen.decoding == pytest.approx(DECODING)
    assert seen.prefill_tokens == pytest.approx(PROMPTS_PER_S * (PROMPT - CACHED) / STEPS_PER_S)
    assert seen.resident_tokens == pytest.approx(0.5 * 8192)
    assert seen.prompt_tokens == pytest.approx(PROMPT - CACHED)


RESTED = {
    "running": 4.0,
    "steps": 100.0,
    "gaps": (1000.0, 50.0),
    "output_tokens": 1010.0,
    "first_tokens": {0.1: 10.0},
    "prompt_tokens": 9000.0,
    "cached": 3000.0,
}
"""Since it began: a hundred steps of a twentieth of a second for ten sequences each, and 25 s of rest."""
BEGAN = dict.fromkeys(RESTED, 0.0) | {"gaps": (0.0, 0.0), "first_tokens": {0.1: 0.0}}


@pytest.mark.parametrize("running", [4.0, 0.0], ids=["busy whenever it was looked at", "idle at two looks"])
def test_an_engine_that_rested_shows_what_the_steps_took_that_it_made(running: float) -> None:
    stint = shown({**BEGAN, "running": running}, {**RESTED, "running": running}, {**RESTED, "running": 8.0})
    assert stint is not None
    assert stint.busy is bool(running)
    seen = observation(stint, STEP)
    assert seen is not None
    assert (seen.seconds_per_step, seen.decoding) == pytest.approx((0.05, 10.0))
    assert (seen.prefill_tokens, seen.prompt_tokens) == pytest.approx((60.0, 600.0))
    assert seen.resident_tokens == pytest.approx(10 * (900 + 101 / 2))


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"steps": 1e6}, id="more steps than there was time for"),
        pytest.param({"steps": 1.0}, id="more sequences in a step than the engine runs at once"),
        pytest.param({"gaps": (5000.0, 250.0)}, id="more gaps than tokens"),
        pytest.param({"gaps": (1000.0, 900.0)}, id="gaps of more sequences than were seen to run"),
        pytest.param({"output_tokens": 90.0, "gaps": (80.0, 4.0), "steps": 8.0}, id="hardly a token"),
        pytest.param({"first_tokens": {0.1: 0.0}, "output_tokens": 1000.0}, id="no prompt whose length is known"),
        pytest.param({"cached": None}, id="nobody knows what of the prompts was cached"),
    ],
)
def test_what_an_engine_that_rested_cannot_have_counted_teaches_nothing(told: dict[str, Any]) -> None:
    before = {**BEGAN, "cached": None} if "cached" in told else BEGAN
    stint = shown(before, {**RESTED, **told}, {**RESTED, **told, "running": 0.0})
    assert stint is not None
    assert observation(stint, STEP) is None


@pytest.mark.parametrize("clock", ["steps", "gaps"])
def test_one_of_the_two_clocks_is_enough_where_so_many_run_that_none_is_idle(clock: str) -> None:
    missing = {"steps": None, "gaps": None, clock: figures(0.0)[clock]}
    del missing[clock]
    stint = shown(*[missing] * 3)
    assert stint is not None
    seen = observation(stint, STEP)
    assert seen is not None
    assert (seen.seconds_per_step, seen.decoding) == pytest.approx((1 / STEPS_PER_S, DECODING))


def test_a_cache_whose_size_no_page_tells_is_as_large_as_the_model_says() -> None:
    stint = shown(*[{"config": ""}] * 3)
    assert stint is not None
    seen = observation(stint, STEP)
    assert seen is not None
    assert seen.resident_tokens == 0.5 * STEP.kv_tokens


@pytest.mark.parametrize(
    "looks",
    [
        pytest.param([{"gaps": None}, {"gaps": None, "running": 0.0}, {"gaps": None}], id="one clock, idle at a look"),
        pytest.param([{}, {}], id="it was looked at for a quarter of a minute only"),
        pytest.param([{}, {"output_tokens": 0.0}, {}], id="its counters began again"),
        pytest.param([{}, {}, {"steps": 0.0}], id="its steps began again"),
        pytest.param([{}, {}, {"gaps": (0.0, 0.0)}], id="its gaps began again"),
        pytest.param([{"cached": 1e6}, {}, {}], id="its cache hits began again"),
        pytest.param([{"engines": ("0", "1")}] * 3, id="several engines share a pod"),
        pytest.param([{}, {"engines": ("1",)}, {}], id="another engine came in its place"),
        pytest.param([{"steps": None}, {}, {}], id="it began to count steps"),
    ],
)
def test_what_is_no_whole_stint_of_one_engine_is_none(looks: list[dict[str, Any]]) -> None:
    assert shown(*looks) is None


@pytest.mark.parametrize(
    "looks",
    [
        pytest.param([{}, {}, {"steps": 1e6}], id="more steps than its gaps have room for"),
        pytest.param([{"steps": 0.0}, {"steps": 1.0}, {"steps": 2.0}], id="idle between two looks"),
        pytest.param([{}, {}, {"gaps": (1e7, 1e5)}], id="other gaps than it has steps"),
        pytest.param([{"steps": None, "gaps": None}] * 3, id="no clock at all"),
        pytest.param([{}, {}, {"output_tokens": 1e7}], id="more tokens than sequences that run"),
        pytest.param([{"output_tokens": 1.0}] * 3, id="no token at all"),
        pytest.param([{"cached": None}] * 3, id="nobody knows what of the prompts was cached"),
        pytest.param([{}, {"kv_used": 1.5}, {}], id="a cache that is more than full"),
        pytest.param([{"running": 1.0, "steps": None, "output_tokens": 0.0}, {"steps": None, "running": 1.0},
                      {"running": 1.0, "steps": None, "output_tokens": 40.0}], id="one clock and hardly a sequence"),
    ],
)  # fmt: skip
def test_what_cannot_be_known_teaches_nothing(looks: list[dict[str, Any]]) -> None:
    stint = shown(*looks)
    assert stint is None or observation(stint, STEP) is None


def test_readings_that_lie_too_far_apart_are_not_of_one_stint() -> None:
    shift = Shift()
    for at_s in (15.0, 200.0):
        shift = shift.told(seen_at(at_s, **figures(at_s)), window_s=WINDOW_S)
    assert shift.last is None


def test_a_stint_is_followed_by_the_next_one_without_a_gap() -> None:
    first, second = shown({}, {}, {}), shown({}, {}, {}, {}, {})
    assert first is not None
    assert second is not None
    assert (first.end_s, second.seconds) == (second.begin_s, 30.0)
