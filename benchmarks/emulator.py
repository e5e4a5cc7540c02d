"""What the emulator takes of a core: a hundred pods under 400 requests a second, and their pages.

python -m benchmarks.emulator
"""

import time
from pathlib import Path

import numpy as np
import yaml
from wharfage_simulator.traces import RateTrace
from wharfage_simulator.workload import requests, taken

from demo.emulator.engines import engines
from demo.emulator.served import Served, warm

CATALOG = Path(__file__).resolve().parents[1] / "demo" / "two-hours" / "catalog.yaml"
DEPLOYMENT = CATALOG.with_name("chat.yaml")
PODS, RATE, SPEED = 100, 400.0, 40.0
STEP_S, SECONDS, PAGES = 2.0, 600.0, 1000
ON = "L40S x1"


def main() -> None:
    """Measure and print."""
    known = engines(yaml.safe_load(DEPLOYMENT.read_text()), [yaml.safe_load(CATALOG.read_text())])
    warm(known)
    place = next(number for number, each in enumerate(known.profiles) if each.name == ON)
    load = RateTrace("steady", 0.0, 60.0, np.full(20, RATE))
    served = Served(taken(requests(load, seed=1), known.context_tokens), known)
    pods = {f"pod-{number}": place for number in range(PODS)}
    served.step(60.0, pods, pods)
    began_s = time.process_time()
    while served.replicas.now_s < 60.0 + SECONDS:
        served.step(served.replicas.now_s + STEP_S, pods, pods)
    share = (time.process_time() - began_s) / (SECONDS / SPEED)
    began_s = time.process_time()
    for number in range(PAGES):
        text = served.page(f"pod-{number % PODS}")
    page_us = 1e6 * (time.process_time() - began_s) / PAGES
    print(f"engines of {PODS} pods at {SPEED:g} times the speed: {100.0 * share:.1f} % of a core")
    print(f"a page of {len(text) / 1000.0:.0f} kB: {page_us:.0f} us")


if __name__ == "__main__":
    main()
