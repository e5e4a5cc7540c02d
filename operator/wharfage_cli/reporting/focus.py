"""The ledger as FOCUS 1.2 rows: one for each deployment, offer, market and hour, for tools that read cloud bills.

Nobody is invoiced by these rows, so `BilledCost` is 0 and `InvoiceId` empty; `EffectiveCost` is the ledger's dollars,
`ListCost` what the same machines cost on demand. What the specification has no column for is in columns `x_`.
"""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from wharfage_autoscaler.attribution import Share, split
from wharfage_autoscaler.ledger import Ledger
from wharfage_autoscaler.metering import HOUR_S
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.spend import NOTHING, Account, Payer, Spend
from wharfage_autoscaler.supply import OfferKey
from wharfage_autoscaler.tenants import NO_TENANT, NOTHING_SERVED, by_tenant

from wharfage_cli.reporting.prices import Prices

_PROVIDERS = {"aws": "Amazon Web Services", "gcp": "Google Cloud", "azure": "Microsoft Azure", "onprem": "On-premises"}
_CATEGORIES = {Market.ON_DEMAND: "Standard", Market.SPOT: "Dynamic", Market.RESERVED: "Committed"}
_DOLLARS, _QUANTITY = Decimal("1e-9"), Decimal("1e-6")
_MISSING = (
    *("CapacityReservationId", "CapacityReservationStatus", "ChargeClass"),
    *("CommitmentDiscountCategory", "CommitmentDiscountId", "CommitmentDiscountName", "CommitmentDiscountQuantity"),
    *("CommitmentDiscountStatus", "CommitmentDiscountType", "CommitmentDiscountUnit", "InvoiceId"),
)
"""Columns that are there, and null in every row."""
NO_TAGS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Cluster:
    """Whose rows they are: an id that stays the same, and a name for people."""

    id: str
    name: str


def rows(ledger: Ledger, prices: Prices, cluster: Cluster, tags: Mapping[str, str] = NO_TAGS) -> list[dict[str, str]]:
    """One row an hour of a deployment on an offer and market; empty texts are nulls.

    `tags` are added to those that a row has of itself.
    """
    return [
        {**found, "Tags": json.dumps({**json.loads(found["Tags"]), **tags})}
        for begins_s, row in sorted(ledger.rows.items())
        for (payer, offer), spend in sorted(_by_resource(row.items()).items())
        if spend.machine_hours > 0.0
        for found in (_row(begins_s, payer, offer, spend, prices, cluster),)
    ]


def rows_by_tenant(ledger: Ledger, prices: Prices, cluster: Cluster) -> list[dict[str, str]]:
    """The same, each row parted among the tenants of a gateway; what is no tenant's has no such tag."""
    found = []
    for name, part in by_tenant(ledger).items():
        tags = NO_TAGS if name in (NO_TENANT, NOTHING_SERVED) else {"tenant": name.partition("/")[2]}
        found += rows(part, prices, cluster, tags)
    return sorted(found, key=lambda row: row["ChargePeriodStart"])


def written(found: list[dict[str, str]]) -> str:
    """CSV; empty where there is no row."""
    text = io.StringIO()
    if found:
        writer = csv.DictWriter(text, found[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
    return text.getvalue()


def _by_resource(row: Iterable[tuple[Account, Spend]]) -> dict[tuple[Payer, OfferKey], Spend]:
    """Accounts that differ in their budgets alone are one."""
    found: dict[tuple[Payer, OfferKey], Spend] = {}
    for account, spend in row:
        key = account.payer, account.offer
        found[key] = found.get(key, NOTHING) + spend
    return found


def _row(
    begins_s: float, payer: Payer, offer: OfferKey, spend: Spend, prices: Prices, cluster: Cluster
) -> dict[str, str]:
    catalog, machine, market, zone = offer
    begins = datetime.fromtimestamp(begins_s, UTC)
    ends = datetime.fromtimestamp((begins_s // HOUR_S + 1) * HOUR_S, UTC)
    month = begins.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    provider, region = prices.places.get(catalog, ("", ""))
    provider = _PROVIDERS.get(provider, catalog)
    known = prices.offers.get((catalog, machine))
    count, unit = (1, "Instance-Hours") if known is None else (known.accelerators, "GPU-Hours")
    if known is not None and known.accelerator == "CPU":
        unit = "vCPU-Hours"
    quantity = Decimal(spend.machine_hours * count).quantize(_QUANTITY) or _QUANTITY
    listed = prices.on_demand.get((catalog, machine), spend.usd / spend.machine_hours)
    unit_price = Decimal(listed / count).quantize(_DOLLARS)
    list_cost = _number(unit_price * quantity)
    where = f"{payer.namespace}/{payer.name}"
    sku = machine if known is None else f"{machine}:{known.accelerator}x{known.accelerators}"
    found = {
        "AvailabilityZone": zone,
        "BilledCost": "0.0",
        "BillingAccountId": cluster.id,
        "BillingAccountName": cluster.name,
        "BillingAccountType": "KubernetesCluster",
        "BillingCurrency": "USD",
        "BillingPeriodStart": _instant(month),
        "BillingPeriodEnd": _instant((month + timedelta(days=32)).replace(day=1)),
        "ChargeCategory": "Usage",
        "ChargeDescription": f"{where} on {machine}, {market.value}",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": _instant(begins),
        "ChargePeriodEnd": _instant(ends),
        "ConsumedQuantity": _number(quantity),
        "ConsumedUnit": unit,
        "ContractedCost": list_cost,
        "ContractedUnitPrice": _number(unit_price),
        "EffectiveCost": _number(Decimal(spend.usd).quantize(_DOLLARS)),
        "InvoiceIssuerName": provider,
        "ListCost": list_cost,
        "ListUnitPrice": _number(unit_price),
        "PricingCategory": _CATEGORIES[market],
        "PricingQuantity": _number(quantity),
        "PricingUnit": unit,
        "ProviderName": provider,
        "PublisherName": provider,
        "RegionId": region,
        "RegionName": region,
        "ResourceId": f"wharfage.dev/v1alpha1/llmdeployments/{payer.uid}",
        "ResourceName": where,
        "ResourceType": "LLMDeployment",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "LLM Serving",
        "ServiceSubcategory": "Generative AI",
        "SkuId": sku,
        "SkuMeter": unit,
        "SkuPriceDetails": json.dumps({"x_Market": market.value, "x_Catalog": catalog}),
        "SkuPriceId": f"{sku}:{market.value}",
        "SubAccountId": payer.namespace,
        "SubAccountName": payer.namespace,
        "SubAccountType": "Namespace",
        "Tags": json.dumps({"team": payer.team} if payer.team else {}),
        **dict.fromkeys(_MISSING, ""),
        **_own(payer, spend),
    }
    return dict(sorted(found.items()))


def _own(payer: Payer, spend: Spend) -> Mapping[str, str]:
    """What the specification has no column for."""
    served, per_million = spend.served, Share(spend, split(spend)).usd_per_million
    return {
        "x_Model": payer.model,
        "x_Requests": f"{served.requests:.1f}",
        "x_PromptTokens": f"{served.prompt_tokens:.1f}",
        "x_CachedTokens": f"{served.cached_tokens:.1f}",
        "x_GenerationTokens": f"{served.output_tokens:.1f}",
        "x_CostPerMillionTokens": "" if math.isnan(per_million) else f"{per_million:.6f}",
        "x_IdleCost": f"{spend.idle:.9f}",
        "x_StartupCost": f"{spend.startup:.9f}",
        "x_Estimated": f"{spend.estimated:.9f}",
        "x_ReplicaHours": f"{spend.replica_hours:.6f}",
        "x_Interruptions": f"{spend.interruptions:.0f}",
    }


def _number(value: Decimal) -> str:
    """Without an exponent, and without zeros at the end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
