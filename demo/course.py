"""The lines that a replay shows while it runs: load, capacity, dollars, and what the operator said. Values to text."""

from collections.abc import Mapping
from typing import Any

HEAD = "  time   requests/s   capacity  pods  machines     $/h   (spot)   late   fleet"
_SPOT = "Spot"


def line(row: Mapping[str, Any], fleet: str, *, since_s: float) -> str:
    """One row of the emulator's, `since_s` before which it is not judged; capacity is what ready pods carry."""
    usd = row["usd_per_hour"]
    late = row["bad_share"]
    return (
        f"{clock(row['t_s'] - since_s):>6}   {row['arrived_rps']:10.1f}   {row['carried_rps']:8.1f}  {row['pods']:4d}"
        f"  {row['machines']:8d}   {sum(usd.values()):5.2f}  ({usd.get(_SPOT, 0.0):5.2f})"
        f"  {'    -' if late is None else f'{100.0 * late:4.0f}%'}   {fleet}"
    )


def clock(seconds: float) -> str:
    """Hours and minutes, with a sign before the beginning."""
    minutes = int(abs(seconds) // 60)
    return f"{'-' if seconds < 0 else ''}{minutes // 60}:{minutes % 60:02d}"


def bill(rows: Mapping[str, tuple[float, int, int]]) -> list[str]:
    """What the two hours cost: dollars, bad minutes and all minutes of each, against the first."""
    (_, (usd, _, _)), *_ = rows.items()
    lines = ["                                          dollars   bad minutes   against the first"]
    for name, (each, bad, minutes) in rows.items():
        share = f"{100.0 * (each / usd - 1.0):+.0f} %" if usd > 0 else "-"
        lines.append(f"  {name:<38}  {each:7.2f}   {bad:3d} of {minutes:<4d}   {share:>8}")
    return lines
