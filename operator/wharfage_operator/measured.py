"""From the tracks of a deployment's pods to its load.

Missing is never zero. A ready pod that could not be read lately does what the others do, since a Service sends each
the same; where that is half of them or more, nothing is known. What a pod did before it went stays counted for as
long as it lies inside the window, and a pod that came within it is counted from its beginning: replacing one moves no
rate.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from wharfage_autoscaler.load import Load
from wharfage_autoscaler.objectives import Objectives

from wharfage_operator.latency import EMPTY, Histogram, late, less, together
from wharfage_operator.readings import Reading
from wharfage_operator.track import Track

FEWEST_REQUESTS = 5
_SHORT, _LONG, _LONGEST = 0.25, 5.0, 30.0
"""The other windows in units of the one that is set: 15 s, 5 and 30 minutes where that is a minute."""


@dataclass(frozen=True, slots=True)
class Window:
    """What was done within a time, per second; `seconds` of it were seen. And the latencies that ended in it."""

    seconds: float = 0.0
    arrived: float = 0.0
    finished: float = 0.0
    prompt_tokens: float = 0.0
    output_tokens: float = 0.0
    ttft: Histogram = EMPTY
    tpot: Histogram = EMPTY


@dataclass(frozen=True, slots=True)
class _Pod:
    """A track, where its windows end, where it may begin, and as how many pods it counts."""

    track: Track
    end_s: float
    first_s: float
    weight: float


def load(
    tracks: Mapping[str, Track],
    ready: Collection[str],
    objectives: Objectives,
    *,
    now_s: float,
    window_s: float,
    stale_s: float,
) -> Load | None:
    """The load of a deployment from the tracks of all its pods by uid, gone ones included.

    `ready` are the pods that clients reach now. None where not more than half of them were read within `stale_s`.
    """
    known = {uid: track for uid, track in tracks.items() if track.known}
    fresh = {uid: track for uid, track in known.items() if track.points[-1].at_s >= now_s - stale_s}
    read = {uid for uid in ready if uid in fresh}
    if not read or 2 * len(read) <= len(ready):
        return None
    each = len(ready) / len(read)  # pods that one which was read stands for
    end_s = max(track.points[-1].at_s for track in fresh.values())
    first_s = min(track.points[0].at_s for track in known.values())
    pods = [
        _Pod(
            track,
            track.points[-1].at_s if uid in fresh else end_s,
            first_s if track.whole else track.points[0].at_s,
            each if uid in read else 1.0,
        )
        for uid, track in known.items()
    ]
    minute, short, long, longest = (_window(pods, window_s * n) for n in (1.0, _SHORT, _LONG, _LONGEST))
    last = [(track.last, each if uid in read else 1.0) for uid, track in fresh.items() if track.last is not None]
    enough = (minute.ttft.total >= FEWEST_REQUESTS, minute.tpot.total >= FEWEST_REQUESTS)
    return Load(
        window_s=minute.seconds,
        requests_per_second=minute.arrived,
        prompt_tokens_per_second=minute.prompt_tokens,
        output_tokens_per_second=minute.output_tokens,
        running=sum(weight * seen.running for seen, weight in last),
        waiting=sum(weight * seen.waiting for seen, weight in last),
        ttft_p95_s=minute.ttft.quantile(0.95) if enough[0] else None,
        tpot_p95_s=minute.tpot.quantile(0.95) if enough[1] else None,
        requests_per_second_15s=short.arrived,
        requests_per_second_5m=long.arrived,
        bad_share_1m=bad_share(minute.ttft, minute.tpot, objectives),
        bad_share_5m=bad_share(long.ttft, long.tpot, objectives),
        bad_share_30m=bad_share(longest.ttft, longest.tpot, objectives),
        requests_finished_per_second=minute.finished,
        kv_used=_kv_used(seen for seen, _ in last),
    )


def bad_share(ttft: Histogram, tpot: Histogram, objectives: Objectives) -> float | None:
    """The share of requests that missed an objective; None where fewer than five say so.

    Two histograms do not tell which requests missed both. The larger of their shares is above 5 % exactly where a
    minute is bad, as the objectives are written: the 95th percentile of either.
    """
    limits = ((ttft, objectives.ttft_p95_s), (tpot, objectives.tpot_p95_s))
    shares = [late(told, limit_s) / told.total for told, limit_s in limits if told.total >= FEWEST_REQUESTS]
    return max(shares, default=None)


def _window(pods: Iterable[_Pod], seconds: float) -> Window:
    """What was done in the last so many seconds, or since the deployment was first seen."""
    seen_s = arrived = finished = prompt_tokens = output_tokens = 0.0
    ttft, tpot = [], []
    for pod in pods:
        over_s = min(seconds, pod.end_s - pod.first_s)
        if over_s <= 0.0:
            continue
        before, after = pod.track.at(pod.end_s - seconds), pod.track.at(pod.end_s)
        if before is after:  # gone for longer than that
            continue
        seen_s, each = max(seen_s, over_s), pod.weight / over_s
        arrived += each * max(0.0, after.arrived - before.arrived)
        finished += each * (after.finished - before.finished)
        prompt_tokens += each * (after.prompt_tokens - before.prompt_tokens)
        output_tokens += each * (after.output_tokens - before.output_tokens)
        ttft.append(_came(before.ttft, after.ttft))
        tpot.append(_came(before.tpot, after.tpot))
    return Window(seen_s, arrived, finished, prompt_tokens, output_tokens, together(ttft), together(tpot))


def _came(before: Histogram, after: Histogram) -> Histogram:
    return EMPTY if before is after else less(after, before)


def _kv_used(readings: Iterable[Reading]) -> float | None:
    shares = [seen.kv_used for seen in readings if seen.kv_used is not None]
    return sum(shares) / len(shares) if shares else None
