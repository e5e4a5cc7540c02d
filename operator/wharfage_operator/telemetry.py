"""What the operator says about itself: JSON log lines without secrets, and Prometheus metrics `wharfage_*`."""

import contextlib
import json
import logging
import re
import sys
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from wharfage_operator.budget_gauges import BudgetGauges
from wharfage_operator.gauges import Figures, Gauges
from wharfage_operator.gpu_gauges import GpuGauges
from wharfage_operator.price_gauges import PriceGauges
from wharfage_operator.spend_counters import SpendCounters

_LONGEST_TEXT = 1024
_SECRETS = (
    re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),  # a JWT
    re.compile(r"\bhf_[A-Za-z0-9]{10,}"),
    re.compile(r"\bsk-[A-Za-z0-9_-]{10,}"),
    re.compile(r"(?i)(?<=token=)[^\s&\"']+"),
    re.compile(r"(?i)(?<=password=)[^\s&\"']+"),
    re.compile(r"(?i)(?<=api-key[= ])[^\s&\"']+"),
)
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "settings",
    "k8s_skip",
    "k8s_ref",
}


def redacted(text: str) -> str:
    """The text without what looks like a credential, on one line, at most 1 KiB of it."""
    for secret in _SECRETS:
        text = secret.sub("[redacted]", text)
    return text[:_LONGEST_TEXT]


def _clean(value: object) -> object:
    """The value without credentials in any of its texts; whoever logs lists bounds them."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {redacted(str(name)): _clean(each) for name, each in value.items()}
    return [_clean(each) for each in value] if isinstance(value, list) else value


class JsonLines(logging.Formatter):
    """One JSON object a line; JSON escapes the newlines and control characters that names may smuggle in."""

    def format(self, record: logging.LogRecord) -> str:
        """Render one record with everything that was passed in `extra`."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redacted(record.getMessage()),
        }
        line |= {
            name: _clean(value)
            for name, value in vars(record).items()
            if name not in _PLAIN and isinstance(value, (str, int, float, bool, list, dict))
        }
        if record.exc_info:
            line["traceback"] = redacted(self.formatException(record.exc_info)[-_LONGEST_TEXT:])
        return json.dumps(line, ensure_ascii=True)


def log_to_stderr(level: str) -> None:
    """Send every log record of the process to stderr as JSON; kopf is heard from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("kopf", "aiohttp.access", "asyncio"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))


class Telemetry:
    """The operator's own metrics in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.reconciles = Counter(
            "wharfage_reconciles", "Looks taken at one object", ["kind", "outcome"], registry=self.registry
        )
        self.reconcile_seconds = Histogram(
            "wharfage_reconcile_seconds",
            "Duration of one look, writes included",
            ["kind"],
            buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
            registry=self.registry,
        )
        self.writes = Counter(
            "wharfage_writes", "Writes to the API server", ["resource", "verb"], registry=self.registry
        )
        self.write_failures = Counter(
            "wharfage_write_failures",
            "Writes that the API server refused",
            ["resource", "status"],
            registry=self.registry,
        )
        self.queue = Gauge("wharfage_queue_depth", "Objects that wait for a look", registry=self.registry)
        self.leader = Gauge("wharfage_leader", "1 while this replica leads", registry=self.registry)
        self.watch_age = Gauge(
            "wharfage_watch_last_event_age_seconds",
            "Time since a kind was last heard of",
            ["resource"],
            registry=self.registry,
        )
        self.objects = Gauge("wharfage_cached_objects", "Objects in the cache", ["resource"], registry=self.registry)
        self.scrapes = Counter("wharfage_scrapes", "Readings of engines' metrics", ["outcome"], registry=self.registry)
        self.questions = Counter(
            "wharfage_prometheus_questions", "Questions to Prometheus", ["outcome"], registry=self.registry
        )
        self.errands = Counter(
            "wharfage_worker_errands", "Errands of the worker", ["kind", "outcome"], registry=self.registry
        )
        self.errand_seconds = Histogram(
            "wharfage_worker_errand_seconds",
            "Duration of one errand once it was begun",
            ["kind"],
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
            registry=self.registry,
        )
        self.worker_starts = Counter("wharfage_worker_starts", "Starts of the worker", registry=self.registry)
        self.worker_cpu_seconds = Counter(
            "wharfage_worker_cpu_seconds", "Processor time of the worker's errands", registry=self.registry
        )
        self.worker_rss = Gauge(
            "wharfage_worker_resident_memory_bytes", "Memory of the worker; 0 without one", registry=self.registry
        )
        self._deployments = Gauges(self.registry)
        self.forecast = Gauge(
            "wharfage_forecast_requests_per_second",
            "What was foreseen of the minutes that run, in requests of the kind that capacity is told in",
            ["namespace", "name", "quantile"],
            registry=self.registry,
        )
        self.decisions = Counter(
            "wharfage_decisions",
            "Changes of what is wanted of a deployment, by the reason of the last step",
            ["namespace", "name", "direction", "reason"],
            registry=self.registry,
        )
        self.prices = PriceGauges(self.registry)
        self.gpus = GpuGauges(self.registry)
        self.budgets = BudgetGauges(self.registry)
        offer = ["catalog", "offer", "market", "zone"]
        self.lead = Gauge(
            "wharfage_lead_seconds",
            "From an order to the first answer: until there is a machine, and from there until its engine is ready",
            [*offer, "part"],
            registry=self.registry,
        )
        self.shortage = Gauge(
            "wharfage_offer_short",
            "1 while an offer is left alone: its machines do not come",
            offer,
            registry=self.registry,
        )
        self.strikes = Gauge(
            "wharfage_offer_strikes",
            "How often an offer was short, less than three hours apart",
            offer,
            registry=self.registry,
        )
        self.notices = Gauge(
            "wharfage_nodes_noticed", "Nodes that say that they go, by what it means", ["means"], registry=self.registry
        )
        self.prices_observed = Gauge(
            "wharfage_prices_observed_timestamp_seconds",
            "When a catalog's prices were true, in Unix seconds",
            ["catalog"],
            registry=self.registry,
        )
        engine = ["namespace", "name", "variant", "accelerator", "accelerators"]
        self.ledger_kept = Gauge(
            "wharfage_ledger_kept",
            "1 while dollars are written where they last, 0 where the ledger cannot be read",
            registry=self.registry,
        )
        self.spend = SpendCounters(self.registry)
        self.capacity = Gauge(
            "wharfage_capacity_requests_per_second",
            "What one replica carries within the objectives, by the model alone and as its engines have taught",
            [*engine, "calibrated"],
            registry=self.registry,
        )
        self.calibration_factor = Gauge(
            "wharfage_calibration_factor",
            "How much longer a part of an engine's step takes than by the model",
            [*engine, "part"],
            registry=self.registry,
        )
        self.calibration_windows = Gauge(
            "wharfage_calibration_windows",
            "Half minutes of engines' work that a calibration was learned from",
            engine,
            registry=self.registry,
        )

    def deployment(self, key: tuple[str, str], figures: Figures) -> None:
        """Show what one deployment runs, carries and costs."""
        self._deployments.show(key, figures)

    def forget_catalog(self, name: str) -> None:
        """A catalog is gone, or cannot be read: nobody knows how old its prices are."""
        with contextlib.suppress(KeyError):
            self.prices_observed.remove(name)

    def forget(self, key: tuple[str, str]) -> None:
        """A deployment is gone: its series end."""
        self._deployments.forget(key)
