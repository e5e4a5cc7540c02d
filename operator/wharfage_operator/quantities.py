"""Amounts as the API server writes them back, so that what we wrote and what we read are the same text."""

import math


def memory(gib: float) -> str:
    """Memory as the API server writes it back: whole Gi where it is whole, else Mi."""
    mib = math.ceil(gib * 1024)
    return f"{mib // 1024}Gi" if mib % 1024 == 0 else f"{mib}Mi"


def cpus(cores: float) -> str:
    """Cores: whole ones plain, else in thousandths."""
    thousandths = round(cores * 1000)
    return str(thousandths // 1000) if thousandths % 1000 == 0 else f"{thousandths}m"
