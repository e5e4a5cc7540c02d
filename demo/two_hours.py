"""The two hours of the replay as values: a load that swells, a spike, and a spot market that loses a zone."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from wharfage_api import LLMDeployment, OfferCatalog
from wharfage_api.priced import priced
from wharfage_autoscaler.offers import Offer
from wharfage_simulator.boots import MEASURED
from wharfage_simulator.traces import RateTrace

FOLDER = Path(__file__).resolve().parent / "two-hours"
CATALOG, DEPLOYMENT = FOLDER / "catalog.yaml", FOLDER / "chat.yaml"
SPEED = 40.0
"""Karpenter, kwok and the scheduler need six seconds for a machine, which are four minutes then: what it takes."""
LEAD_IN_S = 2700.0
"""Every fleet begins at its smallest, and the load grows to its first rate for so long; that is not judged."""
MINUTES = 120
AFTERWARDS = 180
"""Minutes of load after those that are judged: for the hour with a budget, which begins with a full one."""
MINUTE_S = 60.0
PROMPT_TOKENS, OUTPUT_TOKENS = 900.0, 200.0
NOTICE_S = 120.0


@dataclass(frozen=True, slots=True)
class Storm:
    """For so long a zone has no spot machine, and those that run there get their notice. Seconds of the two hours."""

    zone: str
    begin_s: float
    end_s: float

    @property
    def place(self) -> str:
        """The zone's spot machines, in the words of the devcluster's market."""
        return f"*/spot/{self.zone}"


STORM = Storm("us-east-1a", begin_s=75 * MINUTE_S, end_s=100 * MINUTE_S)


def requests_per_second(minute: float) -> float:
    """A swell over the two hours, and from minute 35 on a spike to twice that within five minutes, for a quarter."""
    return (30.0 - 12.0 * math.cos(2.0 * math.pi * minute / MINUTES)) * spike(minute)


def spike(minute: float) -> float:
    """By what factor the load is larger."""
    rise = min(1.0, max(0.0, (minute - 35.0) / 5.0))
    fall = min(1.0, max(0.0, (minute - 50.0) / 5.0))
    return 1.0 + rise - fall


def trace() -> RateTrace:
    """The load, a window a minute; after the two hours the swell goes on."""
    minutes = MINUTES + AFTERWARDS
    rates = np.array([requests_per_second(minute + 0.5) for minute in range(minutes)])
    lengths = (np.full(minutes, PROMPT_TOKENS), np.full(minutes, OUTPUT_TOKENS))
    return RateTrace("two-hours", 0.0, MINUTE_S, rates, *lengths)


def written(load: RateTrace, path: Path) -> None:
    """The load as a file that `wharfage compare` and the emulator read."""
    rows = [
        f"{load.window_s * number:g},{rate:.4f},{PROMPT_TOKENS:g},{OUTPUT_TOKENS:g}"
        for number, rate in enumerate(load.req_per_s)
    ]
    path.write_text("\n".join(["t_s,req_per_s,prompt_tokens,output_tokens", *rows, ""]), encoding="utf-8")


def market(now_s: float, storm: Storm = STORM, *, speed: float = SPEED) -> dict[str, object]:
    """The rules of the devcluster's market at a moment of the two hours, in seconds of the wall."""
    raging = storm.begin_s <= now_s < storm.end_s
    return {
        "withdrawn": [storm.place] if raging else [],
        "interrupted": [storm.place] if raging else [],
        "notice_s": NOTICE_S / speed,
        "boot_s": [round(MEASURED.drawn(level) / speed, 2) for level in _spread()],
    }


def offers() -> tuple[Offer, ...]:
    """What can be rented."""
    return priced(OfferCatalog.model_validate(yaml.safe_load(CATALOG.read_text(encoding="utf-8"))))


def deployment() -> LLMDeployment:
    """What is served."""
    return LLMDeployment.model_validate(yaml.safe_load(DEPLOYMENT.read_text(encoding="utf-8")))


def _spread() -> list[float]:
    """Levels between 5 and 95 %, each far from those before it: machines take turns through the measured times."""
    return [0.05 + 0.9 * math.fmod(0.5 + number * 0.618033988749895, 1.0) for number in range(16)]
