"""`wharfage offers`: a line per price: what it costs, whether this cluster can give it, and what would admit it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from wharfage_api import OfferCatalog
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.words import admission_words
from wharfage_operator.obtainable import Obtainability
from wharfage_operator.spec import offers

UNKNOWN = "<none>"


@dataclass(frozen=True, slots=True)
class Line:
    """One price of one offer, ready to print; unknown figures are `<none>`, never 0."""

    catalog: str
    offer: str
    accelerator: str
    market: str
    zone: str
    usd_per_hour: str
    interruptions_per_month: str
    obtainable: str  # yes, no, or ? where nobody could look
    through: str  # what gives it, or what would admit it


def lines(
    catalogs: Iterable[Mapping[str, Any]], world: Obtainability | None, accelerators: Sequence[str] = ()
) -> list[Line]:
    """The offers of all catalogs, the cheapest first; `world` is None where nodes could not be read."""
    found: list[Offer] = []
    for raw in catalogs:
        try:
            catalog = OfferCatalog.model_validate({name: part for name, part in raw.items() if name != "status"})
        except ValidationError:
            continue  # the catalog's own status says what is wrong with it
        found.extend(offers(catalog, world or Obtainability()))
    wanted = {name.upper() for name in accelerators}
    chosen = [offer for offer in found if not wanted or offer.accelerator.upper() in wanted]
    return [_line(offer, known=world is not None) for offer in sorted(chosen, key=_by_price)]


def nothing(catalogs: Sequence[Mapping[str, Any]], known: Iterable[Line], accelerators: Sequence[str]) -> str:
    """Why no line is shown; `known` are the lines without any filter."""
    names = sorted({line.accelerator.rpartition(" ")[0] for line in known})
    if not catalogs or not names:
        return "No offer. Make a catalog with `wharfage offers build`, or apply one of examples/catalogs."
    if set(map(str.upper, accelerators)) & set(map(str.upper, names)) or not accelerators:
        return "No such offer can be had in this cluster; without --obtainable the list says what would admit each."
    return f"No offer of {', '.join(accelerators)}; the catalogs have {', '.join(names)}."


def summary(shown: Sequence[Line], catalogs: Iterable[Mapping[str, Any]]) -> str:
    """One line below the table: how many can be had, and of when the prices are."""
    offers_of = {(line.catalog, line.offer): False for line in shown}
    for line in shown:
        offers_of[line.catalog, line.offer] |= line.obtainable == "yes"
    dates = ", ".join(f"{raw['metadata']['name']} of {raw['spec']['observedAt'][:10]}" for raw in catalogs)
    judged = "not known how many" if any(line.obtainable == "?" for line in shown) else sum(offers_of.values())
    return f"{judged} of {len(offers_of)} offers can be had here; prices: {dates}"


def _by_price(offer: Offer) -> tuple[float, str, str, str, str]:
    return offer.usd_per_hour, *offer.key


def _line(offer: Offer, *, known: bool) -> Line:
    rate = offer.interruptions_per_month
    return Line(
        catalog=offer.catalog,
        offer=offer.name,
        accelerator=f"{offer.accelerator} x{offer.accelerators}",
        market=offer.market.value,
        zone=offer.zone or "any",
        usd_per_hour=f"{offer.usd_per_hour:.4f}".rstrip("0").rstrip("."),
        interruptions_per_month=UNKNOWN if rate is None else f"{rate:g}",
        obtainable=("yes" if offer.obtainable else "no") if known else "?",
        through=(offer.obtainable or admission_words(offer)) if known else "",
    )
