"""What a gateway adds to the time to the first token, and what it takes; then what it must not lose.

The same load goes straight to an engine (`direct`), through an Envoy that does nothing else (`envoy`), and through the
whole chain (`gateway`: keys, the body's fields, the brain's decision, tokens of streams, the access log). Arrivals are
Poisson and do not wait for answers; each answer is a stream of 16 tokens, the first after 20 ms. Engines, load, Envoy
and brain share the machine. The list of JSON has one object per point, then one of `benchmarks.gateway_promises`.

    python -m benchmarks.gateway --seconds 8 --json out.json
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from wharfage_gateway.filters import router
from wharfage_gateway.view import Replica

from benchmarks.gateway_promises import promises, rss_mib
from tests.gateway.rig import KEYS, Process, Rig, model

SETUPS = ("direct", "envoy", "gateway")
ROOT = Path(__file__).resolve().parents[1]


async def point(setup: str, rps: float, prompt_bytes: int, seconds: float) -> dict[str, Any]:
    """One row: times in ms, processor time in cores; those of the proxy, so none for `direct`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with Rig(folder, keys_required=setup == "gateway") as rig:
            engines = [Process(f"bench-{number}", folder) for number in range(2)]
            try:
                ports = [await started(engine) for engine in engines]
                replicas = [Replica(f"bench-{port}", "127.0.0.1", port, 1000.0) for port in ports]
                measured: list[Process] = []
                if setup == "envoy":
                    rig.document = bare(rig.document)
                    await rig.look(model(replicas=replicas))
                    rig.publish()
                    await rig.start_envoy()
                    measured = [rig.envoy]
                elif setup == "gateway":
                    await rig.up(model(replicas=replicas, prefix_affinity=True), credentials=KEYS)
                    measured = [rig.envoy, rig.brain]
                url = f"http://127.0.0.1:{ports[0]}" if setup == "direct" else rig.url
                began_s, used_s = time.monotonic(), sum(cpu_s(each.pid) for each in measured)
                told = await loaded(url, rps, prompt_bytes, seconds)
                cores = (sum(cpu_s(each.pid) for each in measured) - used_s) / (time.monotonic() - began_s)
                rss = sum(rss_mib(each.pid) for each in measured)
            finally:
                for engine in engines:
                    await engine.stop()
    return {
        "setup": setup,
        "rps": rps,
        "prompt_bytes": prompt_bytes,
        "ttft_p50_ms": round(told["ttft_p50_ms"], 2),
        "ttft_p99_ms": round(told["ttft_p99_ms"], 2),
        "cpu_cores": round(cores, 3) if measured else None,
        "rss_mib": round(rss, 1) if measured else None,
        "asked": told["asked"],
        "failed": told["failed"],
    }


def bare(document: dict[str, Any]) -> dict[str, Any]:
    """An Envoy that sends everything to one cluster, and does nothing else."""
    [listener] = document["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    manager["http_filters"] = [router()]
    del manager["access_log"]
    hosts = manager["route_config"]["virtual_hosts"]
    alive = {"match": {"path": "/healthz"}, "direct_response": {"status": 200}}
    hosts[0]["routes"] = [alive, {"match": {"prefix": "/"}, "route": {"cluster": "chat", "timeout": "0s"}}]
    return document


async def started(engine: Process) -> int:
    """The port of an engine for timing."""
    await engine.start(sys.executable, "-m", "benchmarks.gateway_engine")

    async def told() -> bool:
        return engine.log.read_text().strip().isdigit()

    await engine.until(told, "port")
    return int(engine.log.read_text())


async def loaded(url: str, rps: float, prompt_bytes: int, seconds: float) -> dict[str, float]:
    """What the load, a process of its own, has seen."""
    command = [sys.executable, "-m", "benchmarks.gateway_load", url, f"--per-s={rps}", f"--seconds={seconds}"]
    command += [f"--prompt-bytes={prompt_bytes}", f"--key={KEYS[0].key}"]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"bench-gateway: the load ended with {process.returncode}; its words are above")
    found: dict[str, float] = json.loads(said)
    return found


def cpu_s(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measured(given: argparse.Namespace) -> list[dict[str, Any]]:
    """All rows, printed as they come."""
    rows: list[dict[str, Any]] = []
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
    if given.promises:
        kept = await promises(given.seconds, given.hold_s, given.bodies)
        rows.append(kept)
        for name, value in kept.items():
            print(f"{name:<28}{value:>10g}")
        save(given.json, rows)
    return rows


def save(path: str, rows: list[dict[str, Any]]) -> None:
    """Write what there is so far, where asked to."""
    if path:
        Path(path).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(description="Benchmark of the gateway.")
    parser.add_argument("--seconds", type=float, default=8.0, help="per point")
    parser.add_argument("--rps", type=float, nargs="+", default=[50.0, 200.0, 500.0])
    parser.add_argument("--prompt-bytes", type=int, nargs="+", default=[2000, 16000])
    parser.add_argument("--hold-s", type=float, default=60.0, help="how long a thousand requests are held")
    parser.add_argument("--bodies", type=int, default=10_000, help="answers compared with the engine's own")
    parser.add_argument("--no-promises", dest="promises", action="store_false", help="times only")
    parser.add_argument("--json", default=os.environ.get("JSON", ""), help="file for the figures")
    given = parser.parse_args()
    load_before = os.getloadavg()[0]
    asyncio.run(measured(given))
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, ", end="")
    print(f"load average {load_before:.1f} before")


if __name__ == "__main__":
    main()
