"""A quantile network in PyTorch on the series of `bench-forecast`, which was tried and does not ship.

A recurrent network reads the last eight hours step by step, and sees beside them what the ridge regression sees, the
usual at each coming step and the time of day and week. It is trained on the pinball loss of all levels at once, daily,
each series alone, and judged by the benchmark's own code with our calibration: by itself, and as a third member of the
ensemble. What that costs and gains is in docs/design/0005-forecast.md. PyTorch is no dependency of ours: install it
beside what `make setup` brings, then (half an hour for the ten series of ServeGen on two cores)

    python -m benchmarks.forecast_torch --data ../shared/data --only servegen/m-
"""

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from wharfage_autoscaler.forecast import LEVELS
from wharfage_autoscaler.forecaster import Forecaster
from wharfage_autoscaler.forecasters.calibrated import Calibrated
from wharfage_autoscaler.forecasters.clock import ByTheClock
from wharfage_autoscaler.forecasters.ensemble import Ensemble
from wharfage_autoscaler.forecasters.features import EARLIEST_S, features
from wharfage_autoscaler.forecasters.profile import profile_of
from wharfage_autoscaler.forecasters.ridge import Ridge
from wharfage_autoscaler.forecasters.seasonal import SeasonalRatio
from wharfage_autoscaler.forecasters.series import HOUR_S, Places, Series
from wharfage_autoscaler.history import DAY_S, Rates

from benchmarks import forecast, forecast_traces
from benchmarks.forecast_peers import PEERS

_WINDOW_S = 8 * HOUR_S
_MOST_ROWS, _LEAST_ROWS = 2000, 100
_EPOCHS, _PATIENCE, _BATCH, _HELD_OUT, _SEEDS = 60, 10, 256, 0.15, 2
_RATE, _DECAY, _DROPPED = 3e-3, 1e-2, 0.2


class Network(nn.Module):  # type: ignore[misc]  # PyTorch is not there when types are checked
    """From what is known of some origins to quantiles, shape (origins, steps, levels), rising with the level."""

    def __init__(self, width: int, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.gru = nn.GRU(1, 32, batch_first=True)
        self.head = nn.Sequential(nn.Linear(32 + width, 64), nn.ReLU(), nn.Dropout(_DROPPED))
        self.out = nn.Linear(64, steps * len(LEVELS))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, fixed: Tensor, window: Tensor) -> Tensor:
        """`fixed` (origins, width), `window` (origins, steps of eight hours)."""
        _, last = self.gru(window[:, :, None])
        made = self.out(self.head(torch.cat([last[0], fixed], dim=1))).view(-1, self.steps, len(LEVELS))
        rises = torch.cumsum(nn.functional.softplus(made[..., 1:] - 2.0), dim=-1)
        return torch.cat([made[..., :1], made[..., :1] + rises], dim=-1)


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """Networks of several seeds, whose mean counts, and how their rows are scaled; without any, the last value."""

    networks: tuple[Network, ...]
    centre: Rates
    deviation: Rates
    spread: float
    steps: int

    def paths(self, series: Series, origins: Places, steps: int) -> Rates:
        """Medians, shape (origins, steps)."""
        now = series.z[origins - 1][:, None]
        if not self.networks:
            return np.repeat(now, steps, axis=1)
        inputs = self.inputs(*_rows(series, origins, self.steps))
        with torch.inference_mode():
            made = torch.stack([network(*inputs) for network in self.networks]).mean(dim=0)
        return np.asarray(made[:, :steps, 0].double().numpy() * self.spread + now)

    def inputs(self, fixed: Rates, window: Rates) -> tuple[Tensor, Tensor]:
        """As the networks want them."""
        scaled = np.clip((fixed - self.centre) / self.deviation, -5, 5), np.clip(window / self.spread, -8, 8)
        return torch.tensor(scaled[0], dtype=torch.float32), torch.tensor(scaled[1], dtype=torch.float32)


@dataclass(frozen=True, slots=True)
class Gru:
    """The model."""

    name: str = "gru"
    least_s: float = 3 * DAY_S

    def learned(self, series: Series, steps: int) -> Learned:
        """Rows are origins whose targets were all observed; the last 15 % of them say when to stop."""
        torch.set_num_threads(1)
        origins = np.arange(series.steps(EARLIEST_S), len(series.z) - steps + 1)
        places = origins[:, None] + np.arange(steps)
        origins = origins[series.known[places].all(axis=1) & series.known[origins - 1]]
        origins = origins[:: max(1, -(-len(origins) // _MOST_ROWS))]
        if len(origins) < _LEAST_ROWS:
            return Learned((), np.zeros(0), np.zeros(0), 1.0, steps)
        fixed, window = _rows(series, origins, steps)
        target = series.z[origins[:, None] + np.arange(steps)] - series.z[origins - 1][:, None]
        cut = round(len(origins) * (1 - _HELD_OUT))
        spread = float(max(0.02, target[:cut].std()))
        deviation = np.maximum(fixed[:cut].std(axis=0), 0.02)
        blank = Learned((), fixed[:cut].mean(axis=0), deviation, spread, steps)
        inputs, wanted = blank.inputs(fixed, window), torch.tensor(target / spread, dtype=torch.float32)
        networks = tuple(_trained(inputs, wanted, cut, seed) for seed in range(_SEEDS))
        return Learned(networks, blank.centre, deviation, spread, steps)


def _rows(series: Series, origins: Places, steps: int) -> tuple[Rates, Rates]:
    """What the network sees: differences from now, and the clock."""
    seen, now = features(series, origins, steps)
    window = series.z[np.maximum(origins[:, None] - np.arange(series.steps(DAY_S), 0, -1), 0)] - now[:, None]
    rough = np.log(np.abs(np.diff(window, axis=1)).mean(axis=1) + 1e-3)
    times_s = series.start_s + origins * series.step_s
    turns = [2 * np.pi * (times_s % length_s) / length_s for length_s in (DAY_S, 7 * DAY_S)]
    clock = [wave(turn) for turn in turns for wave in (np.sin, np.cos)]
    usual = profile_of(series).at(origins[:, None] + np.arange(steps)) - now[:, None]
    return np.column_stack([seen, rough, *clock, usual]), window[:, -series.steps(_WINDOW_S) :]


def _trained(inputs: tuple[Tensor, Tensor], target: Tensor, cut: int, seed: int) -> Network:
    torch.manual_seed(seed)
    levels = torch.tensor(LEVELS)

    def loss(network: Network, rows: Any) -> Tensor:
        short = target[rows][..., None] - network(*(each[rows] for each in inputs))
        return torch.maximum(levels * short, (levels - 1) * short).mean()

    network = Network(inputs[0].shape[1], target.shape[1])
    optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, _RATE, total_steps=_EPOCHS * -(-cut // _BATCH), pct_start=0.1
    )
    best, state, waited = float("inf"), network.state_dict(), 0
    for _ in range(_EPOCHS):
        network.train()
        for rows in torch.randperm(cut).split(_BATCH):
            optimiser.zero_grad()
            loss(network, rows).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
        network.eval()
        with torch.inference_mode():
            now = float(loss(network, slice(cut, None)))
        waited += 1
        if now < best:
            best, waited = now, 0
            state = {name: value.detach().clone() for name, value in network.state_dict().items()}
        if waited >= _PATIENCE:
            break
    network.load_state_dict(state)
    network.eval()
    return network


TRIED: dict[str, Forecaster] = {
    "gru": Calibrated(ByTheClock(Gru())),
    "with gru": Calibrated(ByTheClock(Ensemble((SeasonalRatio(), Ridge(), Gru()), "with gru"))),
}


def judged(series: forecast_traces.Series) -> list[forecast.Row]:
    """The network beside what ships, the ensemble and the last value."""
    ours = forecast.OURS
    shown = {forecast.SHIPPED: ours[forecast.SHIPPED], "ensemble": ours["ensemble"], **TRIED}
    rows = [row for name, each in shown.items() for row in forecast.rows_of(series, name, forecast.ours(series, each))]
    last = next(each for each in PEERS if each.name == forecast.BASELINE)
    return rows + forecast.rows_of(series, last.name, forecast.theirs(series, last))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="A network in PyTorch on the series of bench-forecast.")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DATA", "../shared/data")))
    parser.add_argument("--only", default="servegen/m-", help="only traces whose name contains this")
    given = parser.parse_args()
    traces: Sequence[forecast_traces.Series] = forecast_traces.public(given.data, 1)
    chosen = [each for each in traces if given.only in each.name]
    with ProcessPoolExecutor(min(os.cpu_count() or 1, len(chosen)), mp_context=get_context("spawn")) as pool:
        print(forecast.table([row for rows in pool.map(judged, chosen) for row in rows]))


if __name__ == "__main__":
    main()
