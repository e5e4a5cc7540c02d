"""The budgets in the cache as values, worked out once per change of theirs instead of once per deployment."""

import logging
from typing import Any

from pydantic import ValidationError
from wharfage_api.llmbudget import LLMBudgetSpec

from wharfage_operator.binding import Staged, binding, staged
from wharfage_operator.cache import Cache
from wharfage_operator.kinds import LLM_BUDGETS, LLM_DEPLOYMENTS, NAMESPACES, Key, Object, key_of

log = logging.getLogger(__name__)
_NAMESPACE = "kubernetes.io/metadata.name"


class Budgets:
    """Which budgets are at a stage, and whom they bind."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._seen = -1
        self._staged: tuple[Staged, ...] = ()

    def binding(self, deployment: Object) -> dict[str, Any] | None:
        """What the status of a deployment says of its budgets; None where none of them is at a stage."""
        budgets = self._now()
        if not budgets:
            return None
        return binding(budgets, _labels(deployment), self._namespace_labels(deployment))

    def misstated(self) -> list[Key]:
        """The deployments whose status says something else of their budgets."""
        return [
            key_of(each)
            for each in self._cache.all(LLM_DEPLOYMENTS)
            if self.binding(each) != (each.get("status") or {}).get("budget")
        ]

    def _namespace_labels(self, deployment: Object) -> dict[str, str]:
        namespace = deployment["metadata"].get("namespace", "")
        known = self._cache.get(NAMESPACES, ("", namespace))
        return {_NAMESPACE: namespace, **_labels(known or {"metadata": {}})}

    def _now(self) -> tuple[Staged, ...]:
        seen = self._cache.changes(LLM_BUDGETS)
        if seen != self._seen:
            found = (_staged(raw) for raw in self._cache.all(LLM_BUDGETS))
            self._seen, self._staged = seen, tuple(each for each in found if each is not None)
        return self._staged


def _staged(raw: Object) -> Staged | None:
    stage, name = (raw.get("status") or {}).get("stage") or "", raw["metadata"]["name"]
    if not stage:
        return None
    try:
        return staged(name, LLMBudgetSpec.model_validate(raw["spec"]), stage)
    except ValidationError as error:
        log.warning("a budget that cannot be read binds nobody", extra={"budget": name, "error": str(error)})
        return None


def _labels(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}
