"""What going to zero costs by several rules, on the silences of ServeGen's clients, each as a deployment of its own.

A client's rates are known for windows of ten minutes; inside a window its requests come at random. Dollars are those of
silences alone: idle ones until the last replica goes, and those of a cold start for each silence that outlasts it. What
is paid while requests come is the same for all rules.

    python -m benchmarks.idle --data /path/to/servegen --json out.json
"""

import argparse
import csv
import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
from wharfage_autoscaler.idle import Idle, Silence

USD_PER_HOUR, LEAD_S = 0.8, 300.0
PRICES = (0.02, 0.2, 1.0)
"""Of a bad minute: a cold start costs ten cents, one dollar, five dollars."""
WINDOW_S, SHORTEST_S = 600.0, 60.0
STEP_S, STEP_SHARE = 60.0, 0.02
"""The operator looks every 15 s; here as often as a minute, or a fiftieth of the silence so far."""
SERIES = ("m-large", "m-small")
_NO_SILENCE = 0.1
"""Requests per second from which on nobody waits a minute for the next."""

Rule = Callable[[Silence, float], float]
"""After how many seconds of a silence the last replica goes, by what was remembered before it, at a price."""


def silences(times_s: Sequence[float], rates: Sequence[float], lost_s: Sequence[float], seed: int) -> list[float]:
    """The times of at least a minute without a request, in seconds, but for those with a window that was not recorded.

    Windows without any request are not told; `lost_s` are those in which nobody looked.
    """
    random = np.random.default_rng(seed)
    found: list[float] = []
    last_s = times_s[0]
    for begin_s, rate in zip(times_s, rates, strict=True):
        if rate >= _NO_SILENCE:
            arrivals = [begin_s, begin_s + WINDOW_S]
        else:
            arrivals = sorted(begin_s + random.uniform(0.0, WINDOW_S, random.poisson(rate * WINDOW_S)))
        for position, at_s in enumerate(arrivals):
            busy = rate >= _NO_SILENCE and position == 1
            unseen = any(last_s <= each < at_s for each in lost_s)
            if not busy and not unseen and at_s - last_s >= SHORTEST_S:
                found.append(at_s - last_s)
            last_s = at_s
    return found


def fixed(after_s: float) -> Rule:
    """A time that somebody has set."""
    return lambda silence, usd: after_s


def shipped(*, learns: bool) -> Rule:
    """The operator's rule with `idleAfter` of 15 minutes; without what it learns it is the break-even rule."""

    def goes_s(silence: Silence, usd: float) -> float:
        known = silence if learns else replace(silence, lasted_s=())
        at_s = 900.0
        while not _idle(known, at_s, usd).pays(USD_PER_HOUR):
            at_s += max(STEP_S, STEP_SHARE * at_s)
        return at_s

    return goes_s


def _idle(silence: Silence, so_far_s: float, usd: float) -> Idle:
    return Idle(so_far_s, silence.left_s(silence.since_s + so_far_s), 900.0, LEAD_S, usd, asleep=False)


RULES: dict[str, Rule] = {
    "never": fixed(float("inf")),
    "15 min": fixed(900.0),
    "1 h": fixed(3600.0),
    "break-even": shipped(learns=False),
    "learned": shipped(learns=True),
}


def usd(found: Sequence[float], rule: Rule, price: float) -> float:
    """What these silences cost by that rule, one after the other."""
    paid, silence = 0.0, Silence(0.0)
    for lasted_s in found:
        goes_s = rule(silence, price)
        paid += min(lasted_s, goes_s) * USD_PER_HOUR / 3600.0 + (lasted_s > goes_s) * price * LEAD_S / 60.0
        silence = silence.heard(silence.since_s + lasted_s, 0.0, woken_s=-np.inf, after_s=900.0)
    return paid


def hindsight_usd(found: Sequence[float], price: float) -> float:
    """The least that they can cost: each either idle or cold from its first second on."""
    return sum(min(lasted_s * USD_PER_HOUR / 3600.0, price * LEAD_S / 60.0) for lasted_s in found)


def clients(path: Path) -> Iterator[tuple[Sequence[float], Sequence[float], Sequence[float]]]:
    """Windows and rates of each client that is known for a day at least, and when nobody looked."""
    for series in SERIES:
        lost_s = _lost(path / "rates_10min.csv.gz", series)
        table = pyarrow.parquet.read_table(path / "client_rates.parquet", filters=[("dataset", "==", series)])
        columns = {name: table.column(name).to_numpy() for name in ("client", "t_s", "req_per_s")}
        for client in np.unique(columns["client"]):
            chosen = columns["client"] == client
            order = np.argsort(columns["t_s"][chosen])
            times_s, rates = columns["t_s"][chosen][order], columns["req_per_s"][chosen][order]
            if times_s[-1] - times_s[0] >= 86_400.0:
                yield times_s.tolist(), rates.tolist(), lost_s


def _lost(path: Path, series: str) -> list[float]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        return [float(row["t_s"]) for row in csv.DictReader(lines) if row["dataset"] == series and row["gap"] == "1"]


def main() -> None:
    """Print a table of dollars, over those of hindsight, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of ServeGen's tables")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    given = parser.parse_args()
    every = (silences(*told, seed) for seed, told in enumerate(clients(given.data)))
    found = [each for each in every if each]
    hours = sum(map(sum, found)) / 3600.0
    print(f"{len(found)} clients, {sum(map(len, found))} silences of {hours:.0f} hours together")
    print("| a bad minute | hindsight | " + " | ".join(RULES) + " |\n|" + " ---: |" * (2 + len(RULES)))
    figures: dict[str, dict[str, float]] = {}
    for price in PRICES:
        least = sum(hindsight_usd(each, price) for each in found)
        paid = {name: sum(usd(each, rule, price) for each in found) for name, rule in RULES.items()}
        figures[f"{price:g}"] = {"hindsight": least, **paid}
        print(
            f"| {price:g} usd | {least:,.0f} usd | "
            + " | ".join(f"{each / least:.2f}" for each in paid.values())
            + " |"
        )
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
