"""Ray Serve's own policy, behind the wrapper that applies factors, delays and the cold start; its clock is told."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import ray.serve.autoscaling_policy as policy
from ray.serve.config import AutoscalingConfig, AutoscalingContext


def begin(settings: dict[str, Any]) -> Callable[[dict[str, Any]], Any]:
    """A deployment with this autoscaling configuration."""
    config = AutoscalingConfig(**settings)
    decide = policy._apply_autoscaling_config(policy._core_replica_queue_length_policy)
    state: dict[str, Any] = {}

    def answer(question: dict[str, Any]) -> Any:
        nonlocal state
        policy.time = SimpleNamespace(time=lambda: question["now_s"])
        context = AutoscalingContext(
            deployment_id=None,
            deployment_name="",
            app_name=None,
            current_num_replicas=question["running"],
            target_num_replicas=question["target"],
            running_replicas=[],
            total_num_requests=question["in_flight"],
            total_queued_requests=None,
            aggregated_metrics=None,
            raw_metrics=None,
            capacity_adjusted_min_replicas=config.min_replicas,
            capacity_adjusted_max_replicas=config.max_replicas,
            policy_state=dict(state),
            last_scale_up_time=None,
            last_scale_down_time=None,
            current_time=question["now_s"],
            config=config,
        )
        count, state = decide(context)
        return count

    return answer
