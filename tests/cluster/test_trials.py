"""Variants behind a gateway on a real control plane: one on trial beside another, and two that serve together."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from wharfage_api.labels import POOL, TRIAL, VARIANT
from wharfage_gateway.unixhttp import UnixConnection
from wharfage_gateway.xds import Files
from wharfage_operator.kinds import LLM_DEPLOYMENTS, OFFER_CATALOGS, PODS

from tests.cluster.brain import BrainProcess
from tests.cluster.emulated import READS, EmulatorProcess
from tests.cluster.lab import CATALOG, Lab, priced
from tests.cluster.server import eventually, eventually_is

TWO: dict[str, Any] = {
    "variants": [{"name": "bf16", "quality": "1"}, {"name": "int4", "quality": "0.95", "quantization": "awq"}],
    "objectives": {"qualityFloor": "0.9"},
    "placement": {"accelerators": ["L4"]},
    "routing": "Gateway",
}
HALF = {"split": [{"variant": "int4", "share": "0.5"}]}


def fleet(lab: Lab) -> list[tuple[str, int, int, bool]]:
    """Variant, wanted, ready and whether it is on trial, of each pool."""
    rows = ((lab.llm() or {}).get("status") or {}).get("fleet") or ()
    return sorted((row["variant"], row["wanted"], row["ready"], row.get("onTrial", False)) for row in rows)


def sent(lab: Lab, brain: BrainProcess, requests: int) -> Counter[str]:
    """To which variants the gateway sends so many requests, each under an id of its own."""
    pods = lab.server.all(PODS, lab.namespace)
    variants = {
        f"{pod['status'].get('podIP')}:8000": pod["metadata"]["annotations"][VARIANT]
        for pod in pods
        if VARIANT in pod["metadata"].get("annotations", {})
    }
    found: Counter[str] = Counter()
    for number in range(requests):
        connection = UnixConnection(brain.folder / "brain.sock", timeout_s=30.0)
        headers = {"x-model": "chat", "content-length": "0", "x-request-id": f"one-{number}"}
        connection.request("POST", "/check/v1/chat/completions", headers=headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        found[variants.get(answer.headers.get("x-endpoint", ""), "elsewhere")] += 1
    return found


def test_a_trial_is_given_a_replica_and_its_share_and_both_end_with_it(
    lab: Lab, brains: Callable[[str], BrainProcess]
) -> None:
    brain = brains("gateway-a")
    running = lab.start(gateways=lab.namespace)
    lab.create(**TWO, scaling={"mode": "Manual"}, replicas=1, gateway=HALF)
    both_serve = [("bf16", 1, 1, False), ("int4", 1, 1, True)]
    eventually_is(lambda: fleet(lab), both_serve, within_s=120.0, what="both serve")
    summary = (lab.llm() or {})["status"]["summary"]
    assert (summary["fleet"], summary["usdPerHour"]) == ("1xL4, 1xL4 on trial", "12.80")
    tried = [pool for pool in lab.pools() if pool["metadata"]["annotations"].get(TRIAL)]
    assert len(tried) == 1

    def both() -> bool:
        return sent(lab, brain, 20).keys() == {"bf16", "int4"}

    eventually(both, what="the gateway sends its share to the trial, and the rest to what serves")
    lab.server.merge(LLM_DEPLOYMENTS, lab.namespace, "chat", {"spec": {"gateway": {"split": []}}})
    eventually_is(lambda: fleet(lab), [("bf16", 1, 1, False)], what="the trial's replica goes")
    eventually(lambda: sent(lab, brain, 20).keys() == {"bf16"}, what="what serves answers its share")
    assert running.tracebacks == []


LADEN: dict[str, Any] = {
    "variants": [{"name": "bf16", "quality": "1"}, {"name": "fp8", "quality": "0.99", "quantization": "fp8"}],
    "objectives": {"qualityFloor": "0.9"},
    "routing": "Gateway",
    "traffic": {"promptTokens": {"mean": 128, "p95": 256}, "outputTokens": {"mean": 32, "p95": 64}},
}
FEW = (("mixed.l4", "L4", "7.00", 1), ("mixed.a10g", "A10G", "6.00", 3))
"""Machine, its one card, dollars per hour, how many there are. An L4 with fp8 is the cheapest for what it carries and
there is one; an A10G runs no fp8."""


@pytest.fixture
def few_machines(lab: Lab) -> Iterator[str]:
    """One machine of each kind, in a catalog of their own."""
    name = f"mixed-{lab.namespace}"
    capacity = {"cpu": "32", "memory": "128Gi", "pods": "50", "nvidia.com/gpu": "1"}
    nodes = [(f"{machine}-{number}", machine) for machine, _, _, count in FEW for number in range(count)]
    for node, machine in nodes:
        lab.cluster.fake_node(node, {"node.kubernetes.io/instance-type": machine}, capacity)
    rows = [priced(machine, card, 24, usd, accelerators=1) for machine, card, usd, _ in FEW]
    spec = {**CATALOG["spec"], "offers": rows}
    lab.server.create(OFFER_CATALOGS, {"metadata": {"name": name}, "spec": spec})
    yield name
    lab.server.delete(OFFER_CATALOGS, "", name)
    for node, _ in nodes:
        lab.cluster.kubectl("delete", "node", node)


def carried(lab: Lab) -> dict[str, int]:
    """What each replica carries at once by its pool's row of the status, by address."""
    rows = ((lab.llm() or {}).get("status") or {}).get("fleet") or ()
    slots = {row["pool"]: row.get("slots", 0) for row in rows}
    pods = lab.server.all(PODS, lab.namespace)
    return {pod["status"].get("podIP", ""): slots.get(pod["metadata"]["labels"][POOL], 0) for pod in pods}


def weights(brain: BrainProcess) -> dict[str, int]:
    """Of each address, as Envoy is told."""
    try:
        document = json.loads(Path(Files(str(brain.folder)).endpoints("chat")).read_text(encoding="utf-8"))
    except FileNotFoundError:  # the brain has not heard of the model yet
        return {}
    return {
        each["endpoint"]["address"]["socket_address"]["address"]: each["load_balancing_weight"]
        for group in document["resources"][0]["endpoints"]
        for each in group["lb_endpoints"]
    }


def test_mixed_variants_serve_side_by_side_and_each_is_weighed_by_what_it_carries(
    lab: Lab, few_machines: str, brains: Callable[[str], BrainProcess], emulator: EmulatorProcess
) -> None:
    brain = brains("gateway-a")
    running = lab.start(None, gateways=lab.namespace, scrape_proxy=emulator.address, **READS)
    lab.create(**LADEN, variantPolicy="Mixed", placement={"catalogs": [few_machines]})

    def side_by_side() -> bool:
        rows = fleet(lab)
        return {variant for variant, wanted, ready, _ in rows if wanted == ready > 0} == {"bf16", "fp8"}

    eventually(side_by_side, within_s=240.0, what="both variants serve")
    eventually(lambda: len(set(carried(lab).values())) == 2 and carried(lab) == weights(brain), what="weights by slots")
    eventually(lambda: sent(lab, brain, 20).keys() <= {"bf16", "fp8"}, what="it is sent to them alone")
    assert running.tracebacks == []
