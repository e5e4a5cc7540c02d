"""What a gateway adds to the time to the first token, and what it takes; then what it must not lose.

The same load goes straight to an engine (`direct`), through an Envoy that does nothing else (`envoy`), and through the
whole chain (`gateway`: keys, the body's fields, the brain's decision, tokens of streams, the access log). Arrivals are
Poisson and do not wait for answers; each answer is a stream of 16 tokens, the first after 20 ms. Engines, load, Envoy
and brain share the machine. The list of JSON has one object per point (part `points`), then one of figures:

- `rest`: `rest_mib` of Envoy and brain that know one model and carry nothing, and of each;
- `held`: `hold_1000_lost` of a thousand that wait for a minute; `hold_told_ms` until the operator hears of the first;
  `hold_release_s` from the ready replica to the first at it, `hold_next_p99_ms` from a free slot to the next;
  KiB for each, of Envoy and of the brain;
- `limits`: how late who waits too long hears of it, how soon the place of one who leaves is free;
- `drained`, `killed`: 50 streams a second while one of three replicas drains, or is killed;
- `rollout`: the same streams while both of two gateways are replaced;
- `tokens`, `shares`: those counted against the engines' own; replicas of unlike size against what each is due;
- `overload`: 1.7 times what there is; how much longer the heavy class's first tokens take than without, what part of
  the rest the light one gets, how far two equal tenants are apart;
- `budget`: the most that any stretch of time had above burst and rate, and the length of a request's tokens;
- `overspent`: the same above burst and rate while the brain is killed, and how long it was away;
- `bodies`: answers that differ from the engine's own by a byte;
- `away`, `brain_killed`, `brain_hung`, `log_cut`, `files_torn`: failed of 100 requests a second, and the recovery;
- `notices`: seconds from the taint of a spot machine to a gateway that sends it nothing more, on a real control plane,
  and the part of it after the operator had written it down (`notice_gateway_p99_s`).

Of `away`, `drained`, `killed`, `rollout`, `tokens`, `bodies`, `budget` and `overspent` no short times are wanted: the
others run one after the other while the API server is away.

    python -m benchmarks.gateway --seconds 8 --json out.json
    python -m benchmarks.gateway away budget --away-s 60
"""

import argparse
import asyncio
import json
import os
import platform
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import gateway_faults as faults
from benchmarks import gateway_notices, gateway_promises
from benchmarks.gateway_bodies import differing
from benchmarks.gateway_held import held, limits
from benchmarks.gateway_points import SETUPS, point
from benchmarks.gateway_rollout import rolled_out
from benchmarks.gateway_scarce import overloaded, overspent, throttled
from tests.gateway.rig import Rig

Figures = Mapping[str, float]
BESIDE = ("drained", "killed", "rollout", "tokens", "away", "bodies", "budget", "overspent")


def parts(given: argparse.Namespace) -> Mapping[str, Callable[[], Awaitable[Figures]]]:
    """All but `points`, in the order in which they are measured."""

    def on_its_own(part: Callable[[Rig], Awaitable[Figures]]) -> Callable[[], Awaitable[Figures]]:
        async def measure() -> Figures:
            with tempfile.TemporaryDirectory() as folder:
                async with Rig(Path(folder), keys_required=True) as rig:
                    return await part(rig)

        return measure

    return {
        "rest": on_its_own(gateway_promises.rest),
        "held": on_its_own(lambda rig: held(rig, given.hold_s)),
        "limits": on_its_own(limits),
        "drained": on_its_own(lambda rig: gateway_promises.drained(rig, given.seconds)),
        "killed": on_its_own(lambda rig: gateway_promises.killed(rig, given.seconds)),
        "rollout": rolled_out,
        "tokens": on_its_own(lambda rig: gateway_promises.tokens(rig, given.seconds)),
        "shares": on_its_own(lambda rig: gateway_promises.shares(rig, given.seconds)),
        "overload": on_its_own(lambda rig: overloaded(rig, given.overload_s)),
        "brain_killed": on_its_own(faults.brain_killed),
        "brain_hung": on_its_own(faults.brain_hung),
        "log_cut": on_its_own(faults.log_cut),
        "files_torn": on_its_own(faults.files_torn),
        "notices": lambda: gateway_notices.notices(given.notices),
        "away": lambda: faults.away(given.away_s),
        "bodies": on_its_own(lambda rig: differing(rig, given.bodies)),
        "budget": on_its_own(lambda rig: throttled(rig, given.overload_s)),
        "overspent": on_its_own(lambda rig: overspent(rig, given.overload_s)),
    }


async def measured(given: argparse.Namespace) -> None:
    """All that was asked for, printed and saved as it comes."""
    rows: list[dict[str, Any]] = []
    if "points" in given.parts:
        await points(given, rows)
    known = parts(given)
    figures: dict[str, float] = {}

    async def run(names: Sequence[str]) -> None:
        for name in names:
            for figure, value in (await known[name]()).items():
                figures[figure] = value
                print(f"{figure:<32}{value:>10g}", flush=True)
            save(given.json, [*rows, figures])

    chosen = [name for name in known if name in given.parts]
    await run([name for name in chosen if name not in BESIDE])
    waits, busy = ([name for name in chosen if name in BESIDE and (name == "away") is first] for first in (True, False))
    await asyncio.gather(run(waits), run(busy))


async def points(given: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    """The table of times."""
    print(f"{'setup':<9}{'req/s':>6}{'prompt':>8}{'p50 ms':>9}{'p99 ms':>9}{'cores':>7}{'MiB':>7}{'failed':>8}")
    for prompt_bytes in given.prompt_bytes:
        for rps in given.rps:
            for setup in SETUPS:
                row = await point(setup, rps, prompt_bytes, given.seconds)
                rows.append(row)
                cores, rss = ("-" if row[name] is None else f"{row[name]:g}" for name in ("cpu_cores", "rss_mib"))
                times = f"{row['ttft_p50_ms']:>9}{row['ttft_p99_ms']:>9}"
                failed = f"{row['failed']} of {row['asked']}"
                print(f"{setup:<9}{rps:>6g}{prompt_bytes:>8}{times}{cores:>7}{rss:>7}  {failed}", flush=True)
                save(given.json, rows)


def save(path: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write what there is so far, where asked to."""
    if path:
        Path(path).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(description="Benchmark of the gateway.")
    parser.add_argument("parts", nargs="*", metavar="PART", help="of those that the module lists; default: all")
    parser.add_argument("--seconds", type=float, default=4.0, help="of load, for a point and for most figures")
    parser.add_argument("--rps", type=float, nargs="+", default=[50.0, 200.0, 500.0])
    parser.add_argument("--prompt-bytes", type=int, nargs="+", default=[2000, 16000])
    parser.add_argument("--hold-s", type=float, default=60.0, help="how long a thousand requests are held")
    parser.add_argument("--overload-s", type=float, default=60.0, help="how long there is too little for all")
    parser.add_argument("--away-s", type=float, default=300.0, help="how long there is no API server")
    parser.add_argument("--bodies", type=int, default=10_000, help="answers compared with the engine's own")
    parser.add_argument("--notices", type=int, default=20, help="machines that are taken back")
    parser.add_argument("--json", default=os.environ.get("JSON", ""), help="file for the figures")
    given = parser.parse_args()
    known = ("points", *parts(given))
    if unknown := sorted(set(given.parts) - set(known)):
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(known)}")
    given.parts = given.parts or known
    load_before, began_s = os.getloadavg()[0], time.monotonic()
    asyncio.run(measured(given))
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, ", end="")
    print(f"load average {load_before:.1f} before; {(time.monotonic() - began_s) / 60.0:.1f} min")


if __name__ == "__main__":
    main()
