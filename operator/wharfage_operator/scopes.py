"""The budgets in the cache: whom they select, and where hours of the ledger are cut because a period begins there.

Every budget that can be read counts, whatever its mode and stage: dollars are booked under those that select a
deployment when they are spent.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import ValidationError
from wharfage_api.llmbudget import LLMBudgetSpec
from wharfage_autoscaler.metering import RowOf

from wharfage_operator.cache import Cache
from wharfage_operator.hours import row_of
from wharfage_operator.kinds import LLM_BUDGETS, NAMESPACES, Object
from wharfage_operator.terms import exists

log = logging.getLogger(__name__)
_NAMESPACE = "kubernetes.io/metadata.name"
_MOST_SELECTIONS = 10_000

_Labels = tuple[frozenset[tuple[str, str]], frozenset[tuple[str, str]]]
"""Of a deployment, and of its namespace."""


@dataclass(frozen=True)
class _Known:
    """The budgets by name, as of one state of the cache."""

    changes: int
    budgets: Mapping[str, LLMBudgetSpec]
    selections: dict[_Labels, tuple[str, ...]] = field(default_factory=dict)
    """Whom budgets select, by labels: every look asks for every deployment, and many are alike."""

    @cached_property
    def row_of(self) -> RowOf:
        return row_of({(spec.period, spec.time_zone) for spec in self.budgets.values() if exists(spec.time_zone)})


class Scopes:
    """The budgets in the cache, read once per change of theirs."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._known = _Known(-1, {})

    @property
    def budgets(self) -> Mapping[str, LLMBudgetSpec]:
        """Those that can be read, in the order of their names."""
        return self._now().budgets

    def selecting(self, deployment: Object) -> tuple[str, ...]:
        """The names of the budgets that select a deployment, in order."""
        labels, around, known = labels_of(deployment), self.around(deployment), self._now()
        alike = frozenset(labels.items()), frozenset(around.items())
        found = known.selections.get(alike)
        if found is None:
            found = tuple(name for name, spec in known.budgets.items() if spec.selects(labels, around))
            if len(known.selections) < _MOST_SELECTIONS:
                known.selections[alike] = found
        return found

    def around(self, deployment: Object) -> dict[str, str]:
        """The labels of a deployment's namespace; its name, which is one of them, before it was heard of."""
        namespace = deployment["metadata"].get("namespace", "")
        return {_NAMESPACE: namespace, **labels_of(self._cache.get(NAMESPACES, ("", namespace)))}

    def rows(self) -> RowOf:
        """In which row of the ledger a moment is."""
        return self._now().row_of

    def _now(self) -> _Known:
        changes = self._cache.changes(LLM_BUDGETS)
        if changes != self._known.changes:
            read = {raw["metadata"]["name"]: spec_of(raw) for raw in self._cache.all(LLM_BUDGETS)}
            found = {name: spec for name, spec in sorted(read.items()) if spec}
            same = found == self._known.budgets  # a status was written
            self._known = _Known(changes, found, self._known.selections if same else {})
        return self._known


def labels_of(obj: Object | None) -> dict[str, str]:
    """An object's; none of one that is not known."""
    return {} if obj is None else obj["metadata"].get("labels") or {}


def spec_of(raw: Mapping[str, Any]) -> LLMBudgetSpec | None:
    """A budget's spec; None where it cannot be read: it binds nobody, and keeps nobody from anything."""
    try:
        return LLMBudgetSpec.model_validate(raw["spec"])
    except (KeyError, ValidationError) as error:
        extra = {"budget": raw["metadata"]["name"], "error": str(error)}
        log.warning("a budget that cannot be read binds nobody", extra=extra)
        return None
