"""What budgets do over thousands of periods, and what a look at them takes. `benchmarks.ledger` prints it.

The periods are those of `benchmarks.periods` out of ServeGen's loads, followed by the fluid twin: whole fleets and
groups of clients. Where the folder of traces is not there the loads are synthetic weeks, and `load` says so.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from wharfage_autoscaler.ledger import Totals
from wharfage_autoscaler.sharing import Claim, shared
from wharfage_autoscaler.spend import Spend
from wharfage_operator.cache import Cache
from wharfage_operator.clock import Clock
from wharfage_operator.kinds import LLM_BUDGETS, LLM_DEPLOYMENTS
from wharfage_operator.scopes import Scopes
from wharfage_operator.treasury import Treasury
from wharfage_operator.wishes import Cost
from wharfage_simulator.fluid import Floats

from benchmarks.forecast_traces import four_weeks, public
from benchmarks.periods import DAY_S, HOUR_S, STOPPING, Period, drawn

Figures = dict[str, float | str]
_DEPLOYMENTS, _TEAMS, _CLAIMS = 300, 10, 100
_NOW_S = 1_790_035_200.0 + 12 * HOUR_S
_REPEATS = 21


@dataclass(frozen=True, slots=True)
class Ended:
    """How one period went."""

    held_down: bool
    payable: bool
    """Whether the least replicas alone would have ended within it, at the prices that came."""
    used: float
    """Dollars spent by dollars of the limit."""
    above: int
    """Decisions that cost more than the cap in force and the floor."""
    at_floor: bool
    """Whether no more than the least ran whenever the limit was crossed."""


def lasting(data: Path, histories: int, seed: int) -> Figures:
    """Of so many days under a budget: how many end within it, and whether dollars per hour ever crossed a cap."""
    name, loads = _loads(data)
    ended = [_ended(drawn(np.random.default_rng((seed, each)), loads[each % len(loads)])) for each in range(histories)]
    asked = [each for each in ended if each.held_down and each.payable]
    over = [each for each in asked if each.used > 1.0]
    return {
        "load": name,
        "histories": histories,
        "held_down": sum(each.held_down for each in ended),
        "payable": len(asked),
        "within_budget_share": 1.0 - len(over) / max(1, len(asked)),
        "within_1_percent_share": sum(each.used <= 1.01 for each in asked) / max(1, len(asked)),
        "over_at_floor": sum(each.at_floor for each in over),
        "above_cap": sum(each.above for each in ended),
        "used_median": median(each.used for each in asked),
        "used_most": max(each.used for each in asked),
    }


def stopping(data: Path, histories: int, seed: int) -> Figures:
    """Of days under a budget that ends in `Stop`: how many it stops, what is spent then, what is ordered after."""
    _, loads = _loads(data)
    used, late = [], 0.0
    for each in range(histories):
        played = drawn(np.random.default_rng((seed, each)), loads[each % len(loads)])
        course, usd = played.played(STOPPING)
        if course.spent_usd < usd:
            continue
        used.append(course.spent_usd / usd)
        begins = round(played.begins_s / played.plant.tick_s)
        spent = np.cumsum(course.paid[begins:]) * played.plant.tick_s / HOUR_S
        late += float(course.counts[begins + 1 :][spent[:-1] >= usd].sum())
    return {
        "stop_histories": histories,
        "stop_stopped": len(used),
        "stop_used_most": max(used, default=math.nan),
        "stop_replicas_after": late,
    }


def looking() -> Figures:
    """A look at eleven budgets over 300 deployments, all of which hold something down; and one that begins an hour."""
    cache, costs = Cache(), np.random.default_rng(1).lognormal(2.0, 1.0, _DEPLOYMENTS)
    usd = float(costs.sum()) * 24
    for name in ["all", *(f"team-{team}" for team in range(_TEAMS))]:
        selector = {} if name == "all" else {"selector": {"matchLabels": {"team": name}}}
        dollars = f"{0.8 * usd / (1 if name == 'all' else _TEAMS):.2f}"
        cache.put(LLM_BUDGETS, {"metadata": _metadata(name), "spec": {"period": "Day", "usd": dollars, **selector}})
    treasury = Treasury(
        cache, _Books(usd), Clock(), scopes=Scopes(cache), wake=lambda kind, key: None, renew=lambda: None
    )
    for at, ordered in enumerate(costs):
        metadata = _metadata(f"model-{at}") | {"namespace": "shop", "labels": _labels(at)}
        cache.put(LLM_DEPLOYMENTS, {"metadata": metadata, "spec": {"priority": 100 + at % 3}})
        unled = {"seat_usd": ordered / 4, "wanted": ordered} if at % 5 == 0 else {"demand_rps": 10.0}
        treasury.noted(("shop", f"model-{at}"), Cost(float(ordered), **unled))
    loop = asyncio.new_event_loop()

    def look(at_s: float) -> tuple[float, float]:
        return _ms(lambda: loop.run_until_complete(treasury.turn(at_s)))

    usual = [look(_NOW_S + 60.0 * minute) for minute in range(1, _REPEATS + 1)]
    of_hour = [look(_NOW_S + HOUR_S * hour) for hour in range(1, 6)]
    loop.close()
    held = sum(treasury.bounds(("shop", f"model-{at}")).economises for at in range(_DEPLOYMENTS))
    figures = _medians("evaluate_300", usual) | _medians("evaluate_300_hour", of_hour)
    return figures | {"evaluate_300_held": held}


def sharing() -> Figures:
    """The dollars of one budget among a hundred deployments, of six states each."""
    dice = np.random.default_rng(2)
    most = dice.lognormal(2.5, 1.0, _CLAIMS)
    claims = [
        Claim(0.2 * float(usd), float(usd), float(dice.choice([1.0, 3.0, 10.0])), float(usd) / 5 if at % 2 else 0.0)
        for at, usd in enumerate(most)
    ]
    took = [_ms(lambda: shared(claims, 0.7 * float(most.sum()))) for _ in range(_REPEATS)]
    return _medians("share_100x6", took)


class _Books:
    """Five weeks of hours under every budget, in the sums that the ledger keeps."""

    def __init__(self, usd: float) -> None:
        first = _NOW_S - 35 * DAY_S
        rows = {first + HOUR_S * hour: Spend(usd / 24 * (1 + 0.3 * math.sin(hour / 4))) for hour in range(35 * 24)}
        teams = {f"team-{team}": {at: Spend(each.usd / _TEAMS) for at, each in rows.items()} for team in range(_TEAMS)}
        self._totals = Totals({"all": rows, **teams}, {})

    def spent(self, budget: str, from_s: float, to_s: float) -> float:
        return self._totals.of_budget(budget, from_s, to_s).usd

    def markup(self, budget: str) -> float:
        return 1.0

    def hours(self, budget: str, from_s: float, to_s: float) -> Sequence[float]:
        row, hours = self._totals.by_budget[budget], range(round(from_s / HOUR_S), round(to_s / HOUR_S))
        return [row[HOUR_S * hour].usd if HOUR_S * hour in row else math.nan for hour in hours]


def _ended(played: Period) -> Ended:
    course, usd = played.played()
    floor = played.plant.least * played.usd_per_hour
    begins = round(played.begins_s / played.plant.tick_s)
    spent = np.cumsum(course.paid[begins:]) * played.plant.tick_s / HOUR_S
    crossed = course.counts[begins:][spent > usd]
    return Ended(
        held_down=not math.isnan(course.restricted_s),
        payable=course.floor_usd <= usd,
        used=course.spent_usd / usd,
        above=int((course.ordered > np.maximum(course.caps, floor) + 1e-6).sum()),
        at_floor=bool(len(crossed)) and bool((crossed <= played.plant.least).all()),
    )


def _loads(data: Path) -> tuple[str, list[Floats]]:
    if (data / "servegen").is_dir():
        found = [each for each in public(data, 1) if each.name.startswith("servegen/")]
        return "ServeGen", [each.history.values for each in found]
    return "synthetic", [np.asarray(four_weeks(seed).values.reshape(-1, 2).mean(axis=1)) for seed in range(4)]


def _labels(at: int) -> dict[str, str]:
    return {"app": f"model-{at}", "team": f"team-{at % _TEAMS}"}


def _metadata(name: str) -> dict[str, str | int]:
    return {"name": name, "uid": f"uid-{name}", "generation": 1, "resourceVersion": "1"}


def _ms(work: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds that it took, and those of the processor, which a busy machine lengthens less."""
    began_s, cpu_s = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - began_s) * 1000.0, (time.process_time() - cpu_s) * 1000.0


def _medians(name: str, took: Sequence[tuple[float, float]]) -> Figures:
    """By the clock the median and the least, which others on the machine lengthen least; the processor's median."""
    return {
        f"{name}_ms": median(ms for ms, _ in took),
        f"{name}_least_ms": min(ms for ms, _ in took),
        f"{name}_cpu_ms": median(cpu_ms for _, cpu_ms in took),
    }
