"""What Prometheus reads of a gateway: made from the counts when it asks, so that no request pays for it.

Labels are bounded: models by the cluster's objects, classes by theirs, tenants by the keys.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from wharfage_gateway.board import Board
from wharfage_gateway.tally import OTHERS, WAIT_BOUNDS_S

_BY = ("model", "class", "tenant")
_TOTALS = {
    "arrivals": "Requests that came.",
    "admitted": "Requests that were sent to a replica.",
    "prompt_tokens": "Tokens of prompts, as engines counted them.",
    "output_tokens": "Tokens of answers, as engines counted them.",
    "unknown_tokens": "Requests that are over without anyone telling their tokens.",
}


class Counts(Collector):
    """The counts of one board."""

    def __init__(self, board: Board, age_s: Callable[[], float | None]) -> None:
        """`age_s` tells for how long nothing was heard of replicas, None where nobody is asked."""
        self._board, self._age_s = board, age_s

    def collect(self) -> Iterable[Metric]:
        """All families."""
        yield from self._totals()
        yield self._refused()
        yield from self._now()
        yield self._waited()
        yield from self._ended()
        about = "What those who wait take up of Envoy's memory."
        yield GaugeMetricFamily("wharfage_gateway_held_bytes", about, value=self._board.held_bytes)
        if (age_s := self._age_s()) is not None:
            about = "Since the API server last said anything of replicas."
            yield GaugeMetricFamily("wharfage_gateway_endpoints_age_seconds", about, value=age_s)
        lost = CounterMetricFamily("wharfage_gateway_lost", "Requests whose end the access log never told.")
        lost.add_metric((), self._board.lost)
        yield lost

    def _totals(self) -> Iterator[Metric]:
        for name, about in _TOTALS.items():
            family = CounterMetricFamily(f"wharfage_gateway_{name}", about, labels=_BY)
            for labels, count in self._board.tally.counts.items():
                family.add_metric(labels, getattr(count, name))
            yield family

    def _ended(self) -> Iterator[Metric]:
        by = ("model", "variant")
        ended = CounterMetricFamily("wharfage_gateway_ended", "Requests that are over.", labels=(*by, "ending"))
        about = "From a request's first byte at the replica to the last of its answer, of those that came to their end."
        seconds = SummaryMetricFamily("wharfage_gateway_answer_seconds", about, labels=by)
        for labels, outcome in self._board.outcomes.items():
            for ending, times in outcome.endings.items():
                ended.add_metric((*labels, ending), times)
            seconds.add_metric(labels, outcome.seconds.count, outcome.seconds.count * outcome.seconds.mean)
        yield from (ended, seconds)

    def _refused(self) -> Metric:
        family = CounterMetricFamily("wharfage_gateway_refused", "Requests that were refused.", labels=(*_BY, "reason"))
        for labels, count in self._board.tally.counts.items():
            for reason, times in count.refused.items():
                family.add_metric((*labels, reason), times)
        for reason, times in self._board.tally.unrouted.items():
            family.add_metric(("", "", "", reason), times)
        return family

    def _now(self) -> Iterator[Metric]:
        running = GaugeMetricFamily("wharfage_gateway_running", "Requests at a replica.", labels=("model", "replica"))
        about = "1 where a replica gets new requests, 0 where it starts or drains."
        is_open = GaugeMetricFamily("wharfage_gateway_open", about, labels=("model", "replica"))
        slots = GaugeMetricFamily("wharfage_gateway_slots", "What open replicas carry together.", labels=("model",))
        for key, desk in self._board.desks.items():
            for replica in desk.model.replicas:
                running.add_metric((key, replica.name), desk.running.get(replica.name, 0))
                is_open.add_metric((key, replica.name), float(replica.open))
            slots.add_metric((key,), desk.model.slots)
        yield from (self._waiting(), running, is_open, slots, self._throttled())

    def _waiting(self) -> Metric:
        """Of whoever has a row of counts, 0 included."""
        known = self._board.tally.counts
        sizes = dict.fromkeys(known, 0)
        for key, desk in self._board.desks.items():
            for (cls, tenant), size in desk.waiting.sizes().items():
                row = (key, cls, tenant if (key, cls, tenant) in known else OTHERS)
                sizes[row] = sizes.get(row, 0) + size
        family = GaugeMetricFamily("wharfage_gateway_waiting", "Requests that wait.", labels=_BY)
        for labels, size in sizes.items():
            family.add_metric(labels, size)
        return family

    def _throttled(self) -> Metric:
        about = "What each tenant may use while a budget's stage holds, over all gateways; absent where none does."
        labels = ("model", "budget", "stage")
        family = GaugeMetricFamily("wharfage_gateway_throttle_tokens_per_second", about, labels=labels)
        for key, desk in self._board.desks.items():
            if (throttle := desk.model.throttle) is not None:
                family.add_metric((key, throttle.budget, throttle.stage), throttle.tokens_per_s)
        return family

    def _waited(self) -> Metric:
        about = "How long admitted requests had waited."
        family = HistogramMetricFamily("wharfage_gateway_wait_seconds", about, labels=("model", "class"))
        bounds = [*map(str, WAIT_BOUNDS_S), "+Inf"]
        for labels, waits in self._board.tally.waits.items():
            family.add_metric(labels, list(zip(bounds, accumulate(waits.buckets), strict=True)), waits.sum_s)
        return family
