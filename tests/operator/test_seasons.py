"""A load that follows the week and the clocks of its users: weekends, and the days on which the clocks are set."""

import asyncio
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from wharfage_operator.errands import Foreseeing
from wharfage_operator.history import STEP_S
from wharfage_operator.worker import Worker

from tests.operator.test_pilotage import World

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT, WEEKEND, DAY = 1.0, 2.0, 10.0
LEAD = 20  # ticks: five minutes
DAYS = 28
TICKS_A_STEP = 20
LEAST_EACH, SERVE_EACH, MOST_EACH = 1.5, 1.25, 2.0
"""Replicas per request per second that are wanted at least, serve at least, are wanted at most.

An L4 is planned for .65 with a fifth of headroom, and while the load rises what was ordered five minutes ago serves."""
KEY = ("shop", "chat")


def rate(at_s: float) -> float:
    """Requests per second: they rise from seven to nine and fall from five to seven in the evening, by their clocks."""
    here = datetime.fromtimestamp(at_s, BERLIN)
    hour = here.hour + here.minute / 60.0
    share = max(0.0, min(1.0, (hour - 7.0) / 2.0, (19.0 - hour) / 2.0))
    high = WEEKEND if here.weekday() >= 5 else DAY
    return (NIGHT + (high - NIGHT) * share) * (1.0 + 0.03 * math.sin(at_s / 700.0))


@dataclass
class Morning:
    """From half past five to half past nine by Berlin's clocks: what is wanted and what serves, and the load."""

    date: str
    world: World = field(default_factory=lambda: World(lead=LEAD, spec={"scaling": {"maxReplicas": 60}}))
    worker: Worker = field(default_factory=Worker)
    seen: list[tuple[float, int, int]] = field(default_factory=list)

    def run(self) -> "Morning":
        begins = datetime.fromisoformat(f"{self.date}T05:30").replace(tzinfo=BERLIN).astimezone(UTC)
        begins_s = self.world.now = begins.timestamp()
        self.world.ticks(2 * LEAD, rate(begins_s))
        self.world.now = begins_s
        rates = [rate(begins_s - DAYS * 86_400.0 + STEP_S * (step + 0.5)) for step in range(DAYS * 288)]
        foresee(self.world, self.worker, rates)
        for tick in range(4 * 240):
            if tick and tick % TICKS_A_STEP == 0:
                rates.append(rate(self.world.now - STEP_S / 2))
                foresee(self.world, self.worker, rates)
            decision = self.world.tick(rate(self.world.now))
            self.seen.append((self.world.now, decision.target.replicas, self.world.fleet.ready))
        return self


def foresee(world: World, worker: Worker, rates: list[float]) -> None:
    """A forecast by what the load was until now; all of it is told once."""
    whole = len(rates) == DAYS * 288
    told = rates if whole else rates[-24:]
    errand = Foreseeing(
        key=KEY, uid="u", rates=told, end_s=world.now, whole=whole, lead_s=15.0 * LEAD, forecaster="ensemble"
    )
    world.forecast = worker.foreseen(errand).forecast
    assert world.forecast is not None
    asyncio.run(world.expectations.turn(world.now))


@pytest.mark.parametrize(
    "date",
    [
        pytest.param("2026-10-19", id="a Monday after the weekend"),
        pytest.param("2026-10-24", id="a Saturday after four weeks' workdays"),
        pytest.param("2026-10-26", id="the first workday after the clocks were set back"),
        pytest.param("2027-03-29", id="the first workday after the clocks were set forward"),
    ],
)
def test_a_morning_by_the_clocks_of_the_users(date: str) -> None:
    seen = Morning(date).run().seen
    for at_s, wanted, ready in seen:
        around = [rate(at_s + 60.0 * minute) for minute in range(-30, 20)]
        assert wanted >= LEAST_EACH * rate(at_s), at_s
        assert ready >= SERVE_EACH * rate(at_s), at_s
        assert wanted <= 1.0 + MOST_EACH * max(around), at_s
    assert [at_s for (_, before, _), (at_s, after, _) in pairwise(seen) if after < before] == []
