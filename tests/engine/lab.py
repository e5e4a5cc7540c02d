"""Real vLLM in pods that the operator makes, on a real node: what the demo shows and the suite tests.

`open_empty` brings up cluster, operator and gateway; what follows is what one can do with them and the deployment of
`examples/engine`: ask through the Service, read metrics and prices, scale, keep clients busy while a replica goes. What
goes through the gateway is in `front.py`.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.devcluster import images
from tests.devcluster.cluster import Cluster
from tests.engine.clients import Tally
from tests.engine.environment import environment, tiny_model
from tests.engine.volumes import claims
from tests.node.release import Release, gateway_image, operator_image

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "engine"
NAMESPACE = "lab"
NAME = "tiny"
PORT = 8000
MACHINE_LABELS = {"node.kubernetes.io/instance-type": "cpu-2"}
READY_WITHIN_S = 600.0
TAKEN_BACK = "aws-node-termination-handler/spot-itn"
FIGURES = (
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:kv_cache_usage_perc",
    "vllm:prompt_tokens_total",
    "vllm:generation_tokens_total",
    "vllm:time_to_first_token_seconds_count",
    "vllm:request_time_per_output_token_seconds_count",
)
"""What the operator scales on, of the hundred metrics that an engine has."""

KEYS = {"red": "sk-red", "blue": "sk-blue"}
"""The gateway's tenants, each with its API key."""
SECRET = "team-keys"
GATEWAY = (
    "gateway.enabled=true",
    f"gateway.namespaces={{{NAMESPACE}}}",
    f"gateway.keySecrets={{{SECRET}}}",
    "gateway.drainSeconds=30",
    # Two replicas of 900m, the operator and two gateways are to fit one machine of two cores.
    "gateway.envoyResources.requests.cpu=25m",
    "gateway.brainResources.requests.cpu=25m",
)
# Seconds where production takes minutes: a test does not wait for a window to fill.
PACE = tuple(
    f"operator.settings.{setting}"
    for setting in ("scrape_every_s=2", "scrape_window_s=20", "status_every_s=2", "budgets_every_s=2")
)
SETTINGS = (*PACE, *GATEWAY)


class Late(AssertionError):  # noqa: N818 -- what happened, as the demo prints it
    """Something did not come about in time; the message says what was seen last."""


Announce = Callable[[str], None]


Manifest = dict[str, Any]


def example(deployment: str = "tiny.yaml") -> list[Manifest]:
    """What a user would apply: the offers and a deployment of `examples/engine`."""
    return [yaml.safe_load((EXAMPLE / part).read_text(encoding="utf-8")) for part in ("offers.yaml", deployment)]


@contextmanager
def open_empty(
    announce: Announce = print,
    *,
    labels: Mapping[str, str] = MACHINE_LABELS,
    around: Sequence[Manifest] = (),
    second_node: bool = False,
) -> Iterator["Lab"]:
    """A cluster with a real node, operator and gateway in pods, engines and weights, and nothing that is served.

    Everything goes at the end. `announce` is told each stage that takes more than a moment. `labels` are the node's,
    and a second one's; `around` is what the cluster has before the operator comes.
    """
    announce("vLLM's environment and a tiny model (cached after the first time)")
    folders = {"vllm": environment().folder, "weights": tiny_model()}
    announce("the images of operator and gateway, from the Dockerfile")
    needed = [
        images.project("operator", operator_image()),
        images.project("gateway", gateway_image()),
        images.build(Path(__file__).parent / "image", engine_image()),
    ]
    announce("a control plane and a real node")
    with Cluster.up(kwok=False, node=True) as cluster:
        nodes = [cluster.node]
        if second_node:
            announce("a second node")
            nodes.append(cluster.second_node())
            nodes[-1].start()
        announce("the images into the node")
        for node in nodes:
            for image in needed:
                node.load(image)
            node.declare({}, labels=labels)
        if around:
            cluster.apply(around)
        cluster.apply((EXAMPLE / "namespace.yaml").read_text(encoding="utf-8"))
        cluster.apply(claims(NAMESPACE, folders))
        keys = {"metadata": {"name": SECRET, "namespace": NAMESPACE}, "stringData": KEYS}
        cluster.apply({"apiVersion": "v1", "kind": "Secret", **keys})
        announce(f"helm install wharfage charts/wharfage --wait --set {','.join(GATEWAY[:3])}")
        release = Release(cluster)
        release.install(*SETTINGS)
        yield Lab(cluster, release)


def engine_image() -> str:
    """The image that the example names."""
    deployment = yaml.safe_load((EXAMPLE / "tiny.yaml").read_text(encoding="utf-8"))
    return str(deployment["spec"]["engine"]["image"])


@dataclass(frozen=True, slots=True)
class Lab:
    """The running example."""

    cluster: Cluster
    release: Release

    def kubectl(self, *arguments: str) -> str:
        """kubectl in the example's namespace."""
        return self.cluster.kubectl("-n", NAMESPACE, *arguments)

    def apply(self, manifests: Sequence[Manifest]) -> None:
        """As a user would, one after the other."""
        for manifest in manifests:
            self.cluster.apply(manifest)

    def clear(self) -> None:
        """Delete the deployment, and wait until its pods have drained and are gone."""
        self.kubectl("delete", "llm", NAME)
        until("its pods are gone", lambda: (not self.pods(), "they drain"), timeout_s=180)

    def deployment(self) -> dict[str, Any]:
        """The LLMDeployment as it is now."""
        return dict(json.loads(self.kubectl("get", "llm", NAME, "-o", "json")))

    def readiness(self) -> tuple[bool, str]:
        """Whether what was last asked for serves, and what its condition says."""
        seen = self.deployment()
        status = seen.get("status", {})
        condition: dict[str, Any] = next((row for row in status.get("conditions", ()) if row["type"] == "Ready"), {})
        current = condition.get("observedGeneration") == seen["metadata"]["generation"]
        complete = status.get("readyReplicas") == seen["spec"]["replicas"] == len(self.ready_pods())
        words = f"{condition.get('reason', 'not seen by the operator yet')}: {condition.get('message', '')}"
        return condition.get("status") == "True" and current and complete, words

    def pods(self) -> list[dict[str, Any]]:
        """The engines' pods, those on their way out included."""
        found = json.loads(self.kubectl("get", "pods", "-l", f"wharfage.dev/llmdeployment={NAME}", "-o", "json"))
        return list(found["items"])

    def ready_pods(self) -> list[str]:
        """Names of the pods that the Service sends requests to."""
        return sorted(
            pod["metadata"]["name"]
            for pod in self.pods()
            if "deletionTimestamp" not in pod["metadata"]
            and any(row["type"] == "Ready" and row["status"] == "True" for row in pod["status"].get("conditions", ()))
        )

    def begun(self) -> set[str]:
        """Names of the pods whose engine was started, ready or not."""
        return {
            pod["metadata"]["name"]
            for pod in self.pods()
            if any("running" in row["state"] for row in pod["status"].get("containerStatuses", ()))
        }

    def url(self) -> str:
        """The Service's address; it leads somewhere inside the cluster's network only."""
        address = self.kubectl("get", "service", NAME, "-o=jsonpath={.spec.clusterIP}").strip()
        return f"http://{address}:{PORT}"

    def asking(self, question: str, *, max_tokens: int = 48) -> list[str]:
        """The command that streams an answer through the Service."""
        asked = [self.url(), question, "--model", NAME, "--max-tokens", str(max_tokens)]
        return self.cluster.enter([sys.executable, "-m", "tests.engine.ask", *asked])

    def figures(self, pod: str) -> dict[str, float]:
        """Of one pod's own metrics, those that the operator reads."""
        page = self.kubectl("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:{PORT}/proxy/metrics")
        rows = (line.rsplit(" ", 1) for line in page.splitlines() if line.startswith("vllm:"))
        found = {name.split("{")[0]: float(value) for name, value in rows}
        return {name: found[name] for name in FIGURES if name in found}

    def cost(self) -> dict[str, str]:
        """US dollars per hour, and per million tokens once that is known."""
        return dict(self.deployment().get("status", {}).get("cost", {}))

    def load(self) -> dict[str, str]:
        """What the operator measured lately."""
        return dict(self.deployment().get("status", {}).get("load", {}))

    def scale(self, replicas: int) -> str:
        """As a user would."""
        return self.kubectl("scale", "llm", NAME, f"--replicas={replicas}")

    @contextmanager
    def clients(self, count: int, *options: str) -> Iterator["Running"]:
        """Clients with kept connections to the Service, until the block ends; their tally is there afterwards.

        `options` as `tests.engine.clients` takes them.
        """
        program = [sys.executable, "-m", "tests.engine.clients", self.url(), "--clients", str(count), *options]
        process = subprocess.Popen(
            self.cluster.enter(program), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        running = Running()
        try:
            yield running
            said, _ = process.communicate(timeout=90)
            running.tally = Tally(**json.loads(said))
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def busiest(self) -> tuple[str, float]:
        """The ready pod with the most requests in hand, and how many."""
        running = {pod: self.figures(pod)["vllm:num_requests_running"] for pod in self.ready_pods()}
        return max(running.items(), key=lambda row: row[1])

    def take_away(self, pod: str) -> None:
        """What the drain of a node does to a pod; returns at once."""
        self.kubectl("delete", "pod", pod, "--wait=false")

    def kill(self, pod: str) -> None:
        """SIGKILL to the engine in a pod: no hook, no drain, every connection broken."""
        seen = json.loads(self.kubectl("get", "pod", pod, "-o", "json"))
        (container,) = seen["status"]["containerStatuses"]
        name = container["containerID"].removeprefix("containerd://")
        nodes = (self.cluster.node, self.cluster.second_node())
        node = next(each for each in nodes if each.name == seen["spec"]["nodeName"])
        node.ctr("tasks", "kill", "--signal", "SIGKILL", name)

    def node_of(self, pod: str) -> str:
        """The node that a pod runs on."""
        return self.kubectl("get", "pod", pod, "-o=jsonpath={.spec.nodeName}")

    def take_back(self, node: str) -> float:
        """The cloud's notice for a node, as AWS' termination handler writes it; when that was (Unix seconds)."""
        self.kubectl("taint", "node", node, f"{TAKEN_BACK}=:NoSchedule")
        return time.time()

    def give_back(self, node: str) -> None:
        """Another machine under the same name."""
        self.kubectl("taint", "node", node, f"{TAKEN_BACK}-")

    def gone(self, pod: str) -> bool:
        """Whether nothing of a pod is left."""
        return all(each["metadata"]["name"] != pod for each in self.pods())


@dataclass(slots=True)
class Running:
    """Clients at work; `tally` is filled when they have stopped."""

    tally: Tally | None = None


def until(what: str, look: Callable[[], tuple[bool, str]], *, timeout_s: float, every_s: float = 0.5) -> float:
    """Look until it is so; the seconds it took. Raises `Late` with what was seen last."""
    began_s = time.monotonic()
    while True:
        so, seen = look()
        took_s = time.monotonic() - began_s
        if so:
            return took_s
        if took_s > timeout_s:
            raise Late(f"{what}: not within {timeout_s:.0f} s; last seen: {seen}")
        time.sleep(every_s)


def stream(command: Sequence[str]) -> Iterator[tuple[float, str]]:
    """Run a program and give what it prints as it prints it, each piece with the seconds since the start.

    Raises `Late` with its error text when it fails.
    """
    began_s = time.monotonic()
    with subprocess.Popen(list(command), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while piece := process.stdout.read1():  # type: ignore[attr-defined]
            yield time.monotonic() - began_s, piece.decode(errors="replace")
        trouble = process.stderr.read().decode(errors="replace")
    if process.returncode != 0:
        raise Late(f"no answer: {trouble}")
