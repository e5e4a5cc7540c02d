"""What common machines hold, read from machines.yaml: price tables often name the machine and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

import yaml


@dataclass(frozen=True, slots=True)
class Machine:
    """What one machine type holds; `accelerator` is a key of the accelerators' table."""

    accelerator: str
    accelerators: int
    vcpus: int
    memory_gib: int


@cache
def machines(provider: str) -> Mapping[str, Machine]:
    """The machines of a provider that are known, by the provider's name of them; none for a provider without."""
    text = resources.files("wharfage_cli.offers").joinpath("machines.yaml").read_text("utf-8")
    rows = yaml.safe_load(text).get(provider, {})
    return MappingProxyType({name: Machine(*row) for name, row in rows.items()})
