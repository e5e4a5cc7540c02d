"""What becomes of a catalog: offers that come and go, prices that move, and moves too large to be believed."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

UNBELIEVABLE_FACTOR = 10
"""No list price has moved by this between two readings; a table in cents or in the wrong currency does."""

_MOST_REMOVED = 0.5  # a source that has lost half of its machines is broken, not cheaper

PriceKey = tuple[str, str, str]  # offer, market, zone


@dataclass(frozen=True, slots=True)
class Move:
    """One price that is another now, in the catalog's currency per hour."""

    offer: str
    market: str
    zone: str
    before: Decimal
    after: Decimal

    def __str__(self) -> str:
        zone = f" {self.zone}" if self.zone else ""
        share = (self.after / self.before - 1) * 100
        return f"{self.offer} {self.market}{zone} {self.before} -> {self.after} per hour ({share:+.1f} %)"


@dataclass(frozen=True, slots=True)
class Change:
    """The difference between a catalog as it is (`exists`) and as it is to be."""

    exists: bool
    offers_before: int
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    moved: tuple[Move, ...] = ()
    prices_added: tuple[str, ...] = ()
    prices_removed: tuple[str, ...] = ()
    redescribed: tuple[str, ...] = ()  # offers of which something else than a price changed
    fields: tuple[str, ...] = ()  # what else of the catalog changed, such as its date: "observedAt 2026-07-20 -> ..."

    @property
    def nothing(self) -> bool:
        """Whether both are the same."""
        return self.exists and not any(
            (
                self.added,
                self.removed,
                self.moved,
                self.prices_added,
                self.prices_removed,
                self.redescribed,
                self.fields,
            )
        )


def difference(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> Change:
    """From one state of the object to another, both as the API server shows them; `before` is None for a new one."""
    old_spec = (before or {}).get("spec", {})
    old, new = _by_name(old_spec), _by_name(after["spec"])
    both = [name for name in new if name in old]
    old_prices, new_prices = _prices(old[name] for name in both), _prices(new[name] for name in both)
    rated = {key[0] for key, price in new_prices.items() if _rated(old_prices.get(key, price)) != _rated(price)}
    return Change(
        exists=before is not None,
        offers_before=len(old),
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        moved=tuple(_moves(old_prices, new_prices)),
        prices_added=tuple(_words(key) for key in new_prices if key not in old_prices),
        prices_removed=tuple(_words(key) for key in old_prices if key not in new_prices),
        redescribed=tuple(name for name in both if _described(old[name]) != _described(new[name]) or name in rated),
        fields=tuple(_fields(before, after)) if before is not None else (),
    )


def doubts(change: Change) -> list[str]:
    """What in a change is too large to be true without being told; empty for one that can be believed."""
    found = [
        str(move)
        for move in change.moved
        if not 1 / Decimal(UNBELIEVABLE_FACTOR) <= move.after / move.before <= UNBELIEVABLE_FACTOR
    ]
    if len(change.removed) > _MOST_REMOVED * change.offers_before:
        found.append(f"{len(change.removed)} of {change.offers_before} offers would go")
    return found


def report(change: Change) -> list[str]:
    """The change in lines, as a diff reads: `+` what comes, `-` what goes, `~` what is another now."""
    if change.nothing:
        return ["nothing to change"]
    return [
        *(f"~ {field}" for field in change.fields),
        *(f"+ {offer}" for offer in change.added),
        *(f"- {offer}" for offer in change.removed),
        *(f"~ {move}" for move in change.moved),
        *(f"+ {price}" for price in change.prices_added),
        *(f"- {price}" for price in change.prices_removed),
        *(f"~ {offer}: its description" for offer in change.redescribed),
        summary(change),
    ]


def summary(change: Change) -> str:
    """One line: `1 offer added, 0 removed, 5 prices moved`."""
    rows = len(change.prices_added) + len(change.prices_removed)
    parts = [
        f"{_counted(len(change.added), 'offer')} added",
        f"{len(change.removed)} removed",
        f"{_counted(len(change.moved), 'price')} moved",
    ]
    return ", ".join([*parts, f"{_counted(rows, 'price')} added or removed"] if rows else parts)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _by_name(spec: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {row["name"]: row for row in spec.get("offers") or ()}


def _prices(rows: Iterable[Mapping[str, Any]]) -> dict[PriceKey, Mapping[str, Any]]:
    return {(row["name"], price["market"], price.get("zone", "")): price for row in rows for price in row["prices"]}


def _moves(old: Mapping[PriceKey, Mapping[str, Any]], new: Mapping[PriceKey, Mapping[str, Any]]) -> Iterator[Move]:
    for key, price in new.items():
        before = Decimal(old.get(key, price)["usdPerHour"])
        after = Decimal(price["usdPerHour"])
        if before != after:
            yield Move(*key, before, after)


def _described(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "prices"}


def _rated(price: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in price.items() if key != "usdPerHour"}


def _words(key: PriceKey) -> str:
    offer, market, zone = key
    return f"{offer} {market}{' ' + zone if zone else ''}"


def _fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in ("provider", "region", "observedAt", "usdPerUnit"):
        old, new = before["spec"].get(name), after["spec"].get(name)
        if old != new:
            yield f"{name} {old} -> {new}"
    old_notes, new_notes = (each["metadata"].get("annotations") or {} for each in (before, after))
    for key in sorted(old_notes.keys() | new_notes.keys()):
        if old_notes.get(key) != new_notes.get(key):
            yield f"annotation {key}: {new_notes.get(key, 'none')}"
