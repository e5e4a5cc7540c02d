"""What a gateway adds to the time to the first token, and what it takes, at one rate and length of prompts."""

import tempfile
import time
from pathlib import Path
from typing import Any

from wharfage_gateway.filters import router
from wharfage_gateway.view import Replica

from benchmarks.gateway_processes import cpu_s, loaded, rss_mib, started
from tests.gateway.rig import KEYS, Process, Rig, model

SETUPS = ("direct", "envoy", "gateway")


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
