"""What goes through the gateway of the lab: tenants that ask, and what its own pages tell."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from prometheus_client.parser import text_string_to_metric_families

from tests.engine.lab import KEYS, NAME, NAMESPACE, ROOT, Lab
from tests.engine.tenants import PATIENCE_S, Seen

SERVICE = "wharfage-gateway"
PAGES_PORT = 8081
EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Look:
    """What the gateway's page told: asked for and read at these Unix seconds, requests and openness by replica."""

    asked_at: float
    read_at: float
    running: dict[str, float]
    open: dict[str, bool]


@dataclass(frozen=True, slots=True)
class Front:
    """The gateway before the lab's model; `pod` is its only one."""

    lab: Lab
    pod: str

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
        """The gateway's page now."""
        asked_at = time.time()
        told = self.rows()
        running, is_open = (
            {labels["replica"]: value for labels, value in told(f"wharfage_gateway_{name}")}
            for name in ("running", "open")
        )
        return Look(asked_at, time.time(), running, {name: value > 0.0 for name, value in is_open.items()})

    def tokens(self) -> dict[str, tuple[int, int]]:
        """Of prompts and answers by tenant, as the gateway has counted them."""
        told = self.rows()
        prompt, output = (
            {labels["tenant"]: int(value) for labels, value in told(f"wharfage_gateway_{name}_tokens_total")}
            for name in ("prompt", "output")
        )
        return {tenant: (prompt.get(tenant, 0), output.get(tenant, 0)) for tenant in KEYS}

    def rows(self) -> Callable[[str], list[tuple[dict[str, str], float]]]:
        """The page, read once: gives the rows of a metric."""
        page = self.lab.cluster.read(f"/api/v1/namespaces/{NAMESPACE}/pods/{self.pod}:{PAGES_PORT}/proxy/metrics")
        families = list(text_string_to_metric_families(page))

        def rows_of(name: str) -> list[tuple[dict[str, str], float]]:
            return [(row.labels, row.value) for each in families for row in each.samples if row.name == name]

        return rows_of

    @contextmanager
    def watching(self) -> Iterator["Looking"]:
        """Looks at the page ten times a second until the block ends."""
        with Looking(self.look) as looking:
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


def front_of(lab: Lab) -> Front:
    """The gateway of the lab's namespace."""
    selector = "--selector=app.kubernetes.io/component=gateway"
    pod = lab.kubectl("get", "pods", selector, "-o=jsonpath={.items[0].metadata.name}")
    return Front(lab, pod)


@dataclass(slots=True)
class Streams:
    """Tenants at work; what they have seen is filled in when they have stopped."""

    seen: list[Seen] = field(default_factory=list)

    def ended(self, how: str) -> list[Seen]:
        """Those that ended like this."""
        return [each for each in self.seen if each.ended == how]


@dataclass(slots=True)
class Looking:
    """Looks until the block ends; a look that fails ends it, and is raised there."""

    look: Callable[[], Look]
    looks: list[Look] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _trouble: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="looking")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._trouble is not None:
            raise self._trouble

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            try:
                self.looks.append(self.look())
            except Exception as error:
                self._trouble = error
                return


def _told(process: subprocess.Popen[str]) -> list[Seen]:
    """End its input, and read what it has seen once it is through."""
    said, _ = process.communicate(timeout=PATIENCE_S + 60.0)
    return [Seen(**each) for each in json.loads(said)]


def _end(process: subprocess.Popen[Any]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()
