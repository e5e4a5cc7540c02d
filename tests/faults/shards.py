"""A sweep that is too long for every commit: each commit runs a share of it, chosen by its own hash."""

from collections.abc import Sequence
from typing import TypeVar

Point = TypeVar("Point")


def share(points: Sequence[Point], shares: int, *, asked: str, commit: str) -> list[Point]:
    """Every `shares`th point, beginning where the commit's hash says.

    `asked` overrules it: "all", or a number from 0 to `shares` - 1. Raises ValueError for anything else.
    """
    if asked == "all":
        return list(points)
    which = int(asked) if asked else int(commit or "0", 16) % shares
    if not 0 <= which < shares:
        raise ValueError(f"share {which} of {shares}: write a number from 0 to {shares - 1}, or all")
    return list(points[which::shares])
