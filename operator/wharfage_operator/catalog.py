"""What an OfferCatalog shows: how many of its offers this cluster can give, and how old its prices are."""

from collections.abc import Iterable, Mapping
from typing import Any

from wharfage_api import OfferCatalog
from wharfage_api.conditions import ConditionType, Reason
from wharfage_autoscaler.offers import Offer

from wharfage_operator.conditions import Verdict, conditions

_DAY_S = 86400.0


def catalog_status(
    catalog: OfferCatalog,
    offers: Iterable[Offer],
    *,
    previous: Mapping[str, Any],
    generation: int,
    now: float,
    stale_after_s: float,
) -> dict[str, Any]:
    """The whole status; `offers` are those of all catalogs, with what provides each."""
    ours = [offer for offer in offers if offer.catalog == catalog.metadata.name]
    obtainable = {offer.name for offer in ours if offer.obtainable}
    verdicts = (_accepted(len(catalog.spec.offers), len(obtainable)), _prices(catalog, now, stale_after_s))
    return {
        "observedGeneration": generation,
        "offers": len(catalog.spec.offers),
        "obtainable": len(obtainable),
        "conditions": conditions(verdicts, previous=previous, generation=generation, now=now),
    }


def rejected_status(message: str, *, previous: Mapping[str, Any], generation: int, now: float) -> dict[str, Any]:
    """The status of a catalog that cannot be read."""
    verdicts = (
        Verdict(ConditionType.ACCEPTED, holds=False, reason=Reason.INVALID_SPEC, message=message),
        Verdict(
            ConditionType.PRICES_FRESH, holds=None, reason=Reason.PRICES_UNKNOWN, message="The catalog cannot be read."
        ),
    )
    rows = conditions(verdicts, previous=previous, generation=generation, now=now)
    return {"observedGeneration": generation, "conditions": rows}


def _accepted(offers: int, obtainable: int) -> Verdict:
    if obtainable:
        text = f"{obtainable} of {offers} offers can be had in this cluster."
    else:
        text = (
            f"None of {offers} offers can be had in this cluster: add a node that matches one, "
            "a Karpenter NodePool that admits one, or declare its node group."
        )
    return Verdict(ConditionType.ACCEPTED, holds=True, reason=Reason.ACCEPTED, message=text)


def _prices(catalog: OfferCatalog, now: float, stale_after_s: float) -> Verdict:
    observed = catalog.spec.observed_at.timestamp()
    day = catalog.spec.observed_at.date().isoformat()
    if now - observed <= stale_after_s:
        return Verdict(
            ConditionType.PRICES_FRESH, holds=True, reason=Reason.PRICES_CURRENT, message=f"Prices of {day}."
        )
    # The message names a date, not an age: a status that changed daily would be written daily.
    text = f"Prices of {day} are older than {stale_after_s / _DAY_S:g} days: refresh them and set observedAt."
    return Verdict(ConditionType.PRICES_FRESH, holds=False, reason=Reason.PRICES_STALE, message=text)


def turns_stale_in_s(catalog: OfferCatalog, *, now: float, stale_after_s: float) -> float | None:
    """Seconds until the prices are called stale; None if they are already."""
    left_s = catalog.spec.observed_at.timestamp() + stale_after_s - now
    return left_s if left_s > 0 else None
