"""What is charged between two looks: the integral of price over what was there.

A look says what is there now and, with the moment, what has ended since the last one; the meter says what was there
then. Between two moments at which anything begins, ends or becomes ready, or a price or an hour changes, all is
constant, so the integral is a sum over those pieces: how often one looks changes nothing.

What can only be guessed is charged as the most that it may have been, and told apart: something that went while nobody
watched ran until now, and a price that changed meanwhile was the higher of both, of a machine that was there before and
after. One that came meanwhile has the price at which it was first seen, one that went the last that was known.
`proven_s` is until when somebody watched; who has watched all along proves until now.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from wharfage_autoscaler.meter import Machine, Meter, Stay, last_of
from wharfage_autoscaler.spend import NOTHING, Account, Spend

HOUR_S = 3600.0
_BOOT_S = 3600.0
"""A machine that stood longer before the first of ours came to it did not stand for us."""

RowOf = Callable[[float], tuple[float, float]]
"""When the row of the ledger that a moment belongs to begins, and when the next one does."""

Charges = dict[tuple[float, Account], Spend]
"""Dollars by the beginning of the row that they belong to, and account."""


@dataclass(frozen=True, slots=True)
class _Presence:
    """One stay, as far as it is to be charged: ready from `ready_s`, a guess from `guess_s`."""

    account: Account
    part: float
    from_s: float
    to_s: float
    ready_s: float
    guess_s: float


@dataclass(frozen=True, slots=True)
class _Course:
    """One machine between two looks. `dearer` is its price from `proven_s` on, a guess from `guess_s`."""

    from_s: float
    to_s: float
    whole: bool
    price: float
    dearer: float
    proven_s: float
    guess_s: float
    left: Account | None
    stays: tuple[_Presence, ...]


def charged(
    meter: Meter, seen: Mapping[str, Machine], now_s: float, *, proven_s: float, row_of: RowOf
) -> tuple[Meter, Charges]:
    """The meter with its mark at now, and what is charged since the last.

    `seen` are the machines that are there, and those that have ended since the last look, by uid; each with the stays
    on it, those that have ended since included. A clock that went back charges nothing twice: it waits for the mark.
    """
    now_s = max(now_s, meter.mark_s)
    charges: Charges = {}
    for uid in meter.machines.keys() | seen.keys():
        course = _course(meter, meter.machines.get(uid), seen.get(uid), now_s, proven_s)
        if course is not None:
            for at_s, account, spend in _swept(course, row_of):
                row = row_of(at_s)[0], account
                charges[row] = charges.get(row, NOTHING) + spend
    return Meter(now_s, _kept(meter.machines, seen)), charges


def _course(
    meter: Meter, before: Machine | None, seen: Machine | None, now_s: float, proven_s: float
) -> _Course | None:
    """A machine's course since the last look; None where nobody of ours was on it."""
    known = before or seen
    if known is None:
        return None
    ended_s = None if seen is None else seen.until_s
    to_s = now_s if ended_s is None else min(now_s, ended_s)
    stays = tuple(_presences(meter.mark_s, before, seen, to_s, proven_s))
    if not stays and known.left is None:
        return None
    first_s = min((stay.from_s for stay in stays), default=meter.mark_s)
    if not known.whole:
        from_s = first_s
    elif before is not None:
        from_s = meter.mark_s
    else:
        from_s = min(first_s, max(known.since_s, first_s - _BOOT_S))
    price = known.usd_per_hour
    dearer = max(price, price if seen is None else seen.usd_per_hour)
    guess_s = proven_s
    if known.guessed:
        guess_s = from_s
    elif seen is not None and seen.usd_per_hour == price:
        guess_s = to_s
    return _Course(from_s, to_s, known.whole, price, dearer, proven_s, guess_s, known.left, stays)


def _presences(
    mark_s: float, before: Machine | None, seen: Machine | None, to_s: float, proven_s: float
) -> Iterator[_Presence]:
    were = {} if before is None else before.stays
    are = {} if seen is None else seen.stays
    for uid in were.keys() | are.keys():
        was, is_ = were.get(uid), are.get(uid)
        known = was or is_
        assert known is not None  # noqa: S101 - the uid came from one of the two
        heard_s = None if is_ is None else is_.until_s
        from_s = mark_s if was is not None or (before is not None and before.whole) else known.since_s
        from_s = max(from_s, known.since_s)
        ready_s = known.ready_s if known.ready_s is not None else (None if is_ is None else is_.ready_s)
        vanished = is_ is None and (seen is None or seen.until_s is None)
        until_s = to_s if heard_s is None else min(to_s, heard_s)
        yield _Presence(
            known.account,
            known.part,
            min(from_s, until_s),  # whoever has just come pays for what stood there for it
            until_s,
            ready_s=until_s if ready_s is None else ready_s,
            guess_s=proven_s if vanished else until_s,
        )


def _swept(course: _Course, row_of: RowOf) -> Iterator[tuple[float, Account, Spend]]:
    """The charges of one machine, piece by piece, each with a moment within its piece."""
    if course.to_s <= course.from_s:
        return
    moments = {course.from_s, course.to_s, course.proven_s, course.guess_s, *_cuts(course, row_of)}
    for stay in course.stays:
        moments |= {stay.from_s, stay.to_s, stay.ready_s, stay.guess_s}
    within = sorted(moment_s for moment_s in moments if course.from_s <= moment_s <= course.to_s)
    heir = course.left or (min(course.stays, key=_by_beginning).account if course.stays else None)
    for begins_s, ends_s in pairwise(within):
        present = [stay for stay in course.stays if stay.from_s <= begins_s < stay.to_s]
        gone = [stay for stay in course.stays if stay.to_s <= begins_s]
        if gone:
            heir = max(gone, key=_by_end).account
        price = course.price if begins_s < course.proven_s else course.dearer
        hours = (ends_s - begins_s) / HOUR_S
        usd = price * hours
        guessed = begins_s >= course.guess_s
        used = sum(stay.part for stay in present)
        scale = 1.0 / used if course.whole and used > 1.0 else 1.0
        for stay in present:
            part = stay.part * scale
            yield begins_s, stay.account, _used(stay, part * usd, begins_s, guessed=guessed)
            yield begins_s, stay.account, Spend(replica_hours=hours, machine_hours=part * hours)
        idle = max(0.0, 1.0 - used) if course.whole else 0.0
        if idle <= 0.0:
            continue
        for account, part in _payers(present, used, heir):
            idle_usd = part * idle * usd
            yield (
                begins_s,
                account,
                Spend(idle=idle_usd, estimated=idle_usd if guessed else 0.0, machine_hours=part * idle * hours),
            )


def _cuts(course: _Course, row_of: RowOf) -> Iterator[float]:
    _, next_s = row_of(course.from_s)
    while next_s < course.to_s:
        yield next_s
        _, next_s = row_of(next_s)


def _used(stay: _Presence, usd: float, begins_s: float, *, guessed: bool) -> Spend:
    estimated = usd if guessed or begins_s >= stay.guess_s else 0.0
    if begins_s < stay.ready_s:
        return Spend(startup=usd, estimated=estimated)
    return Spend(serving=usd, estimated=estimated)


def _payers(present: Sequence[_Presence], used: float, heir: Account | None) -> Iterable[tuple[Account, float]]:
    """Who pays for what nobody uses, each with a share; together they pay for all of it."""
    if present:
        return [(stay.account, stay.part / used) for stay in present]
    return [] if heir is None else [(heir, 1.0)]


def _by_beginning(stay: _Presence) -> tuple[float, Account]:
    return stay.from_s, stay.account


def _by_end(stay: _Presence) -> tuple[float, Account]:
    return stay.to_s, stay.account


def _kept(before: Mapping[str, Machine], seen: Mapping[str, Machine]) -> dict[str, Machine]:
    """What is there from now on: who has ended is not, and what nobody of ours is or was on is none of ours."""
    kept = {}
    for uid, machine in seen.items():
        if machine.until_s is not None:
            continue
        known = before.get(uid)
        were = {} if known is None else known.stays
        stays = {key: _known(stay, were.get(key)) for key, stay in machine.stays.items() if stay.until_s is None}
        vanished = [stay.account for key, stay in were.items() if key not in machine.stays]
        left = max(vanished, default=None) or last_of(machine.stays.values(), None if known is None else known.left)
        if stays or (machine.whole and left is not None):
            kept[uid] = replace(machine, stays=stays, left=left)
    return kept


def _known(stay: Stay, before: Stay | None) -> Stay:
    """A stay whose first time of being ready is remembered: a replica that is ready once more does not start again."""
    if before is None:
        return stay
    ready_s = stay.ready_s if before.ready_s is None else before.ready_s
    return replace(stay, since_s=before.since_s, ready_s=ready_s)
