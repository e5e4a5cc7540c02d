"""Which budgets are at a stage, worked out once per change of theirs instead of once per deployment."""

from typing import Any

from wharfage_operator.binding import Staged, binding, staged
from wharfage_operator.cache import Cache
from wharfage_operator.kinds import LLM_BUDGETS, LLM_DEPLOYMENTS, Key, Object, key_of
from wharfage_operator.scopes import Scopes, labels_of


class Budgets:
    """Which budgets are at a stage, and whom they bind."""

    def __init__(self, cache: Cache, scopes: Scopes) -> None:
        self._cache = cache
        self._scopes = scopes
        self._seen = -1
        self._staged: tuple[Staged, ...] = ()

    def binding(self, deployment: Object) -> dict[str, Any] | None:
        """What the status of a deployment says of its budgets; None where none of them is at a stage."""
        budgets = self._now()
        if not budgets:
            return None
        return binding(budgets, labels_of(deployment), self._scopes.around(deployment))

    def misstated(self) -> list[Key]:
        """The deployments whose status says something else of their budgets."""
        return [
            key_of(each)
            for each in self._cache.all(LLM_DEPLOYMENTS)
            if self.binding(each) != (each.get("status") or {}).get("budget")
        ]

    def _now(self) -> tuple[Staged, ...]:
        seen = self._cache.changes(LLM_BUDGETS)
        if seen != self._seen:
            found = (staged(name, spec, self._stage(name)) for name, spec in self._scopes.budgets.items())
            self._seen, self._staged = seen, tuple(each for each in found if each is not None)
        return self._staged

    def _stage(self, name: str) -> str:
        status = (self._cache.get(LLM_BUDGETS, ("", name)) or {}).get("status") or {}
        return status.get("stage") or ""
