"""What `kubectl get` prints: the blocker's reason and the money before everything else.

kubectl leaves the cell of an absent field empty; the status writes `<none>` into its summary for what is not
known yet, never 0.
"""

Column = dict[str, str | int]


def _text(name: str, path: str, says: str) -> Column:
    return {"name": name, "type": "string", "jsonPath": path, "description": says}


def _wide(column: Column) -> Column:
    return column | {"priority": 1}


def _condition(kind: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


_AGE: Column = {
    "name": "Age",
    "type": "date",
    "jsonPath": ".metadata.creationTimestamp",
    "description": "Time since the object was created.",
}

DEPLOYMENT_COLUMNS: tuple[Column, ...] = (
    _text("Ready", _condition("Ready", "status"), "Whether it serves as asked."),
    _text("Reason", ".status.summary.reason", "Reason of the condition that blocks, or Serving."),
    _text("Replicas", ".status.summary.replicas", "Ready and wanted replicas."),
    _text("Fleet", ".status.summary.fleet", "The pools in words."),
    _text("$/h", ".status.summary.usdPerHour", "Dollars per hour of the machines that run."),
    _text("Month", ".status.summary.month", "Dollars this month, and the share of the tightest budget."),
    _wide(_text("$/M-tok", ".status.summary.usdPerMillionTokens", "Dollars per million output tokens.")),
    _wide(_text("Lead", ".status.summary.leadTime", "From an order to its first answer, as learned.")),
    _wide(_text("Model", ".spec.model.source", "Where the weights are.")),
    _wide(_text("Endpoint", ".status.endpoint", "Where clients send requests.")),
    _AGE,
)

BUDGET_COLUMNS: tuple[Column, ...] = (
    _text("Within", _condition("WithinBudget", "status"), "Whether the dollars last."),
    _text("Stage", ".status.stage", "The harshest active stage."),
    _text("Spent", ".status.usdSpent", "Dollars spent in this period."),
    _text("Limit", ".status.usdLimit", "Dollars of this period, by an override while it lasts."),
    _text("Period", ".spec.period", "How long the dollars must last."),
    _text("Forecast", ".status.usdForecast.mid", "Dollars expected by the end of the period."),
    _text("Enforced", _condition("Enforced", "status"), "Whether the stages act."),
    _wide(_text("Mode", ".spec.mode", "Enforce or Observe.")),
    _AGE,
)

CATALOG_COLUMNS: tuple[Column, ...] = (
    _text("Provider", ".spec.provider", "Whose machines they are."),
    _text("Region", ".spec.region", "The provider's region."),
    {"name": "Offers", "type": "integer", "jsonPath": ".status.offers", "description": "Offers in the catalog."},
    {
        "name": "Obtainable",
        "type": "integer",
        "jsonPath": ".status.obtainable",
        "description": "Offers that this cluster can give now.",
    },
    _text("Fresh", _condition("PricesFresh", "status"), "Whether the prices are recent."),
    _wide(_text("Observed", ".spec.observedAt", "When the prices were true.")),
    _AGE,
)
