"""The loop closed on real engines: what the tests of `test_loop` have in common."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.engine.clients import Tally
from tests.engine.figures import Figures
from tests.engine.lab import NAME, NAMESPACE, SETTINGS, Lab, Manifest, Running, example
from tests.engine.machines import BOTH, catalog
from tests.engine.repeating import repeating
from tests.engine.scraped import Prometheus, prometheus
from tests.engine.watching import EVERY_S, Watching, pods_of
from tests.node.release import NAMESPACE as OPERATOR_NAMESPACE

PROMPT_TOKENS, OUTPUT_TOKENS = 128, 64
PROMPT = "import os\n" * 60  # about as many tokens
CHEAP, DEAR = "0.02", "0.08"
MOST = 2
"""Replicas; two cores have room for no more."""

_CAPACITY = re.compile(r"^wharfage_capacity_requests_per_second\{(?P<labels>[^}]*)\} (?P<rps>\S+)$", re.MULTILINE)


@dataclass(slots=True)
class Loop:
    """A deployment in mode Auto with all that looks at it."""

    lab: Lab
    watching: Watching
    prometheus: Prometheus
    figures: Figures

    def price(self, *, small: str, large: str) -> float:
        """What machines cost from now on; returns the time of the change (Unix seconds)."""
        self.lab.cluster.apply(catalog({"small": small, "large": large}))
        return time.time()

    def allow(self, replicas: int) -> None:
        """Another `maxReplicas`: one until the load is to be followed, so that no noise on two shared cores is."""
        patch = {"spec": {"scaling": {"maxReplicas": replicas}}}
        self.lab.kubectl("patch", "llm", NAME, "--type=merge", "-p", json.dumps(patch))

    def serving(self, **wanted: int) -> tuple[bool, str]:
        """Whether exactly so many replicas serve on each machine, and nothing else is left; and what is there."""
        if not self.watching.samples:
            return False, "not looked yet"
        last = self.watching.samples[-1]
        complete = {machine.name: wanted.get(machine.name, 0) for machine in BOTH}
        return last.ready == complete == last.pods, f"{last}; {self.decided()}"

    def fewest(self, since_s: float) -> int:
        """The fewest replicas that were seen to serve since then; more than there can be where nobody has looked."""
        return min((sum(sample.ready.values()) for sample in self.watching.since(since_s)), default=MOST + 1)

    def decided(self) -> str:
        """The decision that stands, in its own words."""
        return str(self.lab.deployment().get("status", {}).get("decision", {}).get("summary", "nothing decided"))

    @contextmanager
    def clients(self, count: int, *, pause_s: float = 0.0, tokens: int = OUTPUT_TOKENS) -> Iterator[Running]:
        """Clients whose connections are renewed now and then, so that a replica that is added gets its share."""
        options = ("--prompt", PROMPT, "--max-tokens", str(tokens), "--renewed-after", "10")
        with self.lab.clients(count, *options, "--pause-s", str(pause_s)) as running:
            yield running

    def ask_prometheus(self) -> None:
        """From now on the operator reads what Prometheus has recorded, and no pod."""
        port = self.prometheus.url.rsplit(":", 1)[1]
        self.lab.release.upgrade(
            *SETTINGS,
            f"operator.settings.prometheus_url={self.prometheus.url}",
            f"networkPolicy.extraEgress[0].ports[0].port={port}",
            "networkPolicy.extraEgress[0].ports[0].protocol=TCP",
        )

    def restarts(self, pod: str) -> int:
        """How often a pod's engine was started again."""
        (container,) = json.loads(self.lab.kubectl("get", "pod", pod, "-o", "json"))["status"]["containerStatuses"]
        return int(container["restartCount"])

    def others(self, than: set[str]) -> set[str]:
        """Pods of the deployment that are not among these."""
        return {pod["metadata"]["name"] for pod in self.lab.pods()} - than

    def addressed(self) -> set[str]:
        """The pods that the Service sends new connections to."""
        selector = f"--selector=kubernetes.io/service-name={NAME}"
        slices = json.loads(self.lab.kubectl("get", "endpointslices", selector, "-o", "json"))["items"]
        rows = [row for each in slices for row in each.get("endpoints") or ()]
        return {row["targetRef"]["name"] for row in rows if row["conditions"].get("ready")}

    def expected_rps(self, cores: int) -> dict[str, float]:
        """What the operator says that a replica on so many cores carries: by the model, and as it was calibrated."""
        (pod, *_) = self.lab.release.pods()
        path = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{pod['metadata']['name']}:8080/proxy/metrics"
        found: dict[str, float] = {}
        for row in _CAPACITY.finditer(self.lab.kubectl("get", "--raw", path)):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', row["labels"]))
            if labels["name"] == NAME and labels["accelerators"] == str(cores):
                found["calibrated" if labels["calibrated"] == "true" else "model"] = float(row["rps"])
        return found

    def counted(self, tally: Tally | None, *, lost: int = 0) -> Tally:
        """Add what clients met to the figures."""
        assert tally is not None
        self.figures.engine_requests += tally.requests
        self.figures.engine_failed_requests += len(tally.failures) - lost
        return tally


def deployment() -> list[Manifest]:
    """The example's model in mode Auto on the cheaper of two machines."""
    tiny: dict[str, Any] = next(manifest for manifest in example() if manifest["kind"] == "LLMDeployment")
    spec = tiny["spec"]
    del spec["replicas"]
    # The quota is less than a core: more threads would only wait for each other.
    spec["engine"]["env"] = [{"name": "OMP_NUM_THREADS", "value": "1"}]
    spec["scaling"] = {"mode": "Auto", "minReplicas": 1, "maxReplicas": 1, "vertical": {"cooldown": "0s"}}
    spec["traffic"] = {
        "promptTokens": {"mean": PROMPT_TOKENS, "p95": PROMPT_TOKENS},
        "outputTokens": {"mean": OUTPUT_TOKENS, "p95": OUTPUT_TOKENS},
    }
    return [catalog({"small": CHEAP, "large": DEAR}), tiny]


@contextmanager
def closed(lab: Lab, figures: Figures) -> Iterator[Loop]:
    """The deployment, a Prometheus beside it, and somebody who looks at every pod all the time."""
    recorded = prometheus(lab.cluster)
    watching = Watching(pods_of(lab.cluster, NAMESPACE, NAME), recorded.scrapes)
    with repeating(watching.once, every_s=EVERY_S):
        lab.apply(deployment())
        yield Loop(lab, watching, recorded, figures)
    lab.clear()
    lab.release.upgrade(*SETTINGS)
