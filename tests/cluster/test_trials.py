"""Variants behind a gateway on a real control plane: one on trial beside another, and two that serve together."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from wharfage_api.labels import TRIAL, VARIANT
from wharfage_gateway.unixhttp import UnixConnection
from wharfage_operator.kinds import LLM_DEPLOYMENTS, PODS

from tests.cluster.brain import BrainProcess
from tests.cluster.lab import Lab
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
    eventually_is(lambda: fleet(lab), [("bf16", 1, 1, False), ("int4", 1, 1, True)], what="both serve")
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
