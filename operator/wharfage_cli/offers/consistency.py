"""What is wrong with prices only beside each other: two currencies, a row given twice, a price far from all others."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from statistics import median_low

from wharfage_cli.offers.price import Price, Problem

ABSURD_FACTOR = 100
"""Dollars per accelerator and hour this far from the median of the same accelerator are a mistake in the table."""


def problems(prices: Sequence[Price]) -> list[Problem]:
    """All of them; each names the row that is wrong, and where it can the other one."""
    return [*_mixed_currencies(prices), *_repeated(prices), *_absurd(prices)]


def _mixed_currencies(prices: Iterable[Price]) -> Iterator[Problem]:
    first: Price | None = None
    for price in prices:
        first = first or price
        if price.currency != first.currency:
            yield Problem(
                price.where,
                f"the price is in {price.currency}, that of {first.where} in {first.currency}: one table, one currency",
            )


def _repeated(prices: Iterable[Price]) -> Iterator[Problem]:
    seen: dict[tuple[object, ...], Price] = {}
    for price in prices:
        first = seen.setdefault((price.shape, price.market, price.zone), price)
        if first is not price:
            zone = f" in {price.zone}" if price.zone else ""
            yield Problem(
                price.where,
                f"{price.machine} {price.market.value}{zone} stands at {first.where} already: leave one of the two",
            )


def _absurd(prices: Iterable[Price]) -> Iterator[Problem]:
    """Prices per accelerator far from the others; the lower median, so that one of two cannot hide behind itself."""
    by_accelerator = defaultdict(list)
    for price in prices:
        by_accelerator[price.accelerator].append(price)
    for accelerator, group in by_accelerator.items():
        middle = median_low(price.per_hour / price.accelerators for price in group)
        for price in group:
            each = price.per_hour / price.accelerators
            if each > ABSURD_FACTOR * middle or each * ABSURD_FACTOR < middle:
                yield Problem(
                    price.where,
                    f"{price.machine} costs {each:.4g} per {accelerator} and hour, where the median is {middle:.4g}: "
                    f"more than {ABSURD_FACTOR} times apart is a mistake in the table",
                )
