"""Which budgets are at a stage, worked out once per change of theirs instead of once per deployment.

And whether a deployment has one at all, where the operator's settings want that of everybody.
"""

from typing import Any

from wharfage_api.llmbudget import BudgetMode
from wharfage_autoscaler.reasons import Reason

from wharfage_operator.binding import Staged, binding, staged
from wharfage_operator.cache import Cache
from wharfage_operator.errors import Rejected
from wharfage_operator.kinds import LLM_BUDGETS, LLM_DEPLOYMENTS, Key, Object, key_of
from wharfage_operator.scopes import Scopes, labels_of
from wharfage_operator.terms import exists


class Budgets:
    """Which budgets are at a stage, and whom they bind."""

    def __init__(self, cache: Cache, scopes: Scopes, *, required: bool = False) -> None:
        """`required`: a deployment without a budget that acts is refused."""
        self._cache = cache
        self._scopes = scopes
        self._required = required
        self._seen = -1
        self._staged: tuple[Staged, ...] = ()

    def binding(self, deployment: Object) -> dict[str, Any] | None:
        """What the status of a deployment says of its budgets; None where none of them is at a stage."""
        budgets = self._now()
        if not budgets:
            return None
        return binding(budgets, labels_of(deployment), self._scopes.around(deployment))

    def require(self, deployment: Object) -> None:
        """Pass if a budget that acts selects a deployment, or none has to.

        Raises:
            Rejected: else; with what there is, and what to do.

        """
        if not self._lacks(deployment):
            return
        name, namespace = deployment["metadata"]["name"], deployment["metadata"].get("namespace", "")
        idle = self._scopes.selecting(deployment)
        told = f"LLMBudget {', '.join(idle)} only observes, or is not accepted" if idle else "no LLMBudget selects it"
        raise Rejected(
            Reason.BUDGET_REQUIRED,
            f"the setting require_budget wants a budget that acts, and {told}: have an LLMBudget with mode: Enforce "
            f"select {name}, by its labels or those of namespace {namespace}. What runs of it stays as it is",
        )

    def misstated(self) -> list[Key]:
        """The deployments whose status says something else of their budgets."""
        return [
            key_of(each)
            for each in self._cache.all(LLM_DEPLOYMENTS)
            if self.binding(each) != (each.get("status") or {}).get("budget") or self._lacks(each) != _is_refused(each)
        ]

    def _lacks(self, deployment: Object) -> bool:
        if not self._required:
            return False
        ours = (self._scopes.budgets[name] for name in self._scopes.selecting(deployment))
        return not any(spec.mode is BudgetMode.ENFORCE and exists(spec.time_zone) for spec in ours)

    def _now(self) -> tuple[Staged, ...]:
        seen = self._cache.changes(LLM_BUDGETS)
        if seen != self._seen:
            found = (staged(name, spec, self._stage(name)) for name, spec in self._scopes.budgets.items())
            self._seen, self._staged = seen, tuple(each for each in found if each is not None)
        return self._staged

    def _stage(self, name: str) -> str:
        status = (self._cache.get(LLM_BUDGETS, ("", name)) or {}).get("status") or {}
        return status.get("stage") or ""


def _is_refused(deployment: Object) -> bool:
    rows = (deployment.get("status") or {}).get("conditions") or ()
    return any(row["reason"] == Reason.BUDGET_REQUIRED for row in rows)
