"""NVIDIA Dynamo's planner over what a replay shows: each replica's last step, and the traffic of an interval."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

from wharfage_autoscaler.fleet import PoolKey
from wharfage_autoscaler.sight import PoolSeen
from wharfage_autoscaler.steptime import StepTime

from wharfage_simulator.policies.planner import Aim, Came, Plan, Planner
from wharfage_simulator.policies.regression import Step
from wharfage_simulator.policies.scene import Scene, Setting
from wharfage_simulator.policy import ReplicaSeen, Seen, Target

_SWEPT = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the tokens in a step, and of the sequences


@dataclass(slots=True)
class Dynamo:
    """ai-dynamo 1.1.1, `dynamo.planner` in mode `agg` (1.6.1 needs a package that is not published).

    Dynamo's engines report every step; here a step is the mean one of the instant: the sequences that run, the prompts
    that arrive meanwhile, and the time that `step` (the engine model of the replay) gives both. With it, the model of
    step times begins with a sweep, as before a deployment; the easy aims need none. Objectives are the deployment's,
    which Dynamo compares with means. `max_gpu_budget` (8) is left out: the replay's own bound holds.
    While replicas are on their way it decides nothing by load. A replica that reports nothing (NaN) is missing, which
    lets no decision by load pass; unknown rates count as no requests.
    """

    reads_latencies: ClassVar[bool] = False

    pool: PoolKey
    aim: Aim = Aim.THROUGHPUT
    step: StepTime | None = None
    by_load: bool = False
    by_throughput: bool = True
    predictor: str = "ar"
    throughput_every_s: float = 180.0
    every_s: float = 5.0
    _planner: Planner | None = field(default=None, init=False)
    _requests: float = field(default=0.0, init=False)
    _asked_s: float = field(default=math.nan, init=False)
    _planned_s: float = field(default=math.nan, init=False)
    _replicas: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Refuse an aim that nothing could be measured for."""
        if self.aim is Aim.SLA and self.step is None:
            raise ValueError("dynamo: the aim sla needs the step time of a replica in its pool")
        if not (self.by_load or self.by_throughput):
            raise ValueError("dynamo: load and throughput are both off; nothing would decide")

    @property
    def name(self) -> str:
        """`dynamo(throughput)`, `dynamo(sla,kalman,load)`."""
        if self.aim is not Aim.SLA:
            return f"dynamo({self.aim})"
        foreseen = f",{self.predictor}" if self.by_throughput else ""
        return f"dynamo({self.aim}{foreseen}{',load' * self.by_load})"

    def target(self, seen: Seen) -> Target:
        """The count of the one pool."""
        pool = seen.pool(self.pool)
        current = pool.ready + pool.starting if self._replicas is None else self._replicas
        planner = self._planner or self._begun(seen, pool)
        self._requests += 0.0 if math.isnan(seen.rps_15s) else seen.rps_15s * (seen.now_s - self._asked_s)
        self._asked_s = seen.now_s
        steps = [
            self._last_step(row, seen)
            for row in seen.replicas
            if row.pool == self.pool and not math.isnan(row.running + row.waiting + row.kv_tokens_used)
        ]
        wanted = planner.load(steps, ready=pool.ready, expected=current)
        elapsed_s = seen.now_s - self._planned_s
        if elapsed_s >= self.throughput_every_s:
            self._planned_s = seen.now_s
            came = Came(elapsed_s, self._requests, seen.traffic.prompt_tokens, seen.traffic.output_tokens)
            self._requests = 0.0
            foreseen = planner.throughput(came)
            wanted = foreseen if wanted is None else wanted
        self._replicas = seen.bounded(current if wanted is None else wanted)
        return {self.pool: self._replicas}

    def _begun(self, seen: Seen, pool: PoolSeen) -> Planner:
        self._asked_s = self._planned_s = seen.now_s
        step = self.step
        self._planner = Planner(
            Plan(
                aim=self.aim,
                ttft_ms=1000.0 * seen.objectives.ttft_p95_s,
                itl_ms=1000.0 * seen.objectives.tpot_p95_s,
                by_load=self.by_load,
                by_throughput=self.by_throughput,
                predictor=self.predictor,
                least=max(1, seen.least),
                batched_tokens=8192.0 if step is None else step.limits.batched_tokens,
                kv_tokens=pool.kv_tokens,
            )
        )
        if step is not None:
            for prefill in _SWEPT:
                for share in _SWEPT:
                    self._planner.model.add(_swept(step, seen, prefill, share))
        return self._planner

    def _last_step(self, row: ReplicaSeen, seen: Seen) -> Step:
        """The mean step of a replica: the prompts that arrive while it lasts are computed in it."""
        prefill = seconds = 0.0
        if self.step is not None and row.running > 0:
            rps = 0.0 if math.isnan(seen.rps_1m) else seen.rps_1m / max(1, seen.ready)
            context = row.kv_tokens_used / row.running
            for _ in range(3):  # longer steps take in more, which makes them longer: it settles at once
                seconds = self.step.seconds(row.running, context, prefill)
                prefill = min(rps * seen.traffic.computed_tokens * seconds, self.step.limits.batched_tokens)
        return Step(
            prefill_tokens=prefill,
            prefills=prefill / seen.traffic.prompt_tokens,
            decode_tokens=row.kv_tokens_used,
            decodes=row.running,
            queued_prefill_tokens=row.waiting * seen.traffic.prompt_tokens,
            seconds=seconds,
        )


def _swept(step: StepTime, seen: Seen, prefill_share: float, decode_share: float) -> Step:
    """A step of the sweep before deployment: a part of its tokens in prompts, a part of the sequences that fit."""
    context = seen.traffic.resident_tokens
    decodes = decode_share * min(step.limits.sequences, step.kv_tokens / context)
    prefill = prefill_share * step.limits.batched_tokens
    return Step(
        prefill_tokens=prefill,
        prefills=prefill / seen.traffic.prompt_tokens,
        decode_tokens=decodes * context,
        decodes=decodes,
        seconds=step.seconds(decodes, context, prefill),
    )


def easy(scene: Scene) -> tuple[Setting, ...]:
    """Both aims without objectives."""
    return tuple({"aim": aim} for aim in (Aim.THROUGHPUT, Aim.LATENCY))


def sla(scene: Scene) -> tuple[Setting, ...]:
    """By throughput with each predictor, without and with decisions by load; and by load alone."""
    foreseen = (
        {"aim": Aim.SLA, "step": scene.step, "predictor": predictor, "by_load": by_load}
        for by_load in (False, True)
        for predictor in ("ar", "kalman", "constant")
    )
    return (*foreseen, {"aim": Aim.SLA, "step": scene.step, "by_load": True, "by_throughput": False})
