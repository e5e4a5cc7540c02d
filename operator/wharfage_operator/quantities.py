"""Amounts as the API server writes them back, so that what we wrote and what we read are the same text."""

import math

_UNITS = ("Mi", "Gi", "Ti", "Pi")


def memory(gib: float) -> str:
    """Memory in the largest unit in which it is whole."""
    return storage(f"{math.ceil(gib * 1024)}Mi")


def storage(written: str) -> str:
    """A size such as 1024Gi in the unit in which the API server writes it back: 1Ti."""
    number, unit = int(written[:-2]), _UNITS.index(written[-2:])
    while number and number % 1024 == 0 and unit + 1 < len(_UNITS):
        number, unit = number // 1024, unit + 1
    return f"{number}{_UNITS[unit]}"


def cpus(cores: float) -> str:
    """Cores: whole ones plain, else in thousandths."""
    thousandths = round(cores * 1000)
    return str(thousandths // 1000) if thousandths % 1000 == 0 else f"{thousandths}m"
