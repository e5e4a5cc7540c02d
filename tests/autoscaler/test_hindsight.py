"""What was remembered by a clock that was ahead holds nothing up once the clock is right."""

import math
from dataclasses import fields, is_dataclass

from wharfage_autoscaler.allotment import Allotment
from wharfage_autoscaler.experience import Answer, Experience
from wharfage_autoscaler.hindsight import no_later
from wharfage_autoscaler.idle import Silence
from wharfage_autoscaler.ladder import Shares
from wharfage_autoscaler.lately import Lately
from wharfage_autoscaler.law import LAW, Held
from wharfage_autoscaler.need import Shape
from wharfage_autoscaler.purse import Purse
from wharfage_autoscaler.seats import Short
from wharfage_autoscaler.snapshot import Memory
from wharfage_autoscaler.tempo import Tempo
from wharfage_autoscaler.tide import Tide
from wharfage_autoscaler.unfit import Slow, Unfit
from wharfage_autoscaler.unrest import Regions

NOW_S = 1_795_000_000.0
AHEAD_S = NOW_S + 3.0e7
SHAPE = Shape("g6.xlarge", 1, "", 0.65)
ALLOTTED = Allotment(
    ("shop", "chat"), (), 1.0, 1.0, None, None, 1, 4, Shares(1.0, 0.0, 1.0, ()), Short(0.0, 0.0, 0.0, 0)
)


def remembered(at_s: float) -> Experience:
    """Everything that has a time, at that one."""
    held = Held(replicas=3.0, stretch_s=at_s, panic_until_s=at_s + LAW.panic_s, lowered_s=at_s, mark_s=at_s)
    return Experience(
        lately=Lately(at_s=at_s),
        tide=Tide(at_s=at_s),
        unfit=Unfit((SHAPE, at_s), {SHAPE: Slow(0.2, at_s)}, {SHAPE: at_s}),
        regions=Regions(at_s, {"aws": at_s}),
        purse=Purse(at_s=at_s),
        answer=Answer(ALLOTTED, None, at_s, ()),
        memory=Memory(since=at_s, held=held, moved_s=at_s, tempo=Tempo(1.0, ((at_s, 3.0),), ((at_s, 3.0),))),
        silence=Silence(since_s=at_s, heard_s=at_s),
        tuned_s=at_s,
    )


def ahead(value: object) -> list[float]:
    """All times that are still to come, wherever they stand."""
    if isinstance(value, float):
        return [value] if NOW_S < value < math.inf else []
    if isinstance(value, dict):
        return [found for each in value.values() for found in ahead(each)]
    if is_dataclass(value):
        return [found for each in fields(value) for found in ahead(getattr(value, each.name))]
    return [found for each in value for found in ahead(each)] if isinstance(value, tuple) else []


def test_nothing_lies_ahead_any_more() -> None:
    assert len(ahead(remembered(AHEAD_S))) == 20
    assert ahead(no_later(remembered(AHEAD_S), NOW_S)) == [NOW_S + LAW.panic_s]  # that one begins anew


def test_what_lies_in_the_past_stays_as_it_is() -> None:
    assert no_later(remembered(NOW_S - 600.0), NOW_S) == remembered(NOW_S - 600.0)


def test_what_was_never_looked_at_was_not_looked_at_now() -> None:
    fresh = no_later(Experience(), NOW_S)
    assert math.isnan(fresh.tide.at_s)
    assert (fresh.memory, fresh.silence, fresh.tuned_s) == (Memory(), Silence(), -math.inf)
