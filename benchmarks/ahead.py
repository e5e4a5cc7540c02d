"""Whether machines that wait for replicas are worth what they cost, on public loads and the forecasts that ship.

At each step of the judged part of each trace the count is decided as in the operator, with the law that holds before it
is tuned, and so are the machines that wait beside it. A load that comes to exceed what was ordered one lead time before
misses its objectives until more serves; with a machine there already, for the machine's time less. A rise that lasts is
counted once. Ten replicas carry the mean of each trace. Beside the rule: one machine always, and a replica wherever the
rule sends a machine, which serves at once and costs the same.

    nice python -m benchmarks.ahead --data ../shared/data
"""

import argparse
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from wharfage_autoscaler.allot import allot
from wharfage_autoscaler.allotment import Allotment
from wharfage_autoscaler.decide import decide
from wharfage_autoscaler.fleet import Fleet, Pool
from wharfage_autoscaler.forecast import Forecast
from wharfage_autoscaler.foresight import Foresight
from wharfage_autoscaler.history import History
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.model import Mode
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.snapshot import ClusterSnapshot, Memory, Snapshot
from wharfage_autoscaler.vanguard import NONE, Stake, vanguard

from benchmarks.forecast_traces import Series, public
from tests.builders import offer, wanted
from tests.needs import berth, need

CASES = ((0.1, 83.0), (0.3, 83.0), (0.3, 300.0), (1.0, 300.0))  # usd/h of a replica's machine, seconds until it comes
LEAD_S = 300.0
USD_PER_BAD_MINUTE = 1.0
_REPLICAS, _MOST = 10, 200


@dataclass(slots=True)
class Tally:
    """Steps in which machines wait, and dollars: what waiting costs, and what bad minutes it saves."""

    steps: int = 0
    waits: int = 0
    days: float = 0.0
    usd: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, usd: float) -> None:
        """So many more dollars under that name."""
        self.usd[name] = self.usd.get(name, 0.0) + usd


@dataclass(slots=True)
class Course:
    """One trace at one price, as it goes."""

    allotment: Allotment
    price: float
    machine_s: float
    tally: Tally
    memory: Memory = field(default_factory=Memory)
    fleet: Fleet = NONE
    sent: Fleet = NONE
    short: bool = False

    def step(self, now_s: float, rps: float, forecast: Forecast | None, comes_rps: float, step_s: float) -> None:
        """Decide at `now_s` under `rps`; a lead time later `comes_rps` has to be carried."""
        seen = Snapshot(
            now=now_s,
            key=self.allotment.key,
            wanted=wanted(mode=Mode.AUTO, max_replicas=_MOST),
            offers=(self.allotment.shapes[0].pool.offer,),
            fleet=self.fleet,
            load=Load(60.0, rps, 900 * rps, 200 * rps, rps, 0.0),
            allotment=self.allotment,
            forecast=forecast,
        )
        decision, self.memory = decide(seen, self.memory)
        self.sent = vanguard(seen, decision, Stake(USD_PER_BAD_MINUTE, self._machine_s), self.sent)
        target = decision.target
        served = (
            Pool(pool.offer, pool.variant, pool.replicas, pool.accelerators, pool.replicas) for pool in target.pools
        )
        self.fleet = Fleet(tuple(served))
        unit = self.allotment.shapes[0].requests_per_second
        lacking = comes_rps / unit - target.replicas
        begins, self.short = lacking > 0 and not self.short, lacking > 0
        tally = self.tally
        tally.add("steps of rises", float(self.short))
        hours, waiting = step_s / 3600.0, self.sent.replicas
        tally.steps, tally.waits, tally.days = tally.steps + 1, tally.waits + bool(waiting), tally.days + hours / 24
        tally.add("the rule costs", waiting * self.price * hours)
        tally.add("one always costs", self.price * hours)
        if begins:
            saved = USD_PER_BAD_MINUTE * self.machine_s / 60.0
            tally.add("the rule saves", saved * (waiting >= lacking))
            tally.add("one always saves", saved * (lacking <= 1))
            tally.add("replicas instead save", USD_PER_BAD_MINUTE * LEAD_S / 60.0 * (waiting >= lacking))
            tally.add("rises", 1.0)

    def _machine_s(self, _: Offer) -> float:
        return self.machine_s


def steps(series: Series) -> Iterator[tuple[float, float, Forecast | None, float]]:
    """Each step of the judged part: when, what is seen, what is forecast, and what comes a lead time later."""
    history, foresight = series.history, Foresight()
    first = round((series.judged_from_s - history.start_s) / history.step_s)
    later = int(LEAD_S // history.step_s)
    for place in range(first, len(history.values) - later):
        now_s = history.start_s + place * history.step_s
        seen = history.until(now_s)
        recent = seen.recent(round(7200.0 / history.step_s))
        foresight = foresight.after(recent, partial(_same, seen), now_s)
        rps, comes_rps = history.values[place - 1], history.values[place + later]
        if not np.isnan(rps) and not np.isnan(comes_rps):
            yield now_s, float(rps), foresight.expected(recent, LEAD_S), float(comes_rps)


def _same(history: History) -> History:
    return history


def allotted(unit_rps: float, price: float) -> Allotment:
    """Replicas of one kind at one price."""
    asked = need(
        berth(offer(usd_per_hour=price), unit_rps, start_s=LEAD_S), peak_rps=_REPLICAS * unit_rps, max_replicas=_MOST
    )
    return allot(ClusterSnapshot((asked,))).by_key[asked.key]


def main() -> None:
    """Print a row for each case."""
    parser = argparse.ArgumentParser(description="Whether machines that wait are worth what they cost.")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DATA", "../shared/data")))
    parser.add_argument("--seed", type=int, default=1, help="of the synthetic series")
    given = parser.parse_args()
    tallies = {case: Tally() for case in CASES}
    for series in public(given.data, given.seed):
        if series.name.count("/") > 1:
            continue  # a part of a load that is here already
        unit_rps = float(np.nanmean(series.history.values)) / _REPLICAS
        courses = [Course(allotted(unit_rps, case[0]), *case, tallies[case]) for case in CASES]
        for now_s, rps, forecast, comes_rps in steps(series):
            for course in courses:
                course.step(now_s, rps, forecast, comes_rps, series.history.step_s)
        print(f"  {series.name}", flush=True)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, seed {given.seed}")
    for (price, machine_s), tally in tallies.items():
        shown = ", ".join(f"{name} {usd / tally.days:.2f}" for name, usd in sorted(tally.usd.items()))
        waits = 100 * tally.waits / tally.steps
        case = f"{price:.2f} usd/h, {machine_s:.0f} s"
        print(f"{case}: machines wait in {waits:.1f} % of {tally.steps} steps; a day: {shown}")


if __name__ == "__main__":
    main()
