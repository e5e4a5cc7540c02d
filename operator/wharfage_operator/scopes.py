"""Whose dollars count for which budget, and where the ledger's hours are cut because a period of one begins there.

Every budget that can be read counts, whatever its mode and stage: dollars are booked under those that select a
deployment when they are spent.
"""

from dataclasses import dataclass
from functools import cached_property

from pydantic import ValidationError
from wharfage_api.llmbudget import LLMBudgetSpec
from wharfage_autoscaler.metering import RowOf

from wharfage_operator.budget import exists
from wharfage_operator.cache import Cache
from wharfage_operator.hours import row_of
from wharfage_operator.kinds import LLM_BUDGETS, NAMESPACES, Object

_NAMESPACE = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class _Known:
    """The budgets by name, as of one state of the cache."""

    changes: int
    budgets: dict[str, LLMBudgetSpec]

    @cached_property
    def row_of(self) -> RowOf:
        return row_of({(spec.period, spec.time_zone) for spec in self.budgets.values() if exists(spec.time_zone)})


class Scopes:
    """The budgets in the cache, read once per change of theirs."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._known = _Known(-1, {})

    def selecting(self, deployment: Object) -> tuple[str, ...]:
        """The names of the budgets that select a deployment, in order."""
        namespace = deployment["metadata"].get("namespace", "")
        around = {_NAMESPACE: namespace, **_labels(self._cache.get(NAMESPACES, ("", namespace)))}
        labels = _labels(deployment)
        return tuple(
            name
            for name, spec in self._now().budgets.items()
            if spec.namespace_selector.selects(around) and spec.selector.selects(labels)
        )

    def rows(self) -> RowOf:
        """In which row of the ledger a moment is."""
        return self._now().row_of

    def _now(self) -> _Known:
        changes = self._cache.changes(LLM_BUDGETS)
        if changes != self._known.changes:
            found = {raw["metadata"]["name"]: _spec(raw) for raw in self._cache.all(LLM_BUDGETS)}
            self._known = _Known(changes, {name: spec for name, spec in sorted(found.items()) if spec})
        return self._known


def _spec(raw: Object) -> LLMBudgetSpec | None:
    """A budget's spec; None where it cannot be read, which its status says."""
    try:
        return LLMBudgetSpec.model_validate(raw["spec"])
    except (KeyError, ValidationError):
        return None


def _labels(obj: Object | None) -> dict[str, str]:
    return {} if obj is None else obj["metadata"].get("labels") or {}
