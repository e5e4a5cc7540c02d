"""`OfferCatalog`: what can be rented; machines, accelerators, prices per market and zone, and labels of the nodes."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints
from wharfage_autoscaler.offers import Market

from wharfage_api.conditions import Condition
from wharfage_api.decimals import Number, PositiveNumber, Usd
from wharfage_api.instants import Instant
from wharfage_api.metadata import Metadata
from wharfage_api.names import Labels
from wharfage_api.part import Checked, Part, Rule, StatusPart, keyed, rules
from wharfage_api.placement import AcceleratorName

_OFFER = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"

OfferName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=63, pattern=_OFFER),
    Checked(
        Rule(
            f"self.matches('{_OFFER}')", "write the name as the provider writes it, such as g6e.xlarge, without blanks"
        )
    ),
]
"""The name of an offer or machine type, usable as a label's value."""

Place = Annotated[
    str,
    StringConstraints(max_length=63, pattern="^[A-Za-z0-9._-]*$"),
    Checked(Rule("self.matches('^[A-Za-z0-9._-]*$')", "write the provider's name of the place, such as us-east-1")),
]
"""A region or zone."""


class Provider(StrEnum):
    """Whose labels the nodes carry."""

    AWS = "aws"
    GCP = "gcp"
    AZURE = "azure"
    ONPREM = "onprem"
    OTHER = "other"


class Accelerator(Part):
    """What a machine computes with."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "self.name == 'CPU' || has(self.memoryGiB)",
                "write memoryGiB, the memory of one accelerator; only CPU has none of its own",
                field=".memoryGiB",
            )
        )
    )

    name: AcceleratorName = Field(description="Short name: L4, L40S, H100, or CPU.")
    count: int = Field(ge=1, le=1024, description="How many the machine has; cores for CPU.")
    memory_gib: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="Memory of one accelerator in GiB; for CPU the machine's memory is used.",
    )


class Price(Part):
    """What a machine costs in one market and zone."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.count) || self.market == 'Reserved'",
                "write count only with market: Reserved; it is the number of machines reserved",
                field=".count",
            ),
            Rule(
                "!has(self.interruptionsPerMonth) || self.market == 'Spot'",
                "write interruptionsPerMonth only with market: Spot",
                field=".interruptionsPerMonth",
            ),
        )
    )

    market: Market = Field(description="How the machine is rented: OnDemand, Spot or Reserved.")
    zone: Place = Field(default="", description="Zone the price holds for; empty: any zone of the region.")
    usd_per_hour: Usd = Field(description='Dollars per hour for the whole machine, as a decimal string: "1.861".')
    interruptions_per_month: Number | None = Field(
        default=None, description='How often a spot machine is taken away per month, as a decimal string: "0.10".'
    )
    count: int | None = Field(default=None, ge=1, le=100000, description="With Reserved: machines that are reserved.")


class OfferRow(Part):
    """One machine with its accelerators, and its prices."""

    name: OfferName = Field(description="Name of the offer, unique in the catalog; usually the machine's.")
    machine: OfferName = Field(description="The provider's machine type: g6e.xlarge.")
    accelerator: Accelerator = Field(description="What the machine computes with.")
    vcpus: int = Field(ge=1, le=4096, description="Virtual CPUs of the machine.")
    memory_gib: int = Field(ge=1, le=65536, description="Memory of the machine in GiB.")
    node_selector: Labels = Field(
        default_factory=dict,
        max_length=8,
        description="Labels of the nodes that are this machine; default: by provider.",
    )
    node_group: Annotated[str, StringConstraints(max_length=253)] = Field(
        default="",
        description="A node group that gives this machine on demand (cluster-autoscaler and the like). "
        "Declares the offer obtainable while no node of it exists.",
    )
    prices: tuple[Price, ...] = Field(
        min_length=1,
        max_length=24,
        description="Prices, one per market and zone.",
        json_schema_extra=keyed("market", "zone"),
    )


class OfferCatalogSpec(Part):
    """What can be rented at one provider, in one region."""

    provider: Provider = Field(description="Whose labels the nodes carry: aws, gcp, azure, onprem or other.")
    region: Place = Field(default="", description="The provider's region: us-east-1.")
    observed_at: Instant = Field(description="When the prices were true (RFC 3339); old prices are reported as stale.")
    usd_per_unit: PositiveNumber = Field(
        default=Decimal(1),
        description="Dollars per unit of the currency that the prices are in; 1 for prices in dollars.",
    )
    offers: tuple[OfferRow, ...] = Field(
        default=(), max_length=512, description="The machines that can be rented.", json_schema_extra=keyed("name")
    )


class OfferCatalogStatus(StatusPart):
    """What of the catalog this cluster can have."""

    observed_generation: int | None = Field(
        default=None, ge=0, description="Generation of the spec this status is about."
    )
    offers: int | None = Field(default=None, ge=0, description="Offers in the catalog.")
    obtainable: int | None = Field(default=None, ge=0, description="Offers that this cluster can give now.")
    conditions: tuple[Condition, ...] = Field(
        default=(), max_length=8, description="Observations about the catalog.", json_schema_extra=keyed("type")
    )


class OfferCatalog(Part):
    """What can be rented: machine, accelerator, price per market and zone, and how its nodes are labelled."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "size(self.metadata.name) <= 63", "write a metadata.name of at most 63 characters: it is a metric label"
            )
        )
    )

    api_version: Literal["wharfage.dev/v1alpha1"] = "wharfage.dev/v1alpha1"
    kind: Literal["OfferCatalog"] = "OfferCatalog"
    metadata: Metadata
    spec: OfferCatalogSpec = Field(description="What can be rented at one provider, in one region.")
    status: OfferCatalogStatus = Field(
        default=OfferCatalogStatus(), description="What of the catalog this cluster can have."
    )
