"""Dynamo's own planner: its state machine in mode agg, told what engines and traffic were."""

from collections.abc import Callable
from typing import Any

from dynamo.common.forward_pass_metrics import ForwardPassMetrics, QueuedRequestMetrics, ScheduledRequestMetrics
from dynamo.planner.config.planner_config import PlannerConfig
from dynamo.planner.core.state_machine import PlannerStateMachine
from dynamo.planner.core.types import (
    EngineCapabilities,
    FpmObservations,
    ScheduledTick,
    TickInput,
    TrafficObservation,
    WorkerCapabilities,
    WorkerCounts,
)


def begin(settings: dict[str, Any]) -> Callable[[dict[str, Any]], Any]:
    """A planner of this configuration; engines of this size."""
    engine = settings.pop("engine")
    config = PlannerConfig.model_validate({"mode": "agg", "max_gpu_budget": -1, **settings})
    planner = PlannerStateMachine(config, WorkerCapabilities(decode=EngineCapabilities(num_gpu=1, **engine)))
    planner.initial_tick(0.0)

    def answer(question: dict[str, Any]) -> Any:
        traffic = question.get("traffic") if config.enable_throughput_scaling else None  # else it asks for none
        steps = {(str(number), 0): _metrics(step) for number, step in enumerate(question["steps"])}
        tick = ScheduledTick(
            at_s=question["now_s"],
            run_load_scaling=True,
            run_throughput_scaling=traffic is not None,
            need_worker_states=True,
            need_worker_fpm=True,
        )
        effects = planner.on_tick(
            tick,
            TickInput(
                now_s=question["now_s"],
                traffic=TrafficObservation(**traffic) if traffic else None,
                worker_counts=WorkerCounts(
                    ready_num_decode=question["ready"], expected_num_decode=question["expected"]
                ),
                fpm_observations=FpmObservations(decode=steps),
            ),
        )
        return None if effects.scale_to is None else effects.scale_to.num_decode

    return answer


def _metrics(step: dict[str, Any]) -> ForwardPassMetrics:
    return ForwardPassMetrics(
        worker_id="",
        dp_rank=0,
        wall_time=step["seconds"],
        scheduled_requests=ScheduledRequestMetrics(
            sum_prefill_tokens=step["prefill_tokens"],
            num_prefill_requests=step["prefills"],
            sum_decode_kv_tokens=step["decode_tokens"],
            num_decode_requests=step["decodes"],
        ),
        queued_requests=QueuedRequestMetrics(
            sum_prefill_tokens=step["queued_prefill_tokens"], sum_decode_kv_tokens=step["queued_decode_tokens"]
        ),
    )
