"""What `make bench-scaling` replays: which load on which model, machines and spot market, and why.

A load is scaled to at most five million requests, and its busiest window is to take at least twenty replicas. Both
hold only where a replica carries little, so the model and the objectives are chosen for it, and machines that would
carry more than a tenth of the scaled peak are left out: the load is a part of the real one, and machines are not.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from wharfage_autoscaler.model import Variant
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.shapes import native_quantization, shape_of
from wharfage_cli.simulation.question import catalogs, offers
from wharfage_simulator.datasets import dataset
from wharfage_simulator.market import NOTICE_S
from wharfage_simulator.scenario import SPOT_ALLOWED, Asked
from wharfage_simulator.spot import Availability, converted, read_availability
from wharfage_simulator.tables import read_numbers
from wharfage_simulator.traces import RateTrace, RequestTrace, halves
from wharfage_simulator.workload import REQUEST_BUDGET, Load, traffic

LARGEST_SHARE = 0.1
LEAD_S = 300.0
CATALOG = Path("examples/catalogs/gcp-us-central1.yaml")
CATALOG_NOTICE_S = NOTICE_S["gcp"]
SPOT_RECORD = ("aws-02-15-2023", "v100_1")
REGION = "us-west-2"
_DAY_S = 86_400.0
_WORLDCUP_DAYS = 14
_32B, _8B = "hf://Qwen/Qwen3-32B", "hf://Qwen/Qwen3-8B"


@dataclass(frozen=True, slots=True)
class Case:
    """One load, and what serves it how well.

    Of the second half the first `scored_s` are scored, at rates that make at most so many `requests` of them.
    """

    trace: str
    model: str
    ttft_s: float
    tpot_s: float
    context_tokens: int = 8192
    scored_s: float = np.inf
    requests: int = REQUEST_BUDGET


CASES = (
    Case("servegen/deepseek-r1", _8B, 2.0, 0.05, context_tokens=32_768),
    Case("servegen/mm-image", _32B, 2.0, 0.08),
    # Five million requests of its whole week would keep a single replica busy at the peak.
    Case("servegen/m-small", _32B, 2.0, 0.05, scored_s=_DAY_S, requests=2_500_000),
    Case("servegen/m-large", _32B, 2.0, 0.08, scored_s=2 * _DAY_S, requests=1_430_000),
    Case("worldcup98", _32B, 2.0, 0.08, scored_s=3 * _DAY_S, requests=750_000),
)
"""Whole second halves of the last three would take two hours. Ticks cost more than requests: days are left out."""


ANY_SHARE_OF_SPOT = replace(SPOT_ALLOWED, max_spot_share=1.0, min_on_demand_share=0.0)
"""What may be lost together decides how much is spot, and no fixed share; SkyServe and WVA are held to none either."""


def load(case: Case, data: Path) -> Load:
    """The load of a case."""
    return _worldcup(data) if case.trace == "worldcup98" else dataset(data, case.trace)


def asked(case: Case, played: Load) -> Asked:
    """What is to be served; its lengths are those of the first half, as a dashboard would show them."""
    shape = shape_of(case.model)
    if shape is None:
        raise ValueError(f"{case.trace}: the shape of {case.model} is not known")
    return Asked(
        variant=Variant(native_quantization(case.model) or "bf16", 1.0, "", case.model, shape),
        traffic=traffic(halves(played)[0], context_tokens=case.context_tokens),
        objectives=replace(Objectives(), ttft_p95_s=case.ttft_s, tpot_p95_s=case.tpot_s),
        lead_s=LEAD_S,
        max_model_tokens=case.context_tokens,
        placement=ANY_SHARE_OF_SPOT,
    )


def machines() -> tuple[Offer, ...]:
    """Everything in the catalog of a cloud that rents single accelerators as spot, too."""
    return offers(catalogs([CATALOG]))


def spot(data: Path, region: str = REGION) -> Availability:
    """When spot machines could be had in the zones of a region, as AWS's V100s were probed in 2023."""
    group, resource = SPOT_RECORD
    rows = converted(data / "spot-availability-aws-2022-23" / "runs.csv.gz", group, resource)
    lines = [f"{zone},{start:.12g},{end:.12g},{had}" for zone, start, end, had in rows if zone.startswith(region)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{group}-{region}.csv"
        path.write_text("\n".join(["zone,start_s,end_s,available", *lines]) + "\n", encoding="utf-8")
        return read_availability(path)


def shares(record: Availability) -> str:
    """How much of the time each zone had machines."""
    return ", ".join(f"{zone} {record.share(zone) * 100:.0f} %" for zone in sorted(record.zones))


def chosen(names: Sequence[str]) -> tuple[Case, ...]:
    """The cases of those names; ValueError for one that is none."""
    known = {case.trace: case for case in CASES}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no trace {', '.join(unknown)}; there are {', '.join(known)}")
    return tuple(known[name] for name in names) if names else CASES


def _worldcup(data: Path) -> RateTrace:
    """Two weeks from the middle of the World Cup's web traffic, minute by minute, with Azure's chat lengths.

    The tournament begins in the first of them.
    """
    minutes = read_numbers(data / "worldcup98" / "requests_per_minute.csv.gz", ["minute", "requests"]).columns
    rates = minutes["requests"] / 60.0
    half = round(_WORLDCUP_DAYS * _DAY_S / 60.0 / 2)
    middle = len(rates) // 2
    window = rates[middle - half : middle + half]
    lengths = dataset(data, "azure-llm-2023/conv")
    if not isinstance(lengths, RequestTrace):
        raise ValueError("azure-llm-2023/conv has one request a row")
    prompt, output = float(lengths.prompt_tokens.mean()), float(lengths.output_tokens.mean())
    return RateTrace("worldcup98", 0.0, 60.0, window, np.full(len(window), prompt), np.full(len(window), output))
