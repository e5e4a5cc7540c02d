"""What the gateways tell of the requests that come in: who asks, who waits, and what a deployment at zero is asked for.

Engines tell of requests that reached them. A gateway also knows those that it holds, and those that came while nothing
ran; it is one of several, and starts its counters anew when it does.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from wharfage_autoscaler.load import Load
from wharfage_autoscaler.spend import Used
from wharfage_autoscaler.usage import Usage

_SHORT, _LONG = 0.25, 5.0
"""The other windows in units of the one that is set, as of the engines' load."""
_COUNTERS = ("arrivals", "prompt_tokens", "output_tokens")
_NEVER = -math.inf


@dataclass(frozen=True, slots=True)
class Told:
    """What one gateway told of one deployment at `at_s` (monotonic seconds): totals since it started, and who is there.

    `last_arrival_s` is in Unix seconds; -inf where nobody ever came.
    """

    at_s: float
    arrivals: float = 0.0
    prompt_tokens: float = 0.0
    output_tokens: float = 0.0
    waiting: float = 0.0
    running: float = 0.0
    last_arrival_s: float = _NEVER


Course = tuple[Told, ...]
"""What one gateway told of one deployment over the longest window, oldest first."""


def answered(body: Any, *, at_s: float) -> tuple[int, Mapping[str, Told]]:
    """The version of an answer of `/demand`, and what it tells of each deployment by name.

    ValueError for what no gateway of ours says.
    """
    try:
        version = int(body["version"])
        return version, {str(name): _told(row, at_s) for name, row in body["models"].items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"no answer of a gateway: {type(error).__name__} {error}") from error


def _told(row: Mapping[str, Any], at_s: float) -> Told:
    figures = {name: _figure(row[name]) for name in (*_COUNTERS, "waiting", "running")}
    last_s = row.get("last_arrival_s")
    return Told(at_s, last_arrival_s=_NEVER if last_s is None else float(last_s), **figures)


def tallied(body: Any, namespace: str) -> Usage | None:
    """What an answer of `/demand` tells of tenants; None of a gateway that is too old to tell it.

    ValueError for what no gateway of ours says.
    """
    if body.get("began") is None:
        return None
    try:
        uses = {
            (str(name), str(tenant)): _used(*figures)
            for name, row in body["models"].items()
            for tenant, figures in row["tenants"].items()
        }
        return Usage(namespace, _figure(body["began"]), _NEVER, uses)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"no answer of a gateway: {type(error).__name__} {error}") from error


def _used(requests: float, prompt_tokens: float, output_tokens: float) -> Used:
    return Used(_figure(requests), _figure(prompt_tokens), _figure(output_tokens))


def _figure(told: float) -> float:
    if not 0.0 <= float(told) < math.inf:
        raise ValueError(f"a figure of a gateway that cannot be: {told}")
    return float(told)


def longer(course: Course, told: Told, *, window_s: float) -> Course:
    """A course with one look more, without what no window reaches. Counters that fell begin a new one."""
    if course and told.arrivals < course[-1].arrivals:
        course = ()
    reached = [each for each in course if each.at_s >= told.at_s - 1.2 * _LONG * window_s]
    return *reached, told


def wished_s(courses: Iterable[Course], *, now_s: float) -> float:
    """When somebody last asked for it, in Unix seconds like `now_s`: now while anybody waits; -inf for never.

    A gateway whose clock is ahead of ours asks now, and not later.
    """
    last = [course[-1] for course in courses if course]
    if any(told.waiting for told in last):
        return now_s
    return max((min(now_s, told.last_arrival_s) for told in last), default=_NEVER)


def joined(engines: Load | None, courses: Iterable[Course], *, window_s: float) -> Load | None:
    """The load as engines and gateways tell it together; None where neither tells anything.

    Rates are the larger of the two: a gateway counts those who wait, engines those who came past a gateway that was
    down. Tokens are the engines' own, as long as they tell any.
    """
    told = [course for course in courses if course]
    if not told:
        return engines
    rate, short, long = (_per_second(told, "arrivals", window_s * share) for share in (1.0, _SHORT, _LONG))
    waiting = sum(course[-1].waiting for course in told)
    if engines is None:
        return Load(
            window_s=window_s,
            requests_per_second=rate,
            prompt_tokens_per_second=_per_second(told, "prompt_tokens", window_s),
            output_tokens_per_second=_per_second(told, "output_tokens", window_s),
            running=sum(course[-1].running for course in told),
            waiting=waiting,
            requests_per_second_15s=short,
            requests_per_second_5m=long,
        )
    return replace(
        engines,
        requests_per_second=max(rate, engines.requests_per_second),
        requests_per_second_15s=_larger(short, engines.requests_per_second_15s),
        requests_per_second_5m=_larger(long, engines.requests_per_second_5m),
        waiting=waiting + engines.waiting,
    )


def _larger(one: float, other: float | None) -> float:
    return one if other is None else max(one, other)


def _per_second(courses: Iterable[Course], counter: str, window_s: float) -> float:
    """Of all gateways together, each over the part of the window that it was heard in."""
    total = 0.0
    for course in courses:
        last = course[-1]
        before = next((told for told in course if told.at_s >= last.at_s - window_s), last)
        seconds = max(last.at_s - before.at_s, 0.0)
        grown = getattr(last, counter) - getattr(before, counter)
        total += grown / seconds if seconds else 0.0
    return total
