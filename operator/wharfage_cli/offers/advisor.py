"""The Spot Instance Advisor of AWS: how often spot machines of a type are taken away, and what they save on average.

Two forms are read: AWS's own file (spot-advisor-data.json), and a CSV with the columns `instance_type`,
`spot_savings_pct`, `interruption_band_month`, and optionally `region` and `snapshot`, of which the latest counts.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from wharfage_autoscaler.offers import Market

from wharfage_cli.offers.price import Price

_BAND = re.compile(r"\s*(?P<sign>[<>])?\s*(?P<low>\d+)\s*%?\s*(-\s*(?P<high>\d+)\s*%?)?\s*")
_HIGHEST = Decimal("0.25")  # ">20%" has no upper end
_CENT = Decimal("0.0001")


class UnreadableAdvice(ValueError):  # noqa: N818 -- a state of the file, named as the user sees it
    """The text is no advice on spot machines; the message says what is wrong and where."""


@dataclass(frozen=True, slots=True)
class Advice:
    """Of one machine type in one region: the average saving over on-demand, and the share that is lost per month."""

    saving: Decimal
    interruptions_per_month: Decimal


def advice(text: str, file: str, region: str) -> dict[str, Advice]:
    """By machine type. Raises `UnreadableAdvice`."""
    found = _of_json(text, file, region) if text.lstrip().startswith("{") else _of_csv(text, file, region)
    if not found:
        raise UnreadableAdvice(f"{file}: says nothing about Linux machines in region {region}")
    return found


def advised(prices: Iterable[Price], found: Mapping[str, Advice], *, not_estimated: Iterable[str] = ()) -> list[Price]:
    """The prices, with interruptions on spot rows that have none, and a spot price where a machine has none.

    That price is an estimate, on-demand x (1 - saving), for the whole region. `not_estimated` are patterns of
    machines for which it is not made: of those whose on-demand price has changed since the advice was given.
    """
    prices = list(prices)
    patterns = tuple(not_estimated)
    sold_as_spot = {price.shape for price in prices if price.market is Market.SPOT}
    done = []
    for price in prices:
        advice_of = found.get(price.machine)
        if advice_of is None:
            done.append(price)
        elif price.market is Market.SPOT:
            known = price.interruptions_per_month
            rate = advice_of.interruptions_per_month if known is None else known
            done.append(replace(price, interruptions_per_month=rate))
        else:
            done.append(price)
            excepted = any(fnmatchcase(price.machine, pattern) for pattern in patterns)
            if price.market is Market.ON_DEMAND and price.shape not in sold_as_spot and not excepted:
                done.append(_estimate(price, advice_of))
    return done


def _estimate(price: Price, advice_of: Advice) -> Price:
    return replace(
        price,
        market=Market.SPOT,
        per_hour=max((price.per_hour * (1 - advice_of.saving)).quantize(_CENT), _CENT),
        interruptions_per_month=advice_of.interruptions_per_month,
    )


def _of_json(text: str, file: str, region: str) -> dict[str, Advice]:
    try:
        document: dict[str, Any] = json.loads(text)
        bands = {row["index"]: _band(row["label"], file) for row in document["ranges"]}
        rows = document["spot_advisor"].get(region, {}).get("Linux", {})
        return {machine: Advice(_saving(row["s"], file), bands[row["r"]]) for machine, row in rows.items()}
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableAdvice(f"{file}: is not spot-advisor-data.json as AWS writes it: {error!r}") from error


def _of_csv(text: str, file: str, region: str) -> dict[str, Advice]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    for column in ("instance_type", "spot_savings_pct", "interruption_band_month"):
        if column not in (reader.fieldnames or ()):
            raise UnreadableAdvice(
                f"{file}: no column {column}; its first line has: {', '.join(reader.fieldnames or ())}"
            )
    rows = [(f"{file} line {reader.line_num}", row) for row in reader if row.get("region") in (None, "", region)]
    newest = max((row.get("snapshot") or "" for _, row in rows), default="")
    return {
        row["instance_type"]: Advice(
            _saving(row["spot_savings_pct"], where), _band(row["interruption_band_month"], where)
        )
        for where, row in rows
        if (row.get("snapshot") or "") == newest
    }


def _saving(percent: Any, where: str) -> Decimal:
    text = str(percent)
    if not re.fullmatch(r"\d{1,2}([.]\d+)?", text):
        raise UnreadableAdvice(f"{where}: the saving {text!r} is no percentage from 0 to 99")
    return Decimal(text) / 100


def _band(label: str, where: str) -> Decimal:
    """The middle of a band of interruptions per month: 0.075 for 5-10%."""
    match = _BAND.fullmatch(label)
    if match is None:
        raise UnreadableAdvice(f"{where}: {label!r} is no band of interruptions such as 5-10%")
    low = Decimal(match["low"]) / 100
    if match["sign"] == "<":
        return low / 2
    if match["sign"] == ">":
        return _HIGHEST
    return (low + Decimal(match["high"] or match["low"]) / 100) / 2
