"""The one enum of reasons: decision steps, conditions, events, metric labels and reports share it.

A reason says *why* in one CamelCase word; `fixes.FIXES` says what the user can do about it, and the
reference page of the docs is generated from both.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why a step was taken or a condition has its status."""

    # what went well
    ACCEPTED = "Accepted"
    SERVING = "Serving"
    STEADY = "Steady"
    CAPACITY_BOUND = "CapacityBound"
    PRICES_CURRENT = "PricesCurrent"
    # decision steps
    MANUAL_REPLICAS = "ManualReplicas"
    MIN_REPLICAS = "MinReplicas"
    PINNED = "Pinned"
    RECOMMENDED = "Recommended"
    ADOPTED = "Adopted"
    CHEAPEST_OFFER = "CheapestOffer"
    KEPT_OFFER = "KeptOffer"
    DEMAND_SEEN = "DemandSeen"
    DEMAND_FORECAST = "DemandForecast"
    ALLOTTED = "Allotted"
    SPOT_INTERRUPTED = "SpotInterrupted"
    BUDGET_ALLOTMENT = "BudgetAllotment"
    MAX_REPLICAS = "MaxReplicas"
    USD_PER_HOUR_LIMIT = "UsdPerHourLimit"
    AT_ZERO = "AtZero"
    WAKING = "Waking"
    # what blocks
    INVALID_SPEC = "InvalidSpec"
    CANNOT_ADOPT = "CannotAdopt"
    NO_GATEWAY = "NoGateway"
    SERVED_NAME_CONFLICT = "ServedNameConflict"
    UNKNOWN_CATALOG = "UnknownCatalog"
    READING_MODEL_CONFIG = "ReadingModelConfig"
    UNKNOWN_SHAPE = "UnknownShape"
    MODEL_DOES_NOT_FIT = "ModelDoesNotFit"
    CAPACITY_UNAVAILABLE = "CapacityUnavailable"
    NAME_CONFLICT = "NameConflict"
    IMAGE_NOT_ALLOWED = "ImageNotAllowed"
    PODS_FORBIDDEN = "PodsForbidden"
    QUOTA_EXCEEDED = "QuotaExceeded"
    SECRET_MISSING = "SecretMissing"  # noqa: S105 - a reason, not a secret
    WAITING_FOR_NODE = "WaitingForNode"
    UNSCHEDULABLE = "Unschedulable"
    PULLING_IMAGE = "PullingImage"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    STARTING_ENGINE = "StartingEngine"
    ENGINE_FAILED = "EngineFailed"
    ROLLING_OUT = "RollingOut"
    SURGE_WITHOUT_CAPACITY = "SurgeWithoutCapacity"
    SCALING = "Scaling"
    PAUSED = "Paused"
    FORBIDDEN = "Forbidden"
    RECONCILE_ERROR = "ReconcileError"
    NAMESPACE_TERMINATING = "NamespaceTerminating"
    SCALE_IGNORED = "ScaleIgnored"
    # measurements and money
    NO_METRICS = "NoMetrics"
    METRICS_FRESH = "MetricsFresh"
    HISTORY_UNREADABLE = "HistoryUnreadable"
    FORECAST_DEGRADED = "ForecastDegraded"
    DECISION_HELD = "DecisionHeld"
    OBJECTIVES_MET = "ObjectivesMet"
    OBJECTIVES_MISSED = "ObjectivesMissed"
    OBJECTIVES_OUT_OF_REACH = "ObjectivesOutOfReach"
    PRICES_STALE = "PricesStale"
    PRICES_UNKNOWN = "PricesUnknown"
    NO_BUDGET = "NoBudget"
    WITHIN_LIMIT = "WithinLimit"
    LIMIT_REACHED = "LimitReached"
    NOT_IMPLEMENTED = "NotImplemented"
