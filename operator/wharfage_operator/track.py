"""What one pod has done lately: its counters as they would be if no engine of it had ever started again.

A reading adds what each engine counted since the one before. An engine whose counters fell has started again and counts
from zero; one that was not told for a while goes on where it was. So the work between any two moments is a difference,
however many readings, restarts and gaps lie between them. The last two minutes are kept reading by reading, the half
hour before in steps of a minute.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from wharfage_operator.latency import EMPTY, Histogram, between, less, together
from wharfage_operator.readings import Engine, Reading

_DENSE, _LONGEST = 2.0, 31.0  # windows
_MOST_REQUESTS_PER_S, _MOST_TOKENS_PER_S = 10_000.0, 10_000_000.0
"""No pod does more: an engine's server, one process, takes some thousand requests a second; 16 accelerators
of 2 PFLOP/s read fewer tokens for a model of two billion parameters, cached prompts aside."""


@dataclass(frozen=True, slots=True)
class Point:
    """Sums at `at_s` (monotonic seconds) since the track began; a request may leave before it has run."""

    at_s: float
    arrived: float = 0.0
    finished: float = 0.0
    prompt_tokens: float = 0.0
    output_tokens: float = 0.0
    ttft: Histogram = EMPTY
    tpot: Histogram = EMPTY


@dataclass(frozen=True, slots=True)
class Track:
    """One pod's points, oldest first, and its last reading; `whole` where nothing came before the first point."""

    points: tuple[Point, ...] = ()
    last: Reading | None = None
    engines: Mapping[str, Engine] = field(default_factory=dict)
    """Each engine as it was last told, on the last page or on one before."""
    whole: bool = False

    @property
    def known(self) -> bool:
        """Whether there is anything to tell: two moments."""
        return len(self.points) > 1

    def at(self, at_s: float) -> Point:
        """The sums at a moment: on a line between two points, and as at the next of them outside."""
        place = bisect_right(self.points, at_s, key=lambda point: point.at_s)
        if place == 0 or place == len(self.points):
            return self.points[max(0, place - 1)]
        before, after = self.points[place - 1], self.points[place]
        share = (at_s - before.at_s) / (after.at_s - before.at_s)
        return Point(
            at_s,
            before.arrived + share * (after.arrived - before.arrived),
            before.finished + share * (after.finished - before.finished),
            before.prompt_tokens + share * (after.prompt_tokens - before.prompt_tokens),
            before.output_tokens + share * (after.output_tokens - before.output_tokens),
            between(before.ttft, after.ttft, share),
            between(before.tpot, after.tpot, share),
        )


def begun(at_s: float) -> Track:
    """A pod that did nothing before that moment."""
    return Track((Point(at_s),), whole=True)


def told(track: Track, seen: Reading, *, window_s: float) -> Track | None:
    """The track with one more reading, which is later than its last; None where no pod can have done so much.

    What is not told of the time before the first reading stays unknown, unless the track is whole.
    """
    if not track.points:
        return Track((Point(seen.at_s),), seen, dict(seen.engines))
    before = track.points[-1]
    after = replace(before, at_s=seen.at_s)
    for name, engine in seen.engines.items():
        known = track.engines.get(name)
        if known is not None or (track.whole and track.last is None):
            after = _grown(after, known or Engine(), engine)
    after = replace(after, arrived=after.arrived + _refused(track, seen))
    if not _possible(before, after):
        return None
    points = _thinned((*track.points, after), window_s=window_s)
    return replace(track, points=points, last=seen, engines={**track.engines, **seen.engines})


def _grown(sums: Point, before: Engine, after: Engine) -> Point:
    """The sums with what one engine did between two readings."""
    if _restarted(before, after):
        before = Engine()
    return Point(
        sums.at_s,
        sums.arrived + after.arrived - before.arrived,
        sums.finished + after.finished - before.finished,
        sums.prompt_tokens + after.prompt_tokens - before.prompt_tokens,
        sums.output_tokens + after.output_tokens - before.output_tokens,
        _added(sums.ttft, before.ttft, after.ttft),
        _added(sums.tpot, before.tpot, after.tpot),
    )


def _added(sums: Histogram, before: Histogram, after: Histogram) -> Histogram:
    if after.counts == before.counts and sums.edges == after.edges:
        return sums  # an idle pod holds one histogram, not thirty
    return together((sums, less(after, before)))


def _restarted(before: Engine, after: Engine) -> bool:
    """Whether any counter fell: then none of them goes on from where it was."""
    counters = (
        (before.finished, after.finished),
        (before.prompt_tokens, after.prompt_tokens),
        (before.output_tokens, after.output_tokens),
        *zip(before.ttft.counts, after.ttft.counts, strict=False),
        *zip(before.tpot.counts, after.tpot.counts, strict=False),
    )
    return any(new < old for old, new in counters)


def _refused(track: Track, seen: Reading) -> float:
    """Requests that the pod's server turned away since the last reading; they were demand."""
    if track.last is None:
        return seen.refused
    return seen.refused - track.last.refused if seen.refused >= track.last.refused else seen.refused


def _possible(before: Point, after: Point) -> bool:
    seconds = after.at_s - before.at_s
    if seconds <= 0.0:
        return False
    tokens = max(after.prompt_tokens - before.prompt_tokens, after.output_tokens - before.output_tokens)
    requests = max(after.arrived - before.arrived, after.finished - before.finished)
    return requests <= _MOST_REQUESTS_PER_S * seconds and tokens <= _MOST_TOKENS_PER_S * seconds


def _thinned(points: tuple[Point, ...], *, window_s: float) -> tuple[Point, ...]:
    """All points of late, one a window of before, and one beyond the longest window to measure from."""
    last_s = points[-1].at_s
    dense_s, oldest_s = last_s - _DENSE * window_s, last_s - _LONGEST * window_s
    kept: list[Point] = []
    for place, point in enumerate(points):
        if place + 1 < len(points) and points[place + 1].at_s <= oldest_s:
            continue
        if not kept or point.at_s >= dense_s or point.at_s - kept[-1].at_s >= window_s:
            kept.append(point)
    return tuple(kept)
