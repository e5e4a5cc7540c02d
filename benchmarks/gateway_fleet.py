"""What a gateway is worth to a fleet: ours with all machines and spot, behind a Service and behind the gateway.

The same requests, machines, market and price of a bad minute; behind the gateway the compiled twin of its admission
decides who goes, waits or is refused (docs/design/0024-gateway-twin.md). A refused request is a bad one. Unlike
`bench-scaling`, which has the two settings among others, nothing is tuned: a run takes minutes instead of an hour.

    python -m benchmarks.gateway_fleet --data ../shared/data --traces servegen/mm-image
"""

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from wharfage_simulator.report import OURS, rows
from wharfage_simulator.result import Result
from wharfage_simulator.stage import Where, drawn, stage
from wharfage_simulator.trial import Trial, judged

from benchmarks import scaling_cases as cases
from benchmarks.scaling_cases import Case

USD_PER_BAD_MINUTE = 30.0
"""The middle of what `bench-scaling` tunes to."""
HEAD = (
    f"{'trace':<22} {'setting':<17} {'seed':>4} {'USD':>8} {'bad minutes':>15} {'refused':>8} {'waited p50, p99 s':>18}"
)


def played(case: Case, data: Path, seeds: Sequence[int], usd_per_bad_minute: float) -> Iterator[Result]:
    """Both settings on one load, market by market; the requests are the same in all of them."""
    load = cases.load(case, data)
    asked, availability = cases.asked(case, load), cases.spot(data)
    name = f"wharfage({usd_per_bad_minute:g} usd per bad minute)"
    cut = drawn(load, seed=1, context_tokens=case.context_tokens, request_budget=case.requests, scored_s=case.scored_s)
    for seed in seeds:
        for where in (Where.SPOT, Where.GATEWAY):
            place = stage(
                replace(cut, seed=seed),
                cases.machines(),
                asked,
                where,
                availability=availability,
                notice_s=cases.CATALOG_NOTICE_S,
                largest_share=cases.LARGEST_SHARE,
            )
            yield judged(Trial(place, OURS, asked, tuned=name))


def line(result: Result) -> str:
    """One row of the table."""
    bad = f"{result.bad_minutes} of {result.minutes}"
    waited = f"{result.waited_p50_s:.2f}, {result.waited_p99_s:.2f}"
    return (
        f"{result.trace:<22} {result.setting:<17} {result.seed:>4} {result.usd:>8.2f} {bad:>15} "
        f"{result.failed:>8} {waited:>18}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row for each replay, and what the gateway saves on each load."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gateway_fleet", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--data", type=Path, default=os.environ.get("DATA") or "../shared/data", help="folder")
    parser.add_argument("--traces", default="", help="names with commas; default: all")
    parser.add_argument("--seeds", default="1,2,3", help="of the spot market, with commas")
    parser.add_argument("--usd", type=float, default=USD_PER_BAD_MINUTE, help="what a bad minute costs")
    parser.add_argument("--json", default=os.environ.get("JSON", ""), help="file for the rows")
    asked = parser.parse_args(arguments)
    begun_s = time.monotonic()
    seeds = [int(seed) for seed in asked.seeds.split(",")]
    print(HEAD, flush=True)
    found: list[Result] = []
    for case in cases.chosen([name for name in asked.traces.split(",") if name]):
        own: list[Result] = []
        for result in played(case, asked.data, seeds, asked.usd):
            own.append(result)
            print(line(result), flush=True)
        plain, behind = (
            sum(each.usd for each in own if each.setting == where) for where in (Where.SPOT, Where.GATEWAY)
        )
        print(f"{case.trace:<22} behind the gateway {100.0 * (1.0 - behind / plain):.1f} % cheaper", flush=True)
        found += own
    print(f"{(time.monotonic() - begun_s) / 60:.1f} min")
    if asked.json:
        Path(asked.json).write_text(json.dumps(rows(found), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
