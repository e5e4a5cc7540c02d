"""Shapes of which no number of replicas helps: what an engine shows of itself, and what its machines did.

A shape is too slow when a request alone would miss the objective per token. Requests are seldom alone: what they take
is measured, and the capacity model says how much of it is due to company. It is too small when the longest request that
was promised does not fit into the cache that its engine reports. And a shape whose machines stopped coming before any
served is not tried again at once.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wharfage_autoscaler.move import COOLDOWN_S, Forced, forced
from wharfage_autoscaler.need import Shape
from wharfage_autoscaler.steady import IDLE, operation
from wharfage_autoscaler.steptime import StepTime

from wharfage_simulator.policy import PoolSeen, Seen

EVIDENCE_S = 300.0
"""For so long every look must say that it is too slow: one minute of long prompts is no shape's fault."""
KEPT_S = 86_400.0
"""For so long it is believed; then the shape may be tried again."""


@dataclass(slots=True)
class Unfit:
    """What has been learned of shapes, with the time of it."""

    max_model_tokens: int
    _slow_since_s: dict[Shape, float] = field(default_factory=dict)
    _slow: dict[Shape, tuple[float, float]] = field(default_factory=dict)
    """Seconds per token alone, and when that was known."""
    _gone_s: dict[Shape, float] = field(default_factory=dict)

    def look(self, seen: Seen, serving: Mapping[Shape, StepTime]) -> None:
        """Learn from one look, where one shape alone serves: latencies are those of all replicas together."""
        if len(serving) != 1 or math.isnan(seen.tpot_p50_s):
            self._slow_since_s.clear()
            return
        ((shape, step),) = serving.items()
        alone_s = _alone_s(seen, step)
        if alone_s <= seen.objectives.tpot_p95_s:
            self._slow_since_s.clear()
            return
        since_s = self._slow_since_s.setdefault(shape, seen.now_s)
        if seen.now_s - since_s >= EVIDENCE_S:
            self._slow[shape] = (alone_s, seen.now_s)

    def gone(self, shapes: Iterable[Shape], now_s: float) -> None:
        """Their machines stopped coming before any of them served."""
        self._gone_s |= dict.fromkeys(shapes, now_s)

    def reason(self, shape: Shape, step: StepTime, pool: PoolSeen, seen: Seen) -> Forced | None:
        """Why more of it does not help at present, if so; `pool` is one on which it runs."""
        alone_s, known_s = self._slow.get(shape, (math.nan, -math.inf))
        gone = seen.now_s - self._gone_s.get(shape, -math.inf) < COOLDOWN_S
        return forced(
            tpot_alone_s=alone_s if seen.now_s - known_s < KEPT_S else math.nan,
            tpot_objective_s=seen.objectives.tpot_p95_s,
            kv_tokens=pool.kv_tokens,
            longest_request_tokens=step.kv_tokens_of(float(self.max_model_tokens)),
            prefers_cheaper=False,
            waited_s=math.inf if gone else 0.0,
            start_s=pool.lead_s,
        )


def _alone_s(seen: Seen, step: StepTime) -> float:
    """Seconds per token of a request alone: what half of them take, by what the model says that company makes of it."""
    together = max(IDLE, seen.running / max(1, seen.ready))
    alone_s, shared_s = (operation(step, seen.traffic, sequences).tpot_s for sequences in (IDLE, together))
    return seen.tpot_p50_s * alone_s / shared_s
