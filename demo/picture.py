"""One picture of a replay: demand and capacity, dollars by market, and the minutes that were bad.

Needs matplotlib: `pip install 'wharfage[plots]'`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from wharfage_autoscaler.objectives import ATTAINMENT
from wharfage_simulator.result import Course

from demo.two_hours import Storm

_DEMAND, _CARRIED, _PEER, _ON_DEMAND, _SPOT, _STORM, _BAD = (
    "#7a7a7a", "#0072B2", "#E69F00", "#0072B2", "#009E73", "#f2e2ee", "#D55E00",
)  # fmt: skip
_MINUTE_S = 60.0


def draw(ledger: Mapping[str, Any], hpa: Course, storm: Storm, path: Path) -> None:
    """Write the picture; `hpa` is the course of the same load by an HPA, minute by minute from the load's beginning."""
    from matplotlib.figure import Figure

    since_s = ledger["since_s"]
    rows = [row for row in ledger["rows"] if row["t_s"] >= since_s]
    minute = np.array([row["t_s"] - since_s for row in rows]) / _MINUTE_S
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    load, money = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    load.plot(minute, [row["arrived_rps"] for row in rows], color=_DEMAND, label="requests that came")
    load.step(
        minute, [row["carried_rps"] for row in rows], color=_CARRIED, where="post", label="wharfage: ready pods carry"
    )
    first = round(since_s / _MINUTE_S)
    theirs = hpa.carried_rps[first:]
    load.step(
        np.arange(len(theirs)), theirs, color=_PEER, where="post", lw=1, label="tuned HPA (replay): ready pods carry"
    )
    for at in bad_minutes(ledger):
        load.axvspan(at - first, at - first + 1, ymax=0.03, color=_BAD)
    load.set_ylabel("requests per second")
    on_demand = np.array([row["usd_per_hour"].get("OnDemand", 0.0) for row in rows])
    spot = np.array([row["usd_per_hour"].get("Spot", 0.0) for row in rows])
    money.stackplot(minute, on_demand, spot, colors=(_ON_DEMAND, _SPOT), labels=("on demand", "spot"), step="post")
    money.step(np.arange(len(theirs)), hpa.usd_per_hour[first:], color=_PEER, where="post", lw=1, label="tuned HPA")
    money.set_ylabel("dollars per hour")
    money.set_xlabel("minutes; in red below the curves: more than 5 % of requests were late or failed")
    for axes in (load, money):
        axes.axvspan(
            storm.begin_s / _MINUTE_S, storm.end_s / _MINUTE_S, color=_STORM, zorder=0, label=f"no spot in {storm.zone}"
        )
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper left", fontsize="small")
    load.set_title(f"Two hours on a real control plane, {ledger['speed']:g} times as fast", fontweight="bold")
    figure.savefig(path, dpi=110)


def bad_minutes(ledger: Mapping[str, Any], attainment: float = ATTAINMENT) -> list[int]:
    """Minutes of the judged time in which too many requests were bad, from the load's beginning."""
    first = round(ledger["since_s"] / _MINUTE_S)
    found: set[int] = set()
    for each in ledger["deployments"].values():
        found |= {
            minute
            for minute, share in enumerate(each["bad_share"])
            if minute >= first and share is not None and share > 1.0 - attainment + 1e-9
        }
    return sorted(found)
