"""Keeps four weeks of every deployment's load through restarts, and what was learned of it: a ConfigMap beside each.

Every minute the load of the last minute is noted; five of them make a row, three at least. The ConfigMap belongs to
its LLMDeployment, so it goes with it; it has a field manager and a label of its own, and the operator neither watches
nor caches it. A restart loses what was not written yet: at most `history_every_s`, which a Prometheus fills in where
one is set.
"""

import json
import logging
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from statistics import fmean

from wharfage_autoscaler.experience import Experience
from wharfage_autoscaler.hindsight import no_later
from wharfage_autoscaler.load import Load

from wharfage_operator import lessons, logbook
from wharfage_operator.apply import Writer, owned_by
from wharfage_operator.cache import Cache
from wharfage_operator.children import Identity
from wharfage_operator.clock import Clock
from wharfage_operator.connection import Connection
from wharfage_operator.errors import ApiError, NotYet
from wharfage_operator.gather import is_paused
from wharfage_operator.history import STEP_S, Row, Rows, read, written
from wharfage_operator.kinds import CONFIG_MAPS, LLM_DEPLOYMENTS, Key, Object
from wharfage_operator.lessons import NOTHING, Lessons

log = logging.getLogger(__name__)
MANAGER = "wharfage-history"
LABEL = "wharfage.dev/history"
_ROWS, _EXPERIENCE, _CALIBRATION = "rows", "experience", "calibration"
_EVERY_S = 60.0
_FEWEST = 3  # of five minutes
_PASTS_A_TURN = 5  # each asks a Prometheus for weeks

Past = Callable[[Key], Awaitable[Rows]]
"""What others remember of a deployment, a Prometheus say; no rows where they do not."""


Learned = Callable[[Key, str], Experience | None]
"""What the pilot knows of a deployment of that uid; None where it knows nothing yet."""

Taught = Callable[[Key], Lessons | None]
"""What its engines have taught; None where it is not known what an earlier process knew."""


@dataclass(frozen=True, slots=True)
class Before:
    """What an earlier process knew of a deployment, and whether any load of it was ever `measured`."""

    experience: Experience
    measured: bool
    lessons: Lessons = NOTHING


@dataclass(slots=True)
class _Kept:
    """What is remembered of one deployment, and whether it was read back and written."""

    uid: str
    rows: Rows = field(default_factory=Rows)
    noted: list[Row] = field(default_factory=list)
    slot_s: int = 0
    before: Before | None = None
    landmarks: tuple[object, ...] = ()
    """Of the experience that was written last: where they have changed it is written at once."""
    trouble: str = ""
    """Why it is not read back."""
    filled: bool = False
    changed: bool = False
    due_s: float = 0.0


class Archive:
    """The rows of all deployments."""

    def __init__(
        self,
        cache: Cache,
        connection: Connection,
        writer: Writer,
        load: Callable[[Key], Load | None],
        *,
        every_s: float,
        past: Past | None = None,
        learned: Learned = lambda key, uid: None,
        taught: Taught = lambda key: None,
        clock: Clock | None = None,
    ) -> None:
        """`load` tells what a deployment does now; a ConfigMap is written every `every_s`, and at landmarks."""
        self._cache = cache
        self._connection = connection
        self._writer = writer
        self._load = load
        self._every_s = every_s
        self._past = past
        self._learned = learned
        self._taught = taught
        self._clock = clock or Clock()
        self._kept: dict[Key, _Kept] = {}

    def rows(self, key: Key) -> Rows:
        """What is known of a deployment's past; no rows while it has not been read back."""
        kept = self._kept.get(key)
        return kept.rows if kept is not None and kept.before is not None else Rows()

    def before(self, key: Key, uid: str) -> Before | None:
        """What was read back of a deployment; None while it was not."""
        kept = self._kept.get(key)
        return kept.before if kept is not None and kept.uid == uid else None

    def unread(self, key: Key, uid: str) -> str:
        """Why a deployment's history cannot be read back; empty where it was, or was not tried yet."""
        kept = self._kept.get(key)
        return kept.trouble if kept is not None and kept.uid == uid and kept.before is None else ""

    async def run(self) -> None:
        """Note, restore and write for ever."""
        await self._clock.every(_EVERY_S, self.turn)

    async def turn(self, now_s: float) -> None:
        """One minute's work; `now_s` in Unix seconds. A deployment that fails is tried again at the next."""
        deployments = {key: self._cache.uid(LLM_DEPLOYMENTS, key) for key in self._cache.keys(LLM_DEPLOYMENTS)}
        self._kept = {key: kept for key, kept in self._kept.items() if deployments.get(key) == kept.uid}
        for key, uid in deployments.items():
            kept = self._kept.setdefault(key, _Kept(uid, due_s=now_s + _phase(key) * self._every_s))
            kept.due_s = min(kept.due_s, now_s + self._every_s)  # a clock that was ahead may have been set back
            try:
                self._note(key, kept, now_s)
            except ValueError as error:
                log.warning("a load that cannot be is not kept", extra={"key": "/".join(key), "error": str(error)})
        asked = 0
        for key, kept in list(self._kept.items()):
            try:
                if kept.before is None:
                    await self._restore(key, kept, now_s)
                if self._past is not None and not kept.filled and asked < _PASTS_A_TURN:
                    asked += 1
                    past = (await self._past(key)).until(now_s)
                    kept.rows, kept.filled, kept.changed = kept.rows.filled(past), True, True
                due = kept.changed and now_s >= kept.due_s
                if (due or self._at_landmark(key, kept)) and not self._paused(key):
                    await self._write(key, kept, now_s)
            except (ApiError, NotYet) as error:
                kept.trouble = str(error)
                log.info("the history of the load waits", extra={"key": "/".join(key), "error": str(error)})
            except Exception as error:  # one deployment's is no reason to end all others'
                kept.trouble = str(error)
                log.exception("the history of the load waits", extra={"key": "/".join(key)})

    def _paused(self, key: Key) -> bool:
        raw = self._cache.get(LLM_DEPLOYMENTS, key)
        return raw is None or is_paused(raw)

    def _note(self, key: Key, kept: _Kept, now_s: float) -> None:
        slot_s = int(now_s) // STEP_S * STEP_S
        if kept.rows.end_s > slot_s:
            kept.rows, kept.changed = kept.rows.until(slot_s), True
        if slot_s != kept.slot_s:
            if len(kept.noted) >= _FEWEST and kept.rows.start_s <= kept.slot_s < slot_s:
                kept.rows, kept.changed = kept.rows.with_row(kept.slot_s, _mean(kept.noted)), True
            kept.slot_s, kept.noted = slot_s, []
        load = self._load(key)
        if load is not None:
            kept.noted.append(
                Row(load.requests_per_second, load.prompt_tokens_per_second, load.output_tokens_per_second)
            )

    async def _restore(self, key: Key, kept: _Kept, now_s: float) -> None:
        found = await self._found(key, kept.uid)
        rows, experience, taught = Rows(), None, None
        if found is not None:
            try:
                rows = read((found.get("binaryData") or {}).get(_ROWS, ""))
            except ValueError as error:
                log.warning("the history of the load begins anew", extra={"key": "/".join(key), "error": str(error)})
            data = found.get("data") or {}
            experience = logbook.read(_parsed(data.get(_EXPERIENCE, "")))
            taught = lessons.read(_parsed(data.get(_CALIBRATION, "")))
        kept.rows = kept.rows.filled(rows.until(now_s))
        kept.before = Before(no_later(experience or Experience(), now_s), found is not None, taught or NOTHING)

    def _at_landmark(self, key: Key, kept: _Kept) -> bool:
        experience = self._learned(key, kept.uid)
        return experience is not None and landmarks(experience, self._lessons(key, kept)) != kept.landmarks

    def _lessons(self, key: Key, kept: _Kept) -> Lessons:
        return self._taught(key) or (kept.before.lessons if kept.before else NOTHING)

    async def _found(self, key: Key, uid: str) -> Object | None:
        """The ConfigMap; ApiError 409 where the name belongs to somebody else."""
        name = config_map_key(key)
        found = await self._connection.get(CONFIG_MAPS, name)
        if found is not None and not owned_by(found, uid):
            raise ApiError(409, "Conflict", f"ConfigMap {'/'.join(name)} does not belong to this deployment")
        return found

    async def _write(self, key: Key, kept: _Kept, now_s: float) -> None:
        known = await self._found(key, kept.uid)
        experience = self._learned(key, kept.uid) or (kept.before.experience if kept.before else Experience())
        taught = self._lessons(key, kept)
        await self._writer.keep(config_map(key, kept.uid, kept.rows, experience, taught), known, manager=MANAGER)
        kept.changed, kept.due_s, kept.landmarks = False, now_s + self._every_s, landmarks(experience, taught)


def config_map_key(key: Key) -> Key:
    """Where a deployment's history lies."""
    return key[0], f"{key[1]}-history"


def landmarks(experience: Experience, taught: Lessons = NOTHING) -> tuple[object, ...]:
    """What must survive the next minute.

    That its count follows its load, its moves, its law, whether it sleeps, what its engines are planned with.
    """
    held = experience.memory.held.replicas >= 0.0, experience.memory.moved_s, experience.bound_for
    return *held, experience.tuned_s, experience.silence.asleep, taught.planned


def config_map(key: Key, uid: str, rows: Rows, experience: Experience, taught: Lessons = NOTHING) -> Object:
    """A deployment's history as an object, which goes when the deployment goes."""
    namespace, name = config_map_key(key)
    owner = Identity(*key, uid).reference
    metadata = {"name": name, "namespace": namespace, "labels": {LABEL: key[1]}, "ownerReferences": [owner]}
    return {
        "apiVersion": CONFIG_MAPS.api_version,
        "kind": CONFIG_MAPS.name,
        "metadata": metadata,
        "binaryData": {_ROWS: written(rows)},
        "data": {
            _EXPERIENCE: json.dumps(logbook.written(experience)),
            _CALIBRATION: json.dumps(lessons.written(taught)),
        },
    }


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _mean(noted: list[Row]) -> Row:
    return Row(
        fmean(row.requests for row in noted),
        fmean(row.prompt_tokens for row in noted),
        fmean(row.output_tokens for row in noted),
    )


def _phase(key: Key) -> float:
    """Spreads the writes of all deployments over the time between two of one; 0 to 1."""
    return zlib.crc32("/".join(key).encode()) / 2**32
