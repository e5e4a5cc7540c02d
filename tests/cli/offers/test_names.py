"""Which accelerator a price table means."""

import pytest
from wharfage_autoscaler.accelerators import ACCELERATORS
from wharfage_cli.offers.names import accelerator_of, offer_name


@pytest.mark.parametrize(
    ("name", "memory_gib", "hint", "meant"),
    [
        pytest.param("H100", None, "", "H100", id="our own name"),
        pytest.param("A100", 40, "", "A100-40", id="the memory tells which"),
        pytest.param("A100", 80, "", "A100-80", id="and the other"),
        pytest.param("A100", None, "", None, id="without memory it is either"),
        pytest.param("A100", 80, "A100-80-PCIE", "A100-80-PCIE", id="the machine tells the card"),
        pytest.param("A100", 40, "A100-80-PCIE", "A100-40", id="unless its memory is another"),
        pytest.param("H100", 94, "", "H100-NVL", id="94 GiB are the NVL card"),
        pytest.param("H100NVL", 94, "", "H100-NVL", id="its name without the dash"),
        pytest.param("RTXPRO6000", 96, "", "RTX-PRO-6000", id="gpuhunt's name"),
        pytest.param("NVIDIA RTX PRO 6000", 96, "", "RTX-PRO-6000", id="the maker's name"),
        pytest.param("L4", 22.35, "", "L4", id="the driver's memory"),
        pytest.param("B200", 179, "", "B200", id="a little less than the datasheet"),
        pytest.param("A10", 8, "", None, id="a third of a card"),
        pytest.param("V100", 32, "", None, id="another card of that name"),
        pytest.param("GB200", 186, "", None, id="one that is not in the table"),
        pytest.param("T4g", 16, "", None, id="a name that is nearly known"),
    ],
)
def test_an_accelerator_is_found_by_name_and_memory(name: str, memory_gib: float, hint: str, meant: str) -> None:
    found = accelerator_of(name, memory_gib, hint)
    assert (found.name if found else None) == meant


@pytest.mark.parametrize("name", ACCELERATORS)
def test_every_accelerator_goes_by_its_own_name(name: str) -> None:
    found = accelerator_of(name, ACCELERATORS[name].memory_gib or None)
    assert found is ACCELERATORS[name]


def test_an_offers_name_is_one_that_kubernetes_takes() -> None:
    assert offer_name("Standard_NC24ads_A100_v4") == "standard-nc24ads-a100-v4"
    assert offer_name("g6e.xlarge") == "g6e.xlarge"
