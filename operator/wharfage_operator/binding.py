"""Which budget binds a deployment hardest, by the stages that its budgets are at, and what that means at a gateway.

Where several are at a stage that throttles, the fewest tokens hold, whichever of them is at the harsher stage.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wharfage_api.llmbudget import BudgetMode, LLMBudgetSpec, Stage
from wharfage_autoscaler.stages import Action

_BURST_S = 10
"""A tenant that paused may use as much at once as it gets in so many seconds, unless the stage says otherwise."""


@dataclass(frozen=True, slots=True)
class Staged:
    """A budget, and the harshest stage that it is at."""

    name: str
    spec: LLMBudgetSpec
    action: Action

    @property
    def enforced(self) -> bool:
        """Whether its stages act."""
        return self.spec.mode is BudgetMode.ENFORCE

    @property
    def throttle(self) -> Stage | None:
        """The stage that says how many tokens each tenant keeps, while it acts: it stays on under harsher ones."""
        if not self.enforced or self.action.rank < Action.THROTTLE.rank:
            return None
        return next((stage for stage in self.spec.stages if stage.action is Action.THROTTLE), None)


def staged(name: str, spec: LLMBudgetSpec, stage: str) -> Staged | None:
    """A budget at that stage of its status; None where it is at none, or at one that this version does not know."""
    try:
        return Staged(name, spec, Action(stage))
    except ValueError:
        return None


def binding(
    budgets: Iterable[Staged], labels: Mapping[str, str], namespace_labels: Mapping[str, str]
) -> dict[str, Any] | None:
    """The row `budget` of a deployment's status; None where no budget that selects it is at a stage."""
    ours = [each for each in budgets if each.spec.selects(labels, namespace_labels)]
    if not ours:
        return None
    hardest = min(ours, key=lambda each: (not each.enforced, -each.action.rank, _tokens(each.throttle), each.name))
    row: dict[str, Any] = {"name": hardest.name, "stage": hardest.action.value, "mode": hardest.spec.mode.value}
    throttling = min(ours, key=lambda each: (_tokens(each.throttle), each is not hardest, each.name))
    stage = throttling.throttle
    if stage is None or stage.tokens_per_second_per_tenant is None:
        return row
    row["tokensPerSecondPerTenant"] = stage.tokens_per_second_per_tenant
    row["burstTokens"] = stage.burst_tokens or _BURST_S * stage.tokens_per_second_per_tenant
    if throttling is not hardest:
        row["throttledBy"] = throttling.name
    return row


def _tokens(throttle: Stage | None) -> float:
    """Tokens per second of each tenant; infinite where nothing throttles."""
    tokens = None if throttle is None else throttle.tokens_per_second_per_tenant
    return float("inf") if tokens is None else tokens
