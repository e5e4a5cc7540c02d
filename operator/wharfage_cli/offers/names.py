"""Names: the accelerator that a price table means, and names of offers that Kubernetes takes."""

import re
from decimal import Decimal

from wharfage_autoscaler.accelerators import ACCELERATORS, Accelerator

_FAMILIES = {"A100": ("A100-40", "A100-80"), "H100": ("H100", "H100-NVL")}
"""Names under which price tables sell more than one kind; the memory tells which."""

_MEMORY_TOLERANCE = 0.1  # drivers and clouds report up to a tenth less than the datasheet: 22.5 of 24 GiB
_MAKER = re.compile(r"^(NVIDIA|AMD|TESLA|INSTINCT|GEFORCE)+")


def accelerator_of(name: str, memory_gib: float | Decimal | None, hint: str = "") -> Accelerator | None:
    """The row of the accelerators' table that a price table's name and memory per device mean; None if none does.

    `hint` is what the machine is known to hold: where a price table says `A100`, and the machine holds the PCIe
    card, the card is meant. A memory that differs by more than a tenth is a share of a device, or another one.
    """
    plain = _plain(name)
    groups = (
        (hint,) if hint and _plain(hint).startswith(plain) else (),
        (name,),
        _FAMILIES.get(plain, ()),
        tuple(each for each in ACCELERATORS if _plain(each) == plain),
    )
    for group in groups:
        rows = (ACCELERATORS[each] for each in group if each in ACCELERATORS)
        fitting = [row for row in rows if _same_memory(row, memory_gib)]
        if len(fitting) == 1:
            return fitting[0]
    return None


def offer_name(machine: str) -> str:
    """The machine's name in the form of a DNS subdomain: lower case, digits, `-` and `.`."""
    return re.sub(r"[^a-z0-9.-]+", "-", machine.lower()).strip("-.")


def _plain(name: str) -> str:
    return _MAKER.sub("", re.sub(r"[^A-Z0-9]", "", name.upper()))


def _same_memory(accelerator: Accelerator, memory_gib: float | Decimal | None) -> bool:
    if memory_gib is None or not accelerator.memory_gib:
        return True
    return abs(float(memory_gib) - accelerator.memory_gib) <= _MEMORY_TOLERANCE * accelerator.memory_gib
