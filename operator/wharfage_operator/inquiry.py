"""What is known of models by their own files, and what is to be done to know more: readers to start and to remove.

Everything follows from what is there. The status remembers what was read; a pod that has ended remembers how, and
which attempt it was. So neither a restart nor a lost event reads anything twice, and each failure is followed by a
longer pause.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.decision import Rejected as Passed
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.reasons import Reason

from wharfage_operator.blockers import Blocker, hindrance
from wharfage_operator.errors import NotYet, Rejected
from wharfage_operator.lines import last_error, tidy
from wharfage_operator.origin import Learned, Origin, learned
from wharfage_operator.plan import going, over, owned
from wharfage_operator.reader import CONTAINER, READS, attempt, numbered

_LONGEST_PAUSE_S = 3600.0
_ACTIONABLE = frozenset(
    {
        Reason.SECRET_MISSING,
        Reason.IMAGE_PULL_FAILED,
        Reason.UNSCHEDULABLE,
        Reason.CAPACITY_UNAVAILABLE,
    }
)

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is known, what is under way, what failed, and the writes that follow.

    `learned` holds what is remembered and what was just read. `awaited` are the origins whose first attempt has not
    ended, `waits` the same in words, with a reason that tells whether somebody has to act. `again_s` is when the next
    attempt is due.
    """

    learned: Mapping[Origin, Learned] = field(default_factory=dict)
    creates: tuple[Object, ...] = ()
    deletes: tuple[Object, ...] = ()
    awaited: tuple[Origin, ...] = ()
    waits: tuple[Blocker, ...] = ()
    failures: tuple[str, ...] = ()
    again_s: float | None = None

    @property
    def under_way(self) -> bool:
        """Whether something is being read that nobody but time has to help."""
        return any(wait.reason is Reason.READING_MODEL_CONFIG for wait in self.waits)

    @property
    def problem(self) -> NotYet | Rejected | None:
        """Why a shape is not known, if one is not."""
        if self.waits:
            worst = min(self.waits, key=lambda wait: wait.reason is Reason.READING_MODEL_CONFIG)
            others = (wait.message for wait in self.waits if wait is not worst)
            return NotYet(worst.reason, tidy("; ".join((worst.message, *others, *self.failures))), 0.0)
        if self.failures:
            return Rejected(Reason.UNKNOWN_SHAPE, tidy("; ".join(self.failures)))
        return None


def inquire(
    readers: Mapping[Origin, Object | None],
    remembered: Mapping[Origin, Learned],
    pods: Iterable[Object],
    events: Sequence[Object] = (),
    *,
    owner_uid: str,
    retry_s: float,
    now: float,
) -> Inquiry:
    """Compare what should be read with what was.

    `readers` holds for each origin that nothing else tells about the pod that would read it, None where none can.
    `remembered` is the status' part, `pods` the readers there are, `events` those about them, `now` Unix seconds. The
    first pause is `retry_s`.
    """
    ours = [pod for pod in pods if owned(pod, owner_uid) and not going(pod)]
    leaving = [pod for pod in pods if owned(pod, owner_uid) and going(pod)]
    wanted = {origin: pod for origin, pod in readers.items() if origin not in remembered}
    known = {origin: remembered[origin] for origin in readers if origin in remembered}
    marks = {_mark(pod) for pod in wanted.values() if pod is not None}
    found = [Inquiry(deletes=tuple(pod for pod in ours if _mark(pod) not in marks))]
    for origin, pod in wanted.items():
        if pod is None:
            found.append(Inquiry(failures=(_unreadable(origin),)))
            continue
        mine = sorted((each for each in ours if _mark(each) == _mark(pod)), key=attempt)
        before = max((attempt(each) for each in leaving if _mark(each) == _mark(pod)), default=0)
        found.append(_one(origin, pod, mine, events, before=before, retry_s=retry_s, now=now))
    return _joined(known, found)


def held(fleet: Fleet, inquiry: Inquiry) -> Decision:
    """The decision to wait: what runs stays as it is until the shape is known. Its words do not change on the way."""
    origins = ", ".join(map(str, inquiry.awaited))
    message = f"nothing is placed before config.json of {origins} is read"
    return Decision(fleet).amended(fleet, Reason.READING_MODEL_CONFIG, message)


def left_out(decision: Decision, inquiry: Inquiry) -> Decision:
    """The decision with a word on each variant that it could not consider for want of a shape."""
    why = (*inquiry.failures, *(wait.message for wait in inquiry.waits))
    if not why or unsized(decision):
        return decision
    found = tuple(Passed("a variant of unknown shape", None, words) for words in why)
    return replace(decision, rejected=(*found, *decision.rejected))


def unsized(decision: Decision) -> bool:
    """Whether the decision found nothing to place because a shape is not known."""
    reasons = {step.reason for step in decision.steps}
    return bool(reasons & {Reason.UNKNOWN_SHAPE, Reason.READING_MODEL_CONFIG})


def _one(
    origin: Origin,
    pod: Object,
    mine: Sequence[Object],
    events: Sequence[Object],
    *,
    before: int,
    retry_s: float,
    now: float,
) -> Inquiry:
    """One origin; `mine` are its readers, the newest last. The last that ended stays until a later one has ended."""
    if not mine:
        created = numbered(pod, before + 1)
        return Inquiry(
            creates=(created,), awaited=(origin,), waits=(_reading(pod, created, "the pod is being created"),)
        )
    ended = [each for each in mine if _ended(each)]
    newest, last = mine[-1], ended[-1] if ended else None
    stale = tuple(each for each in mine if each is not newest and each is not last)
    if last is None:
        return Inquiry(deletes=stale, awaited=(origin,), waits=(_state(pod, newest, events, now),))
    try:
        told = learned(_answer(last))
    except ValueError as error:
        failure = (
            f"no shape from {_what(pod, last)}: {error}. Write spec.model.shape, or wait: it is tried again by itself"
        )
    else:
        return Inquiry({origin: told}, deletes=tuple(each for each in mine if each is not last))
    if newest is not last:
        return Inquiry(deletes=stale, failures=(failure,))
    pause_s = min(_LONGEST_PAUSE_S, retry_s * 2.0 ** min(attempt(last) - 1, 16))
    left_s = _ended_at(last) + pause_s - now
    if left_s > 0:
        return Inquiry(deletes=stale, failures=(failure,), again_s=left_s)
    return Inquiry(creates=(numbered(pod, attempt(last) + 1),), deletes=stale, failures=(failure,))


def _joined(known: Mapping[Origin, Learned], found: Sequence[Inquiry]) -> Inquiry:
    dues = [each.again_s for each in found if each.again_s is not None]
    return Inquiry(
        learned={**known, **{origin: told for each in found for origin, told in each.learned.items()}},
        creates=tuple(pod for each in found for pod in each.creates),
        deletes=tuple(pod for each in found for pod in each.deletes),
        awaited=tuple(origin for each in found for origin in each.awaited),
        waits=tuple(wait for each in found for wait in each.waits),
        failures=tuple(failure for each in found for failure in each.failures),
        again_s=min(dues, default=None),
    )


def _state(wanted: Object, pod: Object, events: Sequence[Object], now: float) -> Blocker:
    """What a reader that has not ended is doing, and whether somebody has to help it."""
    if (pod.get("status") or {}).get("phase") == "Running":
        return _reading(wanted, pod, "the pod runs")
    hindered = hindrance(pod, events, now=now)
    if hindered.reason not in _ACTIONABLE:
        return _reading(wanted, pod, hindered.message)
    message = f"cannot read {_what(wanted, pod)}: {hindered.message}. Mend that, or write spec.model.shape"
    return Blocker(hindered.reason, message)


def _reading(wanted: Object, pod: Object, state: str) -> Blocker:
    return Blocker(Reason.READING_MODEL_CONFIG, f"reading {_what(wanted, pod)}: {state}")


def _what(wanted: Object, pod: Object) -> str:
    return f"config.json of {wanted['metadata']['annotations'][READS]} (pod {pod['metadata']['name']})"


def _unreadable(origin: Origin) -> str:
    return (
        f"the shape of {origin} is not known, and config.json is read from hf:// and pvc:// only: write its numbers "
        "into spec.model.shape"
    )


def _answer(pod: Object) -> str:
    """What a reader that has ended left; ValueError with the reason where it left none."""
    status, ended = pod.get("status") or {}, _terminated(pod)
    if ended is not None and ended.get("exitCode") == 0:
        return str(ended.get("message") or "")
    if status.get("reason"):  # evicted, past its deadline, its node shut down
        raise ValueError(tidy(f"{status['reason']}: {status.get('message', 'no message')}"))
    if ended is None:
        raise ValueError(tidy(status.get("message") or "the pod failed without a word"))
    line = last_error(ended.get("message") or "")
    raise ValueError(line or f"the reader ended with code {ended.get('exitCode')} ({ended.get('reason', 'no reason')})")


def _ended(pod: Object) -> bool:
    """By the reader's own container: one that a mesh has put beside it may never end."""
    return _terminated(pod) is not None or over(pod)


def _terminated(pod: Object) -> Object | None:
    for row in (pod.get("status") or {}).get("containerStatuses") or ():
        if row.get("name") == CONTAINER:
            found: Object | None = (row.get("state") or {}).get("terminated")
            return found
    return None


def _ended_at(pod: Object) -> float:
    return max((datetime.fromisoformat(time).timestamp() for time in _times(pod)), default=0.0)


def _times(pod: Object) -> Iterator[str]:
    """When it ended by the kubelet; where no kubelet said so, when the pod was last heard of."""
    finished = (_terminated(pod) or {}).get("finishedAt")
    if finished:
        yield finished
        return
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("lastTransitionTime"):
            yield condition["lastTransitionTime"]
    if "creationTimestamp" in pod["metadata"]:
        yield pod["metadata"]["creationTimestamp"]


def _mark(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(READS, ""))
