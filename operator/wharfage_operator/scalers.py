"""Autoscalers of others on our Deployments: their count is put back each time, and whose it was is told.

Nobody watches for them. Who wrote a count through the scale subresource stands in the Deployment itself; the
HorizontalPodAutoscalers of its namespace are listed only once somebody did, and again while one is told of.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wharfage_autoscaler.reasons import Reason

from wharfage_operator.cache import SCALED_BY
from wharfage_operator.connection import Connection
from wharfage_operator.errors import ApiError
from wharfage_operator.kinds import DEPLOYMENTS, SCALERS, Key, Object

_REMEMBERED_S = 300.0
"""How long a count that somebody wrote once is told of."""
_MOST_NAMED = 3


@dataclass(slots=True)
class _Scaled:
    """Who wrote the counts of one deployment's pools. Times are Unix seconds."""

    heard_s: float
    by: dict[str, str] = field(default_factory=dict)
    asked_s: float = float("-inf")
    found: tuple[str, ...] = ()


class Scalers:
    """Remembers by deployment who else steers its counts."""

    def __init__(self, connection: Connection, *, every_s: float) -> None:
        """`every_s` lie between two looks at whether an autoscaler is still there."""
        self._connection = connection
        self._every_s = every_s
        self._scaled: dict[Key, _Scaled | None] = {}

    def heard(self, key: Key, pools: Iterable[Object], status: Mapping[str, object], *, now: float) -> None:
        """See who wrote the counts; to be called before they are put back, which takes the writer's name away.

        What was told before a restart is looked into again.
        """
        by = {pool["metadata"]["name"]: pool[SCALED_BY] for pool in pools if pool.get(SCALED_BY)}
        scaled = self._scaled.setdefault(key, _Scaled(now) if _was_told(status) else None)
        if by:
            before = {} if scaled is None else scaled.by
            self._scaled[key] = scaled = scaled or _Scaled(now)
            scaled.heard_s, scaled.by = now, before | by

    async def about(self, key: Key, pools: Iterable[Object], *, now: float) -> tuple[str, float | None]:
        """What to tell of it, nothing where there is nothing; and in how many seconds to ask again (None: no need)."""
        scaled = self._scaled.get(key)
        if scaled is None:
            return "", None
        if scaled.heard_s > now:  # a clock that was ahead has been set back
            scaled.heard_s, scaled.asked_s = now, float("-inf")
        before = scaled.found
        if (before or scaled.heard_s > scaled.asked_s) and now - scaled.asked_s >= self._every_s:
            scaled.asked_s = now
            scaled.found = await self._found(key, {pool["metadata"]["name"] for pool in pools}, before)
        if scaled.found:
            return f"{_put_back(' and '.join(scaled.found), key[1])}, or delete it", self._every_s
        left_s = scaled.heard_s + _REMEMBERED_S - now
        if before or left_s <= 0 or not scaled.by:
            self._scaled[key] = None
            return "", None
        pool, manager = max(scaled.by.items())
        return _put_back(f"{manager} scaled Deployment {pool}", key[1]), left_s

    def forget(self, key: Key) -> None:
        """A deployment is gone."""
        self._scaled.pop(key, None)

    async def _found(self, key: Key, pools: set[str], before: tuple[str, ...]) -> tuple[str, ...]:
        """The autoscalers of these Deployments; those of `before` where they cannot be listed."""
        try:
            listed = [scaler async for scaler in self._connection.all(SCALERS, namespace=key[0])]
        except ApiError:
            return before  # the count is put back all the same, and the writer's name is known
        return tuple(sorted(_deed(scaler) for scaler in listed if _target(scaler) in pools)[:_MOST_NAMED])


def _put_back(deed: str, name: str) -> str:
    return (
        f"{deed}, whose count is decided here, so it is put back: scale LLMDeployment {name} instead, with "
        "scaling.mode: Manual"
    )


def _target(scaler: Object) -> str:
    """The Deployment that it scales; empty for anything else."""
    target = scaler["spec"]["scaleTargetRef"]
    ours = target.get("kind") == DEPLOYMENTS.name and str(target.get("apiVersion", "")).startswith("apps/")
    return str(target["name"]) if ours else ""


def _deed(scaler: Object) -> str:
    metadata = scaler["metadata"]
    owners = (f" of {each['kind']} {each['name']}" for each in metadata.get("ownerReferences", ()))
    return f"{SCALERS.name} {metadata['name']}{next(owners, '')} scales Deployment {_target(scaler)}"


def _was_told(status: Mapping[str, object]) -> bool:
    conditions = status.get("conditions")
    rows = conditions if isinstance(conditions, list) else ()
    return any(row.get("reason") == Reason.SCALE_IGNORED for row in rows)
