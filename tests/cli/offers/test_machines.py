"""The table of machines: sound rows, of accelerators that are known."""

import pytest
from wharfage_autoscaler.accelerators import ACCELERATORS
from wharfage_cli.offers.machines import Machine, machines

ROWS = [
    pytest.param(machine, id=f"{provider} {name}")
    for provider in ("aws", "gcp", "azure")
    for name, machine in machines(provider).items()
]


@pytest.mark.parametrize("machine", ROWS)
def test_a_machine_holds_whole_known_accelerators_and_more_memory_than_cores(machine: Machine) -> None:
    assert machine.accelerator in ACCELERATORS
    assert machine.accelerators in (1, 2, 4, 8, 16)
    assert 1 <= machine.vcpus < machine.memory_gib


def test_a_provider_without_a_table_has_no_machines() -> None:
    assert machines("onprem") == {}
