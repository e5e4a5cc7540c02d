"""Shapes of which no number of replicas helps: what an engine shows of itself, and what its machines did.

A shape is too slow when a request alone would miss the objective per token. Requests are seldom alone: what they take
is measured, and the capacity model says how much of it is due to company. It is too small when the longest request that
was promised does not fit into the cache that its engine reports. And a shape whose machines stopped coming before any
served is not tried again at once.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from wharfage_autoscaler.charter import Charter
from wharfage_autoscaler.move import COOLDOWN_S, Forced, forced
from wharfage_autoscaler.need import Shape
from wharfage_autoscaler.sight import PoolSeen, Sight
from wharfage_autoscaler.steady import IDLE, operation
from wharfage_autoscaler.steptime import StepTime

EVIDENCE_S = 300.0
"""For so long every look must say that it is too slow: one minute of long prompts is no shape's fault."""
KEPT_S = 86_400.0
"""For so long it is believed; then the shape may be tried again."""


@dataclass(frozen=True, slots=True)
class Slow:
    """How long a token takes on a shape for a request alone, and when that was known."""

    tpot_alone_s: float = math.nan
    at_s: float = -math.inf


_NEVER = Slow()


@dataclass(frozen=True, slots=True)
class Unfit:
    """What has been learned of shapes, with the time of it."""

    suspect: tuple[Shape, float] | None = None
    """The shape that every look has found too slow since then."""
    slow: Mapping[Shape, Slow] = field(default_factory=dict)
    gone_s: Mapping[Shape, float] = field(default_factory=dict)

    def heard(self, sight: Sight, charter: Charter) -> "Unfit":
        """After one more look, which tells where one shape alone serves: latencies are those of all together."""
        if math.isnan(sight.tpot_p50_s) or math.isnan(sight.running):
            return self._unsuspecting()
        serving = {charter.berth(pool).shape: charter.moorings[pool.key].step for pool in sight.pools if pool.ready}
        if len(serving) != 1:
            return self._unsuspecting()
        ((shape, step),) = serving.items()
        alone_s = _alone_s(sight, step)
        if alone_s <= charter.objectives.tpot_p95_s:
            return self._unsuspecting()
        suspect = self.suspect
        if suspect is None or suspect[0] != shape:
            suspect = (shape, sight.now_s)
        if sight.now_s - suspect[1] < EVIDENCE_S:
            return replace(self, suspect=suspect)
        return replace(self, suspect=suspect, slow={**self.slow, shape: Slow(alone_s, sight.now_s)})

    def gone(self, shapes: Iterable[Shape], now_s: float) -> "Unfit":
        """Their machines stopped coming before any of them served."""
        return replace(self, gone_s={**self.gone_s, **dict.fromkeys(shapes, now_s)})

    def reasons(self, sight: Sight, charter: Charter) -> dict[Shape, Forced]:
        """The shapes that are not to be moved to at present, each with why."""
        pools = {charter.berth(pool).shape: pool for pool in sight.pools}
        found = {shape: self._reason(shape, pool, sight.now_s, charter) for shape, pool in pools.items()}
        return {shape: reason for shape, reason in found.items() if reason is not None}

    def _reason(self, shape: Shape, pool: PoolSeen, now_s: float, charter: Charter) -> Forced | None:
        slow = self.slow.get(shape, _NEVER)
        gone = now_s - self.gone_s.get(shape, -math.inf) < COOLDOWN_S
        return forced(
            tpot_alone_s=slow.tpot_alone_s if now_s - slow.at_s < KEPT_S else math.nan,
            tpot_objective_s=charter.objectives.tpot_p95_s,
            kv_tokens=pool.kv_tokens,
            longest_request_tokens=charter.moorings[pool.key].step.kv_tokens_of(float(charter.wanted.max_model_tokens)),
            prefers_cheaper=False,
            waited_s=math.inf if gone else 0.0,
            start_s=pool.lead_s,
        )

    def _unsuspecting(self) -> "Unfit":
        return self if self.suspect is None else replace(self, suspect=None)


def _alone_s(sight: Sight, step: StepTime) -> float:
    """Seconds per token of a request alone: what half of them take, by what the model says that company makes of it."""
    together = max(IDLE, sight.running / max(1, sight.ready))
    alone_s, shared_s = (operation(step, sight.traffic, sequences).tpot_s for sequences in (IDLE, together))
    return sight.tpot_p50_s * alone_s / shared_s
