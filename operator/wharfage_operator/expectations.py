"""What is expected of every deployment's load: its weeks go to the worker, a forecast of the next minutes comes back.

A forecast is of work, in requests of the planned kind, because the count is. It is asked for once for each row of five
minutes; where none came it ends with the minutes it was made for, and the law goes by what is measured.
"""

import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from wharfage_autoscaler.event import Event
from wharfage_autoscaler.forecast import Forecast
from wharfage_autoscaler.work import Work

from wharfage_operator.charts import Chart
from wharfage_operator.clock import Clock
from wharfage_operator.errands import Foreseeing, Foreseen
from wharfage_operator.foreman import WorkerFailed
from wharfage_operator.history import STEP_S, Row, Rows
from wharfage_operator.kinds import Key
from wharfage_operator.telemetry import Telemetry
from wharfage_operator.trouble import Trouble

log = logging.getLogger(__name__)
_EVERY_S = 60.0
_RECENT = 24  # rows of which a fitted forecaster is told: two hours
_STALE_S = 2 * STEP_S
TOLD = (0.5, 0.95)
"""Quantiles of a forecast that are shown."""

Foresee = Callable[[Foreseeing], Awaitable[Foreseen]]
"""Raises `WorkerFailed`."""


@dataclass(slots=True)
class _Subject:
    """One deployment whose load is forecast; `known_to_s` is the end of the rows that the last forecast knew."""

    uid: str
    chart: Chart
    lead_s: float
    events: tuple[Event, ...]
    history_s: float
    known_to_s: float = 0.0
    forecast: Forecast | None = None
    trouble: Trouble = field(default_factory=Trouble)


class Expectations:
    """The forecasts of all deployments."""

    def __init__(self, foresee: Foresee, rows: Callable[[Key], Rows], clock: Clock) -> None:
        self._foresee = foresee
        self._rows = rows
        self._clock = clock
        self._subjects: dict[Key, _Subject] = {}

    def of(
        self,
        key: Key,
        uid: str,
        chart: Chart,
        lead_s: float,
        events: tuple[Event, ...] = (),
        *,
        history_s: float = math.inf,
    ) -> Forecast | None:
        """The forecast of a deployment on its present chart; None where there is none yet.

        The next one reaches so far as to cover `lead_s`, from an order to the first answer. `events` are what the user
        knows of demand; where they change, the next forecast does not wait for a row. It is learned from the last
        `history_s` alone.
        """
        known = self._subjects.get(key)
        if known is None or known.uid != uid or known.chart.charter.work != chart.charter.work:
            self._subjects[key] = _Subject(uid, chart, lead_s, events, history_s)
            return None
        if events != known.events:
            known.events, known.known_to_s = events, 0.0
        known.chart, known.lead_s, known.history_s = chart, lead_s, history_s
        return known.forecast

    def trouble(self, key: Key) -> str:
        """Why there was no forecast twice in a row; empty where there was, or nobody asked."""
        subject = self._subjects.get(key)
        return subject.trouble.told if subject is not None else ""

    def tell(self, telemetry: Telemetry, now_s: float) -> None:
        """Show what was foreseen of the five minutes that run, before they began: what demand is held against."""
        telemetry.forecast.clear()
        for key, subject in self._subjects.items():
            if subject.forecast is None:
                continue
            for quantile in TOLD:
                rate = subject.forecast.highest(quantile, now_s, now_s)
                if rate is not None:
                    telemetry.forecast.labels(*key, f"{quantile:g}").set(rate)

    def forget(self, key: Key) -> None:
        """The deployment is gone, or its count does not follow the load any more."""
        self._subjects.pop(key, None)

    async def run(self) -> None:
        """Ask for each deployment once there is a new row of it, for ever."""
        await self._clock.every(_EVERY_S, self.turn)

    async def turn(self, now_s: float) -> None:
        """Ask for all of which there is a row that the last forecast did not know; `now_s` in Unix seconds."""
        for key, subject in list(self._subjects.items()):
            rows = self._rows(key)
            if not len(rows) or rows.end_s == subject.known_to_s or rows.end_s < now_s - _STALE_S:
                continue
            try:
                subject.forecast = await self._asked(key, subject, rows)
                subject.known_to_s = rows.end_s
                subject.trouble.over()
            except WorkerFailed as failure:
                subject.trouble.failed(failure.reason)
                log.info("no forecast this time", extra={"key": "/".join(key), "error": failure.reason})
            except Exception as error:  # one deployment's is no reason to end all others'
                subject.trouble.failed(str(error))
                log.exception("no forecast this time", extra={"key": "/".join(key)})

    async def _asked(self, key: Key, subject: _Subject, rows: Rows) -> Forecast | None:
        """The forecast. Who is asked has the weeks already, or says that it wants them."""
        rates = worked(rows, subject.chart.charter.work)
        if subject.history_s < len(rates) * STEP_S:
            rates = rates[-max(1, round(subject.history_s / STEP_S)) :]
        # What a request is worth follows from the chart: on another one, another series begins.
        uid = f"{subject.uid}/{hash(subject.chart.charter.work):x}"

        async def ask(*, whole: bool) -> Foreseen:
            told = rates if whole else rates[-_RECENT:]
            errand = Foreseeing(
                key=key,
                uid=uid,
                rates=told,
                end_s=float(rows.end_s),
                whole=whole,
                lead_s=subject.lead_s,
                forecaster="" if subject.forecast is None else subject.forecast.forecaster,
                events=subject.events,
            )
            return await self._foresee(errand)

        said = await ask(whole=len(rates) <= _RECENT)
        if said.wants_whole and len(rates) > _RECENT:
            said = await ask(whole=True)
        return said.forecast


def worked(rows: Rows, work: Work) -> list[float]:
    """The work of each row in requests of the planned kind per second; NaN for a gap."""
    return [math.nan if row is None else _worth(row, work) * row.requests for row in rows]


def _worth(row: Row, work: Work) -> float:
    if row.requests <= 0.0:
        return 1.0
    return work.each(row.prompt_tokens / row.requests, row.output_tokens / row.requests)
