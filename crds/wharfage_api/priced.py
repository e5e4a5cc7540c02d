"""A catalog as the core knows it: one offer per price, in dollars, with the labels that its nodes carry.

Whether a cluster can give an offer is not the catalog's to say: `obtainable` stays empty here.
"""

from wharfage_autoscaler.offers import Offer

from wharfage_api.offercatalog import OfferCatalog, OfferRow, Price, Provider

INSTANCE_TYPE = "node.kubernetes.io/instance-type"


def priced(catalog: OfferCatalog) -> tuple[Offer, ...]:
    """The offers of a catalog, in its order."""
    return tuple(_offer(catalog, row, price) for row in catalog.spec.offers for price in row.prices)


def _offer(catalog: OfferCatalog, row: OfferRow, price: Price) -> Offer:
    accelerator = row.accelerator
    memory_gib = float(accelerator.memory_gib or 0)
    if accelerator.name == "CPU":
        memory_gib = row.memory_gib / accelerator.count
    return Offer(
        catalog=catalog.metadata.name,
        name=row.name,
        market=price.market,
        zone=price.zone,
        machine=row.machine,
        accelerator=accelerator.name,
        accelerators=accelerator.count,
        accelerator_memory_gib=memory_gib,
        vcpus=float(row.vcpus),
        memory_gib=float(row.memory_gib),
        usd_per_hour=float(price.usd_per_hour * catalog.spec.usd_per_unit),
        interruptions_per_month=None if price.interruptions_per_month is None else float(price.interruptions_per_month),
        node_selector=tuple(sorted((row.node_selector or _default_selector(catalog, row)).items())),
    )


def _default_selector(catalog: OfferCatalog, row: OfferRow) -> dict[str, str]:
    """How nodes of the machine are labelled where the catalog does not say.

    The instance type is on every cloud's nodes. On GCP it does not tell the number of accelerators, which
    are attached to the machine, so their label is asked for as well.
    """
    selector = {INSTANCE_TYPE: row.machine}
    if catalog.spec.provider is Provider.GCP and row.accelerator.name != "CPU":
        selector["cloud.google.com/gke-accelerator-count"] = str(row.accelerator.count)
    return selector
