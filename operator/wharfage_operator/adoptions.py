"""The Deployments of others that are looked at: read by name every few seconds, and their pods' metrics.

They carry no label of ours, so no watch brings them, and watching all Deployments and pods of a cluster for the sake of
a few would cost more than asking for these: one get and one list each.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from wharfage_autoscaler.load import Load
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.reasons import Reason

from wharfage_operator.adoption import Found, Wish, adopted, allow, dressed, port_of, wish
from wharfage_operator.cache import Cache
from wharfage_operator.clock import Clock
from wharfage_operator.connection import Connection
from wharfage_operator.errors import ApiError, NotYet, Rejected
from wharfage_operator.gather import Subject, objectives
from wharfage_operator.kinds import DEPLOYMENTS, LLM_DEPLOYMENTS, NODES, PODS, Key, Object, key_of
from wharfage_operator.metrics import Scrape
from wharfage_operator.settings import Settings
from wharfage_operator.telemetry import Telemetry

log = logging.getLogger(__name__)
_SOON_S = 1.0


class Adoptions:
    """What was read of each of them last."""

    def __init__(
        self,
        cache: Cache,
        connection: Connection,
        settings: Settings,
        telemetry: Telemetry,
        changed: Callable[[Key], None],
        clock: Clock,
    ) -> None:
        """`changed` is called with an LLMDeployment's key when what it looks at is not as before, or was measured."""
        self._cache = cache
        self._connection = connection
        self._changed = changed
        self._clock = clock
        self._every_s = settings.scrape_every_s
        self._guests = Cache()
        self._scrape = Scrape(self._guests, connection, settings, telemetry, changed, clock, strangers=True)
        self._found: dict[Key, tuple[Wish, Found]] = {}

    async def run(self) -> None:
        """Read them, and what their pods say, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._scrape.run())
            group.create_task(self._clock.every(self._every_s, self.turn))

    async def turn(self, now_s: float) -> None:
        """Read all of them once, one after the other."""
        wishes = {key: asked for key in self._cache.keys(LLM_DEPLOYMENTS) if (asked := self._wish(key)) is not None}
        self._found = {key: known for key, known in self._found.items() if key in wishes}
        for key, asked in wishes.items():
            try:
                found = await self._read(key, asked)
            except Exception:  # one that cannot be understood is no reason to end all others'
                log.exception("a Deployment of others cannot be read", extra={"key": "/".join(key), "name": asked.name})
                continue
            if (asked, found) != self._found.get(key):
                self._found[key] = asked, found
                self._changed(key)
        present: set[Key] = set()
        for key, (asked, found) in self._found.items():
            if self._first(key[0], asked.name) != key:
                continue
            port = port_of(asked, found.deployment)
            for pod in found.pods if port else ():
                ours = dressed(pod, key[1], port)
                known = self._guests.get(PODS, key_of(pod))
                if known is None or known["metadata"]["annotations"] == ours["metadata"]["annotations"]:
                    present.add(key_of(pod))  # on another port it is gone until the next turn, and read from anew
                    self._guests.put(PODS, ours)
        for gone in self._guests.keys(PODS) - present:
            self._guests.forget(PODS, gone)

    def seen(self, subject: Subject | None, offers: Sequence[Offer]) -> Subject | None:
        """The deployment, with what it looks at in the place of what it runs where it is one that only looks.

        Raises:
            Rejected: where there is nothing that can be looked at, with what to do.
            NotYet: where it was not read yet.

        """
        asked = None if subject is None else wish(subject.raw)
        if subject is None or asked is None:
            return subject
        deployment = subject.deployment
        if self._every_s <= 0:
            raise Rejected(Reason.CANNOT_ADOPT, "this operator was told to read no metrics (scrape_every_s is 0)")
        allow(asked, deployment.spec.scaling.mode, runs_its_own=bool(subject.pools))
        first = self._first(subject.key[0], asked.name)
        if first not in (None, subject.key):
            raise Rejected(
                Reason.CANNOT_ADOPT,
                f"LLMDeployment {first[1]} looks at Deployment {asked.name} already, and was there before: remove the "
                "annotation wharfage.dev/adopt from one of them",
            )
        known = self._found.get(subject.key)
        if known is None or known[0] != asked:
            message = f"Deployment {asked.name} is being looked for."
            raise NotYet(Reason.ADOPTED, message, _SOON_S)
        told = adopted(
            asked,
            known[1],
            namespace=subject.key[0],
            source=deployment.spec.model.source,
            variant=deployment.spec.variants[0].name if deployment.spec.variants else "",
            nodes={node["metadata"]["name"]: node for node in self._cache.all(NODES)},
            offers=offers,
        )
        pods = self._guests.owned(subject.key, kinds=(PODS,))
        return replace(
            subject,
            children=(told.deployment,),
            pods=pods,
            load=self._scrape.load(subject.key, pods, objectives(deployment)),
            adopted=told,
        )

    def _first(self, namespace: str, name: str) -> Key | None:
        """The oldest of those that look at a Deployment: its pods are measured for one."""
        looking = [key for key, (asked, _) in self._found.items() if (key[0], asked.name) == (namespace, name)]
        return min(looking, key=self._age, default=None)

    def _age(self, key: Key) -> tuple[str, Key]:
        raw = self._cache.get(LLM_DEPLOYMENTS, key)
        return ("" if raw is None else str(raw["metadata"].get("creationTimestamp", "")), key)

    def load(self, key: Key) -> Load | None:
        """What the pods of a Deployment that is looked at do now; None for one that is not, or where nobody knows."""
        pods = self._guests.owned(key, kinds=(PODS,))
        return self._scrape.load(key, pods, Objectives()) if pods else None

    def _wish(self, key: Key) -> Wish | None:
        raw = self._cache.get(LLM_DEPLOYMENTS, key)
        try:
            return None if raw is None else wish(raw)
        except Rejected:
            return None

    async def _read(self, key: Key, asked: Wish) -> Found:
        try:
            deployment = await self._connection.get(DEPLOYMENTS, (key[0], asked.name))
            if deployment is None:
                return Found(None)
            chosen = selector(deployment)
            pods = self._connection.all(PODS, namespace=key[0], selector=chosen)
            return Found(_named(deployment), tuple([pod async for pod in pods]) if chosen else ())
        except ApiError as error:
            return Found(None, failure=str(error))


def selector(deployment: Object) -> str:
    """What selects its pods, as the API is asked for it."""
    told = deployment["spec"].get("selector") or {}
    words = [f"{name}={value}" for name, value in sorted((told.get("matchLabels") or {}).items())]
    for row in told.get("matchExpressions") or ():
        values = ",".join(row.get("values") or ())
        words.append(
            {
                "In": f"{row['key']} in ({values})",
                "NotIn": f"{row['key']} notin ({values})",
                "Exists": row["key"],
                "DoesNotExist": f"!{row['key']}",
            }[row["operator"]]
        )
    return ",".join(words)


def _named(deployment: Object) -> Object:
    """With its type, which an answer about one object has and a list has not."""
    return {"apiVersion": DEPLOYMENTS.api_version, "kind": DEPLOYMENTS.name, **deployment}
