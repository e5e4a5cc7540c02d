"""What is shown of GPUs on the operator's page: gauges that end with what is known, and the energy they took."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from wharfage_operator.dcgm import Gpus
from wharfage_operator.kinds import Key


class GpuGauges:
    """All deployments'."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """The registry that shows them."""
        whose = ["namespace", "name"]
        self._busy = Gauge(
            "wharfage_gpu_busy_ratio",
            "Share of the time in which a kernel ran on a deployment's GPUs, as DCGM tells it",
            whose,
            registry=registry,
        )
        self._watts = Gauge("wharfage_gpu_power_watts", "Power of a deployment's GPUs", whose, registry=registry)
        self._joules = Counter(
            "wharfage_energy_joules", "Energy of a deployment's GPUs since this replica leads", whose, registry=registry
        )

    def show(self, found: Mapping[Key, Gpus]) -> None:
        """What holds of all of them now."""
        self._busy.clear()
        self._watts.clear()
        for key, seen in found.items():
            if seen.busy is not None:
                self._busy.labels(*key).set(seen.busy)
            if seen.watts is not None:
                self._watts.labels(*key).set(seen.watts)

    def used(self, key: Key, joules: float) -> None:
        """Count energy. Its series stays when the deployment goes: it is of the past."""
        self._joules.labels(*key).inc(joules)
