"""What budgets' webhooks are still to be told, and what was told last, as one ConfigMap of the operator's namespace.

Both change in one write, before anything is sent: a transition is neither lost nor found a second time when the process
dies. What was sent and not yet written off is sent again under the same id.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from wharfage_autoscaler.stages import Action

from wharfage_operator.kinds import CONFIG_MAPS, Object
from wharfage_operator.transitions import Course, Notification

NAME = "wharfage-notifications"
_DATA = "outbox"
_MOST = 400
"""All that wait take less than half of what a ConfigMap may hold."""
_KEPT_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Outbox:
    """What was told last by the uid of the budget, and what waits, oldest first."""

    courses: Mapping[str, Course] = field(default_factory=dict)
    waiting: tuple[Notification, ...] = ()

    def told(self, courses: Mapping[str, Course], news: Collection[Notification]) -> "Outbox":
        """With what is so now, and what there is to tell of it; budgets without a course are forgotten."""
        ours = (each for each in self.waiting if each.uid in courses)
        return Outbox(dict(courses), (*ours, *news))

    def without(self, ids: Collection[str]) -> "Outbox":
        """What was delivered is written off."""
        return replace(self, waiting=tuple(each for each in self.waiting if each.id not in ids))

    def late(self, now_s: float) -> tuple[Notification, ...]:
        """What has waited for a day, and the oldest of too many: nobody waits for them any longer."""
        surplus = self.waiting[: max(0, len(self.waiting) - _MOST)]
        rest = self.waiting[len(surplus) :]
        return (*surplus, *(each for each in rest if now_s - each.at_s > _KEPT_S))

    def next_of_each(self) -> tuple[Notification, ...]:
        """The oldest of each budget: they are told in their order."""
        first: dict[str, Notification] = {}
        for each in self.waiting:
            first.setdefault(each.uid, each)
        return tuple(first.values())


def written(namespace: str, outbox: Outbox) -> Object:
    """The outbox as an object."""
    told = {
        "courses": {
            uid: [each.begins_s, each.ends_s, each.usd, sorted(each.stages), each.above]
            for uid, each in sorted(outbox.courses.items())
        },
        "waiting": [[each.uid, each.budget, each.at_s, each.body] for each in outbox.waiting],
    }
    return {
        "apiVersion": CONFIG_MAPS.api_version,
        "kind": CONFIG_MAPS.name,
        "metadata": {"name": NAME, "namespace": namespace},
        "data": {_DATA: orjson.dumps(told).decode()},
    }


def read(found: Object) -> Outbox:
    """What `written` wrote; ValueError for anything else."""
    try:
        told = orjson.loads(found["data"][_DATA])
        courses = {uid: _course(*each) for uid, each in told["courses"].items()}
        return Outbox(courses, tuple(_notification(*each) for each in told["waiting"]))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _course(begins_s: Any, ends_s: Any, usd: Any, stages: Any, above: Any) -> Course:
    return Course(float(begins_s), float(ends_s), float(usd), frozenset(map(Action, stages)), bool(above))


def _notification(uid: Any, budget: Any, at_s: Any, body: Any) -> Notification:
    return Notification(str(body["id"]), str(uid), str(budget), float(at_s), body)
