"""What goes through the gateways of the lab: tenants that ask, what their pages tell, and what engines wrote down."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.devcluster import build
from tests.engine.lab import KEYS, NAME, NAMESPACE, ROOT, Lab
from tests.engine.repeating import repeating
from tests.engine.tenants import PATIENCE_S, Seen

SERVICE = "wharfage-gateway"
PAGES_PORT = 8081
EVERY_S = 0.1
_ASKED = re.compile(r'^(?P<date>\S+?)\.(?P<nanos>\d+)Z .*"POST /v1/completions ')


@dataclass(frozen=True, slots=True)
class Look:
    """What the gateways' pages told: asked for and read at these Unix seconds; by replica the requests, and whether any
    gateway sends new ones there."""

    asked_at: float
    read_at: float
    running: dict[str, float]
    open: dict[str, bool]


@dataclass(frozen=True, slots=True)
class Front:
    """The gateways before the lab's model; what their pages tell is added up."""

    lab: Lab
    pods: tuple[str, ...]

    @property
    def url(self) -> str:
        """Where clients ask; it leads somewhere inside the cluster's network only."""
        address = self.lab.kubectl("get", "service", SERVICE, "-o=jsonpath={.spec.clusterIP}").strip()
        return f"http://{address}"

    def replicas(self, *, least: int, most: int) -> str:
        """Another least and most of replicas, as a user would write them."""
        patch = {"spec": {"scaling": {"minReplicas": least, "maxReplicas": most}}}
        return self.lab.kubectl("patch", "llm", NAME, "--type=merge", "-p", json.dumps(patch))

    def doing(self) -> str:
        """What its condition Ready says: where a request that waits is at."""
        conditions = self.lab.deployment().get("status", {}).get("conditions", ())
        ready = next((row for row in conditions if row["type"] == "Ready"), {"reason": "not seen yet", "message": ""})
        return f"{ready['reason']}: {ready['message']}"

    def reason(self) -> str:
        """The first word of that."""
        return self.doing().partition(":")[0]

    def at_rest(self) -> tuple[bool, str]:
        """Whether nothing runs any more, neither in the gateway's books nor in an engine, and what does."""
        running = sum(self.look().running.values())
        in_engines = sum(self.lab.figures(pod)["vllm:num_requests_running"] for pod in self.lab.ready_pods())
        return running == in_engines == 0, f"{running:g} run at the gateway, {in_engines:g} in the engines"

    def serving(self, count: int) -> tuple[bool, str]:
        """Whether exactly so many replicas serve and nothing else is left, and what is there."""
        ready, pods = self.lab.ready_pods(), self.lab.pods()
        return len(ready) == len(pods) == count, f"{len(ready)} of {len(pods)} pods are ready; {self.reason()}"

    def look(self) -> Look:
        """The gateways' pages now."""
        asked_at = time.time()
        told = self.rows()
        running, is_open = (summed(told(f"wharfage_gateway_{name}"), "replica") for name in ("running", "open"))
        return Look(asked_at, time.time(), running, {name: value > 0.0 for name, value in is_open.items()})

    def tokens(self) -> dict[str, tuple[int, int]]:
        """Of prompts and answers by tenant, as the gateways have counted them."""
        told = self.rows()
        prompt, output = (
            summed(told(f"wharfage_gateway_{name}_tokens_total"), "tenant") for name in ("prompt", "output")
        )
        return {tenant: (int(prompt.get(tenant, 0)), int(output.get(tenant, 0))) for tenant in KEYS}

    def rows(self) -> Callable[[str], list[tuple[dict[str, str], float]]]:
        """All pages, each read once: gives the rows of a metric."""
        paths = (f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:{PAGES_PORT}/proxy/metrics" for pod in self.pods)
        families = [each for path in paths for each in text_string_to_metric_families(self.lab.cluster.read(path))]

        def rows_of(name: str) -> list[tuple[dict[str, str], float]]:
            return [(row.labels, row.value) for each in families for row in each.samples if row.name == name]

        return rows_of

    @contextmanager
    def watching(self) -> Iterator["Looking"]:
        """Looks at the pages ten times a second until the block ends."""
        looking = Looking(self.look)
        with repeating(looking.once, every_s=EVERY_S):
            yield looking

    @contextmanager
    def streaming(self, *options: str) -> Iterator["Streams"]:
        """Both tenants ask until the block ends; what they saw is there afterwards. `options` are `tenants`' own."""
        process = self._start(*options)
        streams = Streams()
        try:
            yield streams
            streams.seen = _told(process)
        finally:
            _end(process)

    def streams(self, *options: str, tenants: Iterable[str] = KEYS) -> list[Seen]:
        """These tenants ask a number of times (`--requests`), and what they saw."""
        process = self._start(*options, tenants=tenants)
        try:
            return _told(process)
        finally:
            _end(process)

    def _start(self, *options: str, tenants: Iterable[str] = KEYS) -> subprocess.Popen[str]:
        keys = [word for tenant in tenants for word in ("--key", f"{tenant}={KEYS[tenant]}")]
        program = [sys.executable, "-m", "tests.engine.tenants", self.url, "--model", NAME, *keys, *options]
        inside = self.lab.cluster.enter(program)
        return subprocess.Popen(inside, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @contextmanager
    def written_by(self, pod: str, into: Path) -> Iterator[Path]:
        """What an engine writes, with the time of each line, followed until the pod is gone or the block ends."""
        command = [str(build.kubectl()), f"--kubeconfig={self.lab.cluster.kubeconfig}", "-n", NAMESPACE]
        with into.open("w") as file:
            process = subprocess.Popen(
                [*command, "logs", "--follow", "--timestamps", pod], stdin=subprocess.DEVNULL, stdout=file
            )
            try:
                yield into
            finally:
                _end(process)


def front_of(lab: Lab) -> Front:
    """The gateways of the lab's namespace."""
    selector = "--selector=app.kubernetes.io/component=gateway"
    return Front(lab, tuple(lab.kubectl("get", "pods", selector, "-o=jsonpath={.items[*].metadata.name}").split()))


def summed(rows: Iterable[tuple[dict[str, str], float]], label: str) -> dict[str, float]:
    """What rows of a metric come to for each value of a label."""
    found: dict[str, float] = {}
    for labels, value in rows:
        found[labels[label]] = found.get(labels[label], 0.0) + value
    return found


@dataclass(slots=True)
class Streams:
    """Tenants at work; what they have seen is filled in when they have stopped."""

    seen: list[Seen] = field(default_factory=list)

    def ended(self, how: str) -> list[Seen]:
        """Those that ended like this."""
        return [each for each in self.seen if each.ended == how]


@dataclass(slots=True)
class Looking:
    """Looks, and what they showed."""

    look: Callable[[], Look]
    looks: list[Look] = field(default_factory=list)

    def last(self) -> Look:
        """The newest look; another one is made where there is none yet."""
        return self.looks[-1] if self.looks else self.look()

    def once(self) -> None:
        """One look more."""
        self.looks.append(self.look())


def asked_at(log: Path) -> list[float]:
    """When an engine began to answer each of its requests (Unix seconds), by what it wrote."""
    found = []
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if match := _ASKED.match(line):
            began = datetime.fromisoformat(f"{match['date']}+00:00").timestamp()
            found.append(began + float(f"0.{match['nanos']}"))
    return found


def _told(process: subprocess.Popen[str]) -> list[Seen]:
    """End its input, and read what it has seen once it is through."""
    said, _ = process.communicate(timeout=PATIENCE_S + 60.0)
    return [Seen(**each) for each in json.loads(said)]


def _end(process: subprocess.Popen[Any]) -> None:
    with process:  # waits for it, and closes what it said
        if process.poll() is None:
            process.kill()
