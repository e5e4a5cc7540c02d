"""What the pilot knows, through a restart: the same to the last bit, or nothing, and never an exception."""

import json
import math
from dataclasses import fields, replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_autoscaler.experience import Experience
from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.idle import Silence
from wharfage_autoscaler.lately import Busy, Lately
from wharfage_autoscaler.law import LAW, Held
from wharfage_autoscaler.need import Shape
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.purse import Purse
from wharfage_autoscaler.snapshot import Memory
from wharfage_autoscaler.spot import SpotPool
from wharfage_autoscaler.tide import Tide
from wharfage_autoscaler.unfit import Slow, Unfit
from wharfage_autoscaler.unrest import Regions
from wharfage_operator.logbook import read, written

NOW = 1_795_000_015.123
POOLS = tuple(
    PoolKey("aws-us-east-1", "g6e.12xlarge", market, "us-east-1a", "fp8-kv8")
    for market in (Market.SPOT, Market.ON_DEMAND)
)
SHAPES = (Shape("g6e.12xlarge", 4, "fp8-kv8", 12.345678901234567), Shape("p5.48xlarge", 2, "bf16", 1 / 3))
FULL = Experience(
    lately=Lately(1.1, 10 / 3, 1e4 / 3, 1e3 / 7, Busy(1 / 3, 1 / 7, 1 / 9), NOW),
    tide=Tide(tuple(0.1 + minute / 70 for minute in range(60)), NOW),
    missed=True,
    unfit=Unfit((SHAPES[0], NOW), {SHAPES[0]: Slow(0.123456789, NOW)}, dict.fromkeys(SHAPES, NOW)),
    regions=Regions(
        NOW, {"aws-us-east-1": NOW}, frozenset(SpotPool("aws-us-east-1", "g6e.12xlarge", f"us-east-1{z}") for z in "ab")
    ),
    purse=Purse(1234.5678901, 98.76543210987, NOW, prefers_cheaper=True),
    bound_for=frozenset(SHAPES[:1]),
    memory=Memory(
        POOLS,
        NOW,
        Held(12.0, (1 / 3,) * 6, NOW, NOW, NOW, 1 / 7, 10 / 3, NOW),
        1 / 3,
        ((POOLS[0], 1 / 7), (POOLS[1], 1 / 9)),
        NOW,
        POOLS,
    ),
    law=LAW._replace(headroom=1.3, level=0.95),
    silence=Silence(NOW - 90.0, (600.0, 7200.5), asleep=True, heard_s=NOW),
    tuned_s=NOW,
)

numbers = st.floats()
names = st.text(max_size=12)
shapes = st.builds(Shape, names, st.integers(0, 64), names, st.floats(allow_nan=False))
pools = st.builds(PoolKey, names, names, st.sampled_from(Market), names, names)
spots = st.builds(SpotPool, names, names, names)
held = st.builds(Held, numbers, st.tuples(*[numbers] * 6), *[numbers] * 6)
experiences = st.builds(
    Experience,
    lately=st.builds(Lately, numbers, numbers, numbers, numbers, st.builds(Busy, numbers, numbers, numbers), numbers),
    tide=st.builds(Tide, st.lists(numbers, max_size=60).map(tuple), numbers),
    missed=st.booleans(),
    unfit=st.builds(
        Unfit,
        st.none() | st.tuples(shapes, numbers),
        st.dictionaries(shapes, st.builds(Slow, numbers, numbers), max_size=3),
        st.dictionaries(shapes, numbers, max_size=3),
    ),
    regions=st.none()
    | st.builds(Regions, numbers, st.dictionaries(names, numbers, max_size=3), st.frozensets(spots, max_size=3)),
    purse=st.builds(Purse, numbers, numbers, numbers, st.booleans()),
    bound_for=st.frozensets(shapes, max_size=3),
    memory=st.builds(
        Memory,
        st.lists(pools, max_size=3).map(tuple),
        numbers,
        held,
        numbers,
        st.lists(st.tuples(pools, numbers), max_size=3).map(tuple),
        numbers,
        st.lists(pools, max_size=3).map(tuple),
    ),
    law=st.builds(LAW._replace, headroom=st.floats(0.1, 1e6), level=st.floats(0.0, 1.0)),
    silence=st.builds(Silence, numbers, st.lists(numbers, max_size=64).map(tuple), st.booleans(), numbers),
    tuned_s=numbers,
)


def through_json(experience: Experience) -> Experience | None:
    return read(orjson.loads(orjson.dumps(written(experience))))


def test_the_example_leaves_nothing_at_its_default() -> None:
    unset = {each.name for each in fields(Experience) if getattr(FULL, each.name) == getattr(Experience(), each.name)}
    assert unset == {"answer"}


def test_all_of_it_comes_back_but_the_answer() -> None:
    assert through_json(FULL) == FULL


@given(experiences)
def test_whatever_is_known_comes_back_nan_and_infinity_too(experience: Experience) -> None:
    again = through_json(experience)
    assert again is not None
    assert json.dumps(written(again)) == json.dumps(written(experience))  # where NaN equals NaN


@given(experiences)
def test_what_is_written_is_json_by_the_letter(experience: Experience) -> None:
    json.dumps(written(experience), allow_nan=False)


def test_a_new_deployment_comes_back_new() -> None:
    assert repr(through_json(Experience())) == repr(Experience())


def test_two_pools_take_less_than_four_kilobytes() -> None:
    assert len(orjson.dumps(written(FULL))) < 4000


def test_whole_numbers_that_a_server_writes_without_a_point_are_read() -> None:
    whole = replace(FULL, tuned_s=1_795_000_000.0)
    text = orjson.dumps(written(whole)).replace(b"1795000000.0", b"1795000000")
    again = read(orjson.loads(text))
    assert again == whole
    assert again is not None
    assert type(again.tuned_s) is float


BROKEN: dict[str, object] = {
    "nothing": None,
    "a text": "experience",
    "an empty object": {},
    "no values": {"form": written(FULL)["form"]},
    "values that are no list": {"form": written(FULL)["form"], "told": {"tuned_s": 1.0}},
    "too few values": {"form": written(FULL)["form"], "told": [1.0]},
    "another release's": written(FULL) | {"form": "00000000"},
}


@pytest.mark.parametrize("found", BROKEN.values(), ids=BROKEN)
def test_what_is_broken_or_of_another_release_is_not_read(found: object) -> None:
    assert read(found) is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


@given(st.data())
def test_a_value_that_was_changed_is_read_or_not_and_never_raises(data: st.DataObject) -> None:
    found = json.loads(json.dumps(written(FULL)))
    place = found["told"]
    while isinstance(place[at := data.draw(st.integers(0, len(place) - 1))], list) and place[at]:
        if data.draw(st.booleans()):
            break
        place = place[at]
    place[at] = data.draw(ANYTHING)
    assert read(found) is None or isinstance(read(found), Experience)


@pytest.mark.parametrize("found", ["1.0", "NaN", True, None], ids=repr)
def test_nothing_but_a_number_or_its_word_is_a_number(found: object) -> None:
    log = json.loads(json.dumps(written(FULL)))
    assert log["told"][-1] == FULL.tuned_s
    log["told"][-1] = found
    assert read(log) is None


@pytest.mark.parametrize("wrong", [{"headroom": math.nan}, {"drain_s": 0.0}, {"bad_budget": 0.0}], ids=str)
def test_a_law_that_cannot_be_followed_is_none(wrong: dict[str, float]) -> None:
    assert read(written(replace(FULL, law=LAW._replace(**wrong)))) is None
