"""Pages of NVIDIA's DCGM exporter, in its own format.

Lines are laid out as its template does (NVIDIA/dcgm-exporter, internal/pkg/rendermetrics/render_metrics.go at commit
5f9250c211a011dd46028bde83e1c4a625c46402), with the names, types and words of etc/default-counters.csv at commit
b54068a9feef589e07fc36c22642ad4bb61f6420 and the labels of a pod of internal/pkg/transformation/const.go at commit
3541fe3db33807409a1b083e04a339ea454ef03c.
"""

from collections.abc import Iterable
from dataclasses import dataclass

_FIELDS = {
    "DCGM_FI_DEV_POWER_USAGE": ("gauge", "Power draw (in W)."),
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": ("counter", "Total energy consumption since boot (in mJ)."),
    "DCGM_FI_DEV_GPU_UTIL": ("gauge", "GPU utilization (in %)."),
}


@dataclass(frozen=True)
class Gpu:
    """One GPU, given to a pod or to nobody; with `slice_` one slice of it. Energy in millijoules."""

    number: int
    pod: str = ""
    namespace: str = "shop"
    util: float = 70.0
    watts: float = 300.0
    energy_mj: float = 5_551_899_580.0
    slice_: str = ""

    def labels(self) -> str:
        """Those of the template, in its order."""
        uuid = f"GPU-5b4e07f6-3a86-4340-039d-25f2a83cdc4{self.number}"
        bus = f"00000000:00:0{self.number}.0"
        bus = f"00000000:00:0{self.number}.0"
        known = f'gpu="{self.number}",UUID="{uuid}",pci_bus_id="{bus}",device="nvidia{self.number}"'
        sliced = f',GPU_I_PROFILE="3g.20gb",GPU_I_ID="{self.slice_}"' if self.slice_ else ""
        given = f',container="engine",namespace="{self.namespace}",pod="{self.pod}"' if self.pod else ""
        return f'{known},modelName="NVIDIA L40S"{sliced},Hostname="gpu1-wl8sg"{given}'

    def values(self) -> tuple[float, float, float]:
        """In the order of the fields."""
        return self.watts, self.energy_mj, self.util


def page(gpus: Iterable[Gpu]) -> str:
    """What the exporter answers."""
    there = tuple(gpus)
    lines: list[str] = []
    for place, (name, (kind, words)) in enumerate(_FIELDS.items()):
        lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
        lines += [f"{name}{{{gpu.labels()}}} {gpu.values()[place]:.6f}" for gpu in there]
    return "\n".join([*lines, ""])
