"""From records of prices to a catalog: one pure function over the steps, from reading to the finished manifest."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from wharfage_autoscaler.offers import Market

from wharfage_cli.offers.advisor import advice, advised
from wharfage_cli.offers.catalog import Description, NoCatalog, cheapest, manifest, offered
from wharfage_cli.offers.fields import instant
from wharfage_cli.offers.machines import machines
from wharfage_cli.offers.price import Problem, Terms
from wharfage_cli.offers.reading import read
from wharfage_cli.offers.table import Record


@dataclass(frozen=True, slots=True)
class Request:
    """What the catalog is to be about. `advice` is the text and the name of a Spot Instance Advisor's file."""

    provider: str
    region: str
    name: str
    origin: str
    now: datetime
    max_age: timedelta
    observed_at: datetime | None
    usd_per_unit: Decimal
    max_offers: int
    advice: tuple[str, str] | None = None
    advice_origin: str = ""
    not_estimated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Built:
    """The catalog, comments for its file, and what did not get into it."""

    manifest: dict[str, Any]
    comments: tuple[str, ...]
    problems: tuple[Problem, ...]
    left_out: Mapping[tuple[str, str], int]
    not_kept: tuple[str, ...]


def build(records: Iterable[Record], request: Request) -> Built:
    """The catalog of the request's region.

    Raises:
        NoCatalog: where no row of the region is left, or the API would refuse the catalog.
        UnreadableAdvice: for a Spot Instance Advisor's file that is none.

    """
    terms = Terms(
        provider=request.provider,
        region=request.region,
        now=request.now,
        max_age=request.max_age,
        observed_at=request.observed_at,
        usd_per_unit=request.usd_per_unit,
    )
    reading = read(records, terms, machines(request.provider))
    if not reading.prices:
        raise NoCatalog(_why_nothing(request.region, reading.regions, reading.problems, reading.left_out))
    prices, sources, estimated = list(reading.prices), {"prices": request.origin}, False
    if request.advice is not None:
        text, file = request.advice
        before = len(prices)
        prices = advised(prices, advice(text, file, request.region), not_estimated=request.not_estimated)
        estimated = len(prices) > before
        sources["spot"] = request.advice_origin or file
    found = offered(prices, request.provider)
    kept = cheapest(found, request.max_offers)
    about = Description(request.name, request.provider, request.region, request.usd_per_unit, sources)
    return Built(
        manifest=manifest(kept, about),
        comments=tuple(
            _comments(sources, estimated=estimated, spot=any(price.market is Market.SPOT for price in prices))
        ),
        problems=reading.problems,
        left_out=reading.left_out,
        not_kept=tuple(each.name for each in found if each not in kept),
    )


def observed(text: str) -> datetime:
    """The date of `--observed-at`. Raises `NoCatalog`."""
    try:
        return instant(text)
    except ValueError as error:
        raise NoCatalog(f"--observed-at: {error}") from error


def _why_nothing(
    region: str, regions: tuple[str, ...], problems: tuple[Problem, ...], left_out: Mapping[tuple[str, str], int]
) -> str:
    if problems:
        return f"no row of {region} can be used; the first: {problems[0]}"
    if left_out:
        return f"no row of {region} is of a known accelerator; left out: {', '.join(name for _, name in left_out)}"
    return f"no row is of region {region}; the table has: {', '.join(regions[:20]) or 'no region'}"


def _comments(sources: Mapping[str, str], *, estimated: bool, spot: bool) -> Iterable[str]:
    yield f"Prices: {sources['prices']}."
    if estimated:
        yield "Spot: an estimate, on-demand x (1 - average saving). It holds for the region; prices per zone differ."
    if "spot" in sources:
        yield f"Interruptions per month (middle of the band): {sources['spot']}."
    elif spot:
        yield "The source of the spot prices names no interruption rates."
