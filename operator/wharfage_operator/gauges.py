"""What is shown of each deployment on the operator's page: gauges that change and end with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Gauge

Key = tuple[str, str]
Labels = tuple[str, ...]

_MEASURED = {
    "requests_per_second": "Requests that come, over the last minute",
    "demand_requests_per_second": "The same in requests of the kind that capacity is told in",
    "expected_requests_per_second": "What is expected for when a replica ordered now serves, in the same unit",
    "wanted_requests_per_second": "What replicas are held for, in the same unit",
    "requests_waiting": "Requests that wait in the engines",
    "prompt_tokens_per_second": "Tokens of the prompts that come, cached ones included, over the last minute",
    "output_tokens_per_second": "Tokens that the engines make, over the last minute",
    "late_ratio": "Share of the answers of five minutes that missed an objective",
    "ttft_p95_seconds": "95th percentile of the time to the first token, over the last minute",
    "tpot_p95_seconds": "95th percentile of the time per output token, over the last minute",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """One deployment's. `measured` by the names above; what is not known is absent, never 0.

    `engines` are ready replicas by variant, accelerator and accelerators of one replica, `conditions` status and
    reason by type.
    """

    ready: int = 0
    wanted: int = 0
    usd_per_hour: float | None = None
    measured: Mapping[str, float] = field(default_factory=dict)
    engines: Mapping[tuple[str, str, int], int] = field(default_factory=dict)
    conditions: Mapping[str, tuple[str, str]] = field(default_factory=dict)


class Gauges:
    """All deployments'. A series that a deployment has no longer is removed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """The registry that shows them."""

        def gauge(name: str, about: str, *labels: str) -> Gauge:
            return Gauge(f"wharfage_{name}", about, ["namespace", "name", *labels], registry=registry)

        self._usd_per_hour = gauge("usd_per_hour", "Cost of a deployment's fleet")
        self._replicas = gauge("replicas", "Replicas by state", "state")
        self._engines = gauge(
            "engine_replicas", "Ready replicas by what they run", "variant", "accelerator", "accelerators"
        )
        self._conditions = gauge("condition", "1 for what a condition says now", "type", "status", "reason")
        self._measured = {name: gauge(name, about) for name, about in _MEASURED.items()}
        self._shown: dict[Key, dict[Gauge, set[Labels]]] = {}

    def show(self, key: Key, figures: Figures) -> None:
        """What holds of one deployment now."""
        shown: dict[Gauge, dict[Labels, float]] = {
            self._replicas: {("ready",): figures.ready, ("wanted",): figures.wanted},
            self._engines: {(*kind, str(each)): count for (*kind, each), count in figures.engines.items()},
            self._conditions: {(about, *said): 1.0 for about, said in figures.conditions.items()},
        }
        for name, value in figures.measured.items():
            shown[self._measured[name]] = {(): value}
        if figures.usd_per_hour is not None:
            shown[self._usd_per_hour] = {(): figures.usd_per_hour}
        before = self._shown.get(key, {})
        for gauge, labels in before.items():
            for gone in labels - shown.get(gauge, {}).keys():
                gauge.remove(*key, *gone)
        for gauge, rows in shown.items():
            for labels_, value in rows.items():
                gauge.labels(*key, *labels_).set(value)
        self._shown[key] = {gauge: set(rows) for gauge, rows in shown.items()}

    def forget(self, key: Key) -> None:
        """A deployment is gone: its series end."""
        for gauge, rows in self._shown.pop(key, {}).items():
            for labels in rows:
                gauge.remove(*key, *labels)
