"""When spot machines could be had, and kept: recorded runs of availability, zone by zone.

A zone that has nothing to launch has nothing to keep either: where the record says 0, machines of before are taken
away. That is how its authors read it ("Can't Be Late", NSDI 2024), and the stricter of the two readings.
Format: docs/reference/traces.md.
"""

import csv
import sys
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from wharfage_simulator.tables import TraceError, number, read_texts, wrong

COLUMNS = ("zone", "start_s", "end_s", "available")
_SAME_S = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """One zone: `available[k]` instances from `starts_s[k]` until the next start, the last one until the end."""

    starts_s: tuple[float, ...]
    available: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Availability:
    """All zones of a record over the time that they have in common; times count from its beginning.

    Beyond its end the record begins again. `offset_s` is where in it time 0 lies: another offset is another past.
    """

    name: str
    duration_s: float
    zones: Mapping[str, Runs]
    offset_s: float = 0.0

    def at(self, zone: str, t_s: float) -> float:
        """Instances that could be had in the zone."""
        runs = self.zones[zone]
        return runs.available[bisect_right(runs.starts_s, self._within(t_s) + _SAME_S) - 1]

    def least(self, zone: str, t_s: float, for_s: float) -> float:
        """Instances that could be had at `t_s` and kept for so long."""
        found, until_s = self.at(zone, t_s), t_s + for_s
        while found > 0 and (t_s := self.changes_at(zone, t_s)) < until_s:
            found = min(found, self.at(zone, t_s))
        return found

    def changes_at(self, zone: str, t_s: float) -> float:
        """When the zone's number next changes, after `t_s`; at the latest when the record begins again."""
        starts_s, within = self.zones[zone].starts_s, self._within(t_s)
        place = bisect_right(starts_s, within + _SAME_S)
        ahead = starts_s[place] if place < len(starts_s) else self.duration_s
        return t_s + (ahead - within)

    def share(self, zone: str) -> float:
        """Share of the record in which the zone has at least one instance."""
        runs = self.zones[zone]
        edges = pairwise((*runs.starts_s, self.duration_s))
        return (
            sum(end - start for (start, end), had in zip(edges, runs.available, strict=True) if had) / self.duration_s
        )

    def _within(self, t_s: float) -> float:
        within = (t_s + self.offset_s) % self.duration_s
        return 0.0 if self.duration_s - within < _SAME_S else within


def read_availability(path: Path, *, offset_s: float = 0.0) -> Availability:
    """Read a file of `zone, start_s, end_s, available`.

    `TraceError` names the row: a number that is none or negative, a run that ends before it starts, runs of one zone
    that overlap or leave a hole. A hole is not the same as nothing available.
    """
    runs: dict[str, list[tuple[int, float, float, float]]] = defaultdict(list)
    for row, (zone, *texts) in enumerate(read_texts(path, COLUMNS)):
        start_s, end_s, available = (
            number(path, row, column, text) for column, text in zip(COLUMNS[1:], texts, strict=True)
        )
        if not zone:
            raise wrong(path, row, "no zone")
        if end_s <= start_s:
            raise wrong(path, row, f"end_s {end_s:.12g} is not after start_s {start_s:.12g}")
        if available < 0:
            raise wrong(path, row, f"available is {available:.12g}; 0 is none, and less there cannot be")
        runs[zone].append((row, start_s, end_s, available))
    for zone, rows in runs.items():
        for (_, _, end_s, _), (row, start_s, _, _) in pairwise(rows):
            if abs(start_s - end_s) > _SAME_S:
                kind = "goes back" if start_s < end_s else "leaves a hole"
                raise wrong(
                    path,
                    row,
                    f"zone {zone} {kind}: its run before ended at {end_s:.12g}, this starts at {start_s:.12g}",
                )
    begin_s = max(rows[0][1] for rows in runs.values())
    end_s = min(rows[-1][2] for rows in runs.values())
    if end_s <= begin_s:
        raise TraceError(
            f"{path}: its zones have no time in common: one begins at {begin_s:.12g}, one ends at {end_s:.12g}"
        )
    zones = {zone: _cut(rows, begin_s, end_s) for zone, rows in runs.items()}
    return Availability(path.name.split(".")[0], end_s - begin_s, zones, offset_s)


def converted(
    path: Path, group: str, resource: str, *, kind: str = "availability"
) -> list[tuple[str, float, float, int]]:
    """Rows of our format from the run-length coded SkyPilot traces: one kind, group and resource of the file.

    `TraceError` names what there is when there are none.
    """
    rows = read_texts(path, ["kind", "group", "resource", "zone", "gap_s", "start_tick", "n_ticks", "value"])
    chosen = [row[3:] for row in rows if row[:3] == (kind, group, resource)]
    if not chosen:
        there = sorted({f"{row[1]} {row[2]}" for row in rows if row[0] == kind})
        raise TraceError(f"{path}: no {kind} of {group} {resource}; there are {', '.join(there)}")
    made: list[tuple[str, float, float, int]] = []
    for zone, gap_s, start_tick, n_ticks, value in chosen:
        start_s = float(gap_s) * int(start_tick)
        end_s = start_s + float(gap_s) * int(n_ticks)
        if made and made[-1][0] == zone and made[-1][3] == int(value) and made[-1][2] == start_s:
            start_s = made.pop()[1]
        made.append((zone, start_s, end_s, int(value)))
    return made


def main(arguments: Sequence[str]) -> int:
    """`python -m wharfage_simulator.spot runs.csv.gz GROUP RESOURCE OUT.csv`."""
    if len(arguments) != 4:
        raise SystemExit("usage: python -m wharfage_simulator.spot runs.csv.gz GROUP RESOURCE OUT.csv")
    source, group, resource, out = arguments
    with Path(out).open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        rows.writerows(
            (zone, f"{start:.12g}", f"{end:.12g}", value)
            for zone, start, end, value in converted(Path(source), group, resource)
        )
    return 0


def _cut(rows: Sequence[tuple[int, float, float, float]], begin_s: float, end_s: float) -> Runs:
    inside = [
        (max(start, begin_s) - begin_s, value) for _, start, end, value in rows if end > begin_s and start < end_s
    ]
    return Runs(tuple(start for start, _ in inside), tuple(value for _, value in inside))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
