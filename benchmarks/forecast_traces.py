"""The series that forecasters are judged on: public traces, two synthetic ones, and files of the user's."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from wharfage_autoscaler.history import DAY_S, History, Rates, history_of
from wharfage_simulator.tables import read_numbers, read_texts

LEAST_STEP_S = 300.0
_LONGEST_HISTORY_S = 28 * DAY_S
_SERVEGEN = ("m-large", "m-small", "deepseek-r1", "mm-image")
_GROUPS = {"top1": (0, 1), "top2-4": (1, 4), "5-20": (4, 20), "tail": (20, None)}
_WORLDCUP_START_S = 893_971_800.0  # 1998-04-30 21:30 UTC


@dataclass(frozen=True, slots=True)
class Series:
    """A load, and the part of it (Unix seconds) in which forecasts are judged; what came before is only history."""

    name: str
    history: History
    judged_from_s: float
    judged_to_s: float


def judged(name: str, history: History) -> Series:
    """Seven days from the middle, or the second half where that is shorter, after at most 28 days of history."""
    history = history.resampled(max(LEAST_STEP_S, history.step_s))
    middle = history.start_s + history.step_s * (len(history.values) // 2)
    end_s = min(history.end_s, middle + 7 * DAY_S)
    kept = history.until(end_s)
    return Series(name, kept.recent(round((end_s - middle + _LONGEST_HISTORY_S) / kept.step_s)), middle, end_s)


def read(path: Path) -> Series:
    """A CSV, CSV.gz or Parquet file with `t_s, req_per_s`; a rate of nan, and a row that is missing, is a gap."""
    columns = read_numbers(path, ["t_s", "req_per_s"]).columns
    return judged(path.name.split(".")[0], history_of(columns["t_s"], columns["req_per_s"]))


def public(data: Path, seed: int) -> list[Series]:
    """Everything that is long enough: ServeGen whole and by groups of its clients, WorldCup98, synthetic weeks."""
    return [*_servegen(data / "servegen"), _worldcup(data / "worldcup98"), *_synthetic(seed)]


def four_weeks(seed: int) -> History:
    """28 days in steps of five minutes: what a deployment has to learn from after a month."""
    return _office(seed, 1.0).recent(28 * 288)


def _servegen(folder: Path) -> list[Series]:
    rates = folder / "rates_10min.csv.gz"
    names = [name for (name,) in read_texts(rates, ["dataset"])]
    columns = read_numbers(rates, ["t_s", "req_per_s", "gap"]).columns
    found = []
    for name in _SERVEGEN:
        rows = np.array([each == name for each in names])
        times_s, gap = columns["t_s"][rows], columns["gap"][rows] > 0
        total = np.where(gap, np.nan, columns["req_per_s"][rows])
        found.append(judged(f"servegen/{name}", history_of(times_s, total)))
        if len(times_s) * 600 > 2 * DAY_S:
            found += _groups(folder / "client_rates.parquet", name, times_s, gap)
    return found


def _groups(path: Path, name: str, times_s: Rates, gap: NDArray[np.bool_]) -> list[Series]:
    """The largest client, the next three, the next sixteen, and the rest: alone they are less regular than together."""
    import pyarrow.parquet

    cells = pyarrow.parquet.read_table(path, filters=[("dataset", "==", name)])
    clients, client = np.unique(cells["client"].to_numpy(), return_inverse=True)
    table = np.zeros((len(clients), len(times_s)))
    window = np.searchsorted(times_s, cells["t_s"].to_numpy())
    np.add.at(table, (client, window), cells["req_per_s"].to_numpy())
    order = np.argsort(-table.sum(axis=1), kind="stable")
    return [
        judged(
            f"servegen/{name}/{group}",
            history_of(times_s, np.where(gap, np.nan, table[order[first:last]].sum(axis=0))),
        )
        for group, (first, last) in _GROUPS.items()
    ]


def _worldcup(folder: Path) -> Series:
    columns = read_numbers(folder / "requests_per_minute.csv.gz", ["minute", "requests"]).columns
    times_s = _WORLDCUP_START_S + 60 * columns["minute"]
    return judged("worldcup98", history_of(times_s, columns["requests"] / 60))


def _synthetic(seed: int) -> list[Series]:
    """Eight weeks each: office hours, quiet weekends, bursts, days off; the second also moves to another level."""
    return [judged("synthetic/office", _office(seed, 1.0)), judged("synthetic/shift", _office(seed + 1, 1.6))]


def _office(seed: int, shift: float) -> History:
    random = np.random.default_rng(seed)
    day, days = 288, 56
    steps = np.arange(day * days)
    of_day, weekday = (steps % day) / day, (steps // day + 4) % 7  # starts like 1970, on a Thursday
    morning, afternoon = (np.exp(-(((of_day - at) / width) ** 2)) for at, width in ((0.45, 0.12), (0.68, 0.10)))
    load = 20 * (1 + 0.9 * morning + 0.7 * afternoon) * np.where((weekday == 0) | (weekday == 6), 0.5, 1.0)
    wander = np.zeros(len(steps))
    for step, push in enumerate(random.normal(0, 0.02, len(steps) - 1)):
        wander[step + 1] = 0.975 * wander[step] + push
    load = load * np.exp(wander)
    for begin in random.integers(0, len(steps) - 100, 3 * days // 7):
        load[begin : begin + random.integers(4, 36)] *= random.uniform(1.5, 4)
    for off in random.choice(np.arange(7, days), 2, replace=False):
        load[off * day : (off + 1) * day] *= 0.5
    load[int(len(steps) * 0.56) :] *= shift
    return History(0.0, 300.0, random.gamma(60, load / 60))
