"""Dollars as the integral of what ran: against its sum by seconds, and however often somebody looks."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wharfage_autoscaler.ledger import Ledger
from wharfage_autoscaler.meter import Machine, Meter, Stay
from wharfage_autoscaler.metering import Charges, charged
from wharfage_autoscaler.spend import NOTHING, Account, Spend

from tests.histories import (
    ENDS_S,
    PAYERS,
    Fleet,
    Rented,
    Visit,
    added_up,
    events,
    fleets,
    left_there,
    news_of_prices,
    row_of,
    seen,
)

A, B, C = PAYERS
looks = st.lists(st.floats(0.25, ENDS_S - 0.25), max_size=12)


def watched(fleet: Fleet, moments: list[float], meter: Meter | None = None) -> tuple[Meter, Charges]:
    """Somebody who watches all along, and charges at these moments."""
    meter = meter or Meter(moments[0])
    ledger = Ledger()
    for before_s, now_s in pairwise(moments):
        # Whoever hears of a price charges by the old one first.
        for priced_s in (before_s, now_s):
            known = seen(fleet, before_s if priced_s == before_s else now_s, now_s, priced_s)
            meter, charges = charged(meter, known, now_s, proven_s=now_s, row_of=row_of)
            ledger = ledger.posted(charges)
    return meter, {(row, account): spend for row, each in ledger.rows.items() for account, spend in each.items()}


def same(found: Charges, wanted: Charges) -> None:
    """Whether two are the same dollars, row by row and part by part."""
    for row in found.keys() | wanted.keys():
        one, other = found.get(row, NOTHING), wanted.get(row, NOTHING)
        assert (one.serving, one.idle, one.startup, one.estimated) == pytest.approx(
            (other.serving, other.idle, other.startup, other.estimated), abs=1e-9
        ), row


def usd(charges: Charges) -> float:
    return sum(spend.usd for spend in charges.values())


@given(fleets(), looks)
def test_the_charges_are_the_integral(fleet: Fleet, often: list[float]) -> None:
    moments = sorted({0.0, *often, *map(float, news_of_prices(fleet)), float(ENDS_S)})
    _, charges = watched(fleet, moments)
    same(charges, added_up(fleet, ENDS_S))


@given(fleets(), looks, looks)
def test_looking_more_often_changes_nothing(fleet: Fleet, often: list[float], more: list[float]) -> None:
    seldom = {0.0, *often, *map(float, news_of_prices(fleet)), float(ENDS_S)}
    _, one = watched(fleet, sorted(seldom))
    _, other = watched(fleet, sorted(seldom | set(more)))
    same(one, other)


A_RISE_BEFORE_THE_RETURN = [Rented(False, 0, 9, {0: 1.0, 3: 2.0}, [Visit(A, 1.0, 2, 2, 9)])]
A_RISE_OF_WHAT_IS_GONE = [Rented(False, 0, 4, {0: 1.0, 2: 2.0}, [Visit(A, 1.0, 0, 0, 4)])]


@given(fleets(), st.integers(1, ENDS_S - 2), st.integers(1, 2000))
@example(A_RISE_BEFORE_THE_RETURN, 1, 2)
@example(A_RISE_OF_WHAT_IS_GONE, 1, 3)
def test_a_restart_loses_nothing_and_doubles_nothing(fleet: Fleet, dies_s: int, down_s: int) -> None:
    """It dies after its last write, which was at the last event; what was charged since then goes with it."""
    back_s = min(dies_s + down_s, ENDS_S - 1)
    known = sorted({-1, *(moment_s for moment_s in events(fleet) if moment_s <= dies_s)})
    meter, charges = watched(fleet, [float(moment_s) for moment_s in known])
    ledger = posted(charges)
    meter, gap = charged(
        meter, left_there(fleet, back_s, back_s), back_s, proven_s=max(dies_s, meter.mark_s), row_of=row_of
    )
    ledger = ledger.posted(gap)
    rest = sorted({float(back_s), *(float(each) for each in news_of_prices(fleet) if each > back_s), float(ENDS_S)})
    _, later = watched(fleet, rest, meter)
    spend = ledger.posted(later).spend
    fully_known = not any(dies_s < moment_s <= back_s for moment_s in events(fleet))
    truth = usd(added_up(fleet, ENDS_S))
    if fully_known:
        assert spend.usd == pytest.approx(truth, abs=1e-9)
        assert spend.estimated == pytest.approx(0.0, abs=1e-9)
    # What came and went while nobody watched is known to nobody; nothing else is missing.
    unseen = unheard_of(fleet, dies_s, back_s) + rises_of_the_gone(fleet, dies_s, back_s)
    dearer = rises_of_the_new(fleet, dies_s, back_s)
    assert spend.usd >= truth - unseen - 1e-9
    assert spend.usd - spend.estimated <= truth + dearer + 1e-9


def unheard_of(fleet: Fleet, from_s: int, to_s: int) -> float:
    """At most what those cost who came after one moment and went before another, and machines that they were on."""
    dearest = 0.0
    for rented in fleet:
        price = max(rented.prices.values())
        short = [visit for visit in rented.visits if visit.bound_s > from_s and visit.gone_s <= to_s]
        if short and rented.whole:
            dearest += price / 3600 * (ENDS_S - min(rented.created_s, ENDS_S))
        else:
            dearest += sum(price / 3600 * visit.part * (visit.gone_s - visit.bound_s) for visit in short)
    return dearest


def rises_of_the_gone(fleet: Fleet, from_s: int, to_s: int) -> float:
    """What machines became dearer by between two moments at the second of which nobody of ours was there to tell."""
    return sum(
        (max(rented.prices.values()) - rented.price(from_s)) / 3600 * (to_s - from_s)
        for rented in fleet
        if rented.gone_s <= to_s or all(visit.gone_s <= to_s for visit in rented.visits)
    )


def rises_of_the_new(fleet: Fleet, from_s: int, to_s: int) -> float:
    """What machines became dearer by between two moments at the first of which nobody of ours was there to tell."""
    return sum(
        (rented.price(to_s) - min(rented.prices.values())) / 3600 * (to_s - rented.created_s)
        for rented in fleet
        if any(from_s < visit.bound_s <= to_s for visit in rented.visits)
        and all(visit.bound_s > from_s for visit in rented.visits)
    )


def posted(charges: Charges) -> Ledger:
    return Ledger().posted(charges)


@given(fleets(), st.floats(-7200.0, 7200.0), st.integers(1, ENDS_S - 1))
def test_a_clock_that_is_set_costs_nothing_and_loses_nothing(fleet: Fleet, delta_s: float, set_s: int) -> None:
    """Whoever watches sees the same world, its moments told by another clock."""
    moments = sorted({0.0, float(set_s), *map(float, news_of_prices(fleet))})
    before = [moment_s for moment_s in moments if moment_s <= set_s]
    meter, _ = watched(fleet, before)
    ends_s = float(ENDS_S)
    shifted = meter.shifted(delta_s)
    assert shifted.mark_s == pytest.approx(set_s + delta_s)
    known = {
        uid: replace(
            machine,
            since_s=machine.since_s + delta_s,
            until_s=None if machine.until_s is None else machine.until_s + delta_s,
            stays={key: moved(stay, delta_s) for key, stay in machine.stays.items()},
        )
        for uid, machine in seen(fleet, set_s, ENDS_S, set_s).items()
    }
    _, later = charged(shifted, known, ends_s + delta_s, proven_s=ends_s + delta_s, row_of=row_of)
    _, straight = charged(meter, seen(fleet, set_s, ENDS_S, set_s), ends_s, proven_s=ends_s, row_of=row_of)
    assert usd(later) == pytest.approx(usd(straight), abs=1e-6)


def moved(stay: Stay, delta_s: float) -> Stay:
    return replace(
        stay,
        since_s=stay.since_s + delta_s,
        ready_s=None if stay.ready_s is None else stay.ready_s + delta_s,
        until_s=None if stay.until_s is None else stay.until_s + delta_s,
    )


@given(fleets())
def test_hours_of_machines_times_their_price_are_the_dollars(fleet: Fleet) -> None:
    """Of machines whose price does not change."""
    steady = [replace(rented, prices={0: 2.5}) for rented in fleet]
    _, charges = watched(steady, [0.0, float(ENDS_S)])
    for spend in charges.values():
        assert 2.5 * spend.machine_hours == pytest.approx(spend.usd, abs=1e-9)


HOUR = 3600.0


def look(meter: Meter, now_s: float, proven_s: float | None = None, **machines: Machine) -> tuple[Meter, Charges]:
    return charged(meter, machines, now_s, proven_s=now_s if proven_s is None else proven_s, row_of=lambda _: (0, 1e9))


def spent(charges: Charges, account: Account) -> Spend:
    return charges.get((0, account), NOTHING)


def charges_are(charges: Charges, account: Account, wanted: Spend) -> None:
    same({(0, account): spent(charges, account)}, {(0, account): wanted})


def test_a_machine_of_our_own_is_paid_for_from_its_creation_to_its_deletion() -> None:
    stays = {"x": Stay(A, 0.5, since_s=360.0, ready_s=720.0, until_s=1800.0)}
    _, charges = look(Meter(0.0), HOUR, m=Machine(10.0, whole=True, since_s=0.0, stays=stays))
    charges_are(charges, A, Spend(serving=1.5, idle=8.0, startup=0.5))
    assert spent(charges, A).replica_hours == pytest.approx(0.4)
    assert spent(charges, A).machine_hours == pytest.approx(1.0)


def test_nobody_of_ours_was_on_it_so_it_is_not_ours() -> None:
    meter, charges = look(Meter(0.0), HOUR, m=Machine(10.0, whole=True, since_s=0.0))
    assert not charges
    assert not meter.machines


def test_a_machine_that_stood_there_for_days_did_not_stand_for_the_first_that_came() -> None:
    stays = {"x": Stay(A, 1.0, since_s=100 * HOUR, ready_s=100 * HOUR)}
    _, charges = look(Meter(0.0), 101 * HOUR, m=Machine(10.0, whole=True, since_s=0.0, stays=stays))
    charges_are(charges, A, Spend(serving=10.0, idle=10.0))


def test_an_empty_machine_is_paid_for_by_whoever_left_last() -> None:
    stays = {"x": Stay(A, 0.5, 0.0, 0.0, until_s=900.0), "y": Stay(B, 0.5, 0.0, 0.0, until_s=1800.0)}
    meter, _ = look(Meter(0.0), HOUR, m=Machine(10.0, whole=True, since_s=0.0, stays=stays))
    assert meter.machines["m"].left == B
    meter, charges = look(meter, 2 * HOUR, m=Machine(10.0, whole=True, since_s=0.0))
    charges_are(charges, B, Spend(idle=10.0))
    meter, charges = look(meter, 3 * HOUR, m=Machine(10.0, whole=True, since_s=0.0, until_s=2.5 * HOUR))
    charges_are(charges, B, Spend(idle=5.0))
    assert not meter.machines


def test_others_use_it_too_so_parts_alone_are_paid() -> None:
    stays = {"x": Stay(A, 0.25, since_s=0.0, ready_s=0.0)}
    _, charges = look(Meter(0.0), HOUR, m=Machine(10.0, whole=False, since_s=0.0, stays=stays))
    charges_are(charges, A, Spend(serving=2.5))


def test_what_went_while_nobody_watched_ran_until_now_and_that_is_a_guess() -> None:
    stays = {"x": Stay(A, 1.0, since_s=0.0, ready_s=0.0)}
    machine = Machine(10.0, whole=False, since_s=0.0, stays=stays)
    meter, _ = look(Meter(0.0), 0.0, m=machine)
    _, charges = look(meter, HOUR, proven_s=900.0)
    charges_are(charges, A, Spend(serving=10.0, estimated=7.5))


def test_a_price_that_changed_while_nobody_watched_was_the_higher_one_since_then() -> None:
    stays = {"x": Stay(A, 1.0, since_s=0.0, ready_s=0.0)}
    machine = Machine(10.0, whole=True, since_s=0.0, stays=stays)
    for changed in (20.0, 5.0):
        meter, _ = look(Meter(0.0), 0.0, m=machine)
        _, charges = look(meter, HOUR, proven_s=900.0, m=replace(machine, usd_per_hour=changed))
        later = 0.75 * max(changed, 10.0)
        charges_are(charges, A, Spend(serving=2.5 + later, estimated=later))


def test_a_price_that_is_guessed_is_a_guess_throughout() -> None:
    stays = {"x": Stay(A, 0.5, since_s=0.0, ready_s=0.0)}
    _, charges = look(Meter(0.0), HOUR, m=Machine(10.0, whole=True, since_s=0.0, stays=stays, guessed=True))
    assert spent(charges, A).estimated == pytest.approx(spent(charges, A).usd) == pytest.approx(10.0)


def test_a_replica_that_is_ready_once_more_does_not_start_again() -> None:
    machine = Machine(10.0, whole=False, since_s=0.0, stays={"x": Stay(A, 1.0, since_s=0.0, ready_s=0.0)})
    meter, _ = look(Meter(0.0), 0.0, m=machine)
    again = replace(machine, stays={"x": Stay(A, 1.0, since_s=0.0, ready_s=1800.0)})
    _, charges = look(meter, HOUR, m=again)
    charges_are(charges, A, Spend(serving=10.0))


def test_a_clock_that_went_back_unheard_waits_for_its_mark() -> None:
    machine = Machine(10.0, whole=False, since_s=0.0, stays={"x": Stay(A, 1.0, since_s=0.0, ready_s=0.0)})
    meter, _ = look(Meter(0.0), HOUR, m=machine)
    meter, charges = look(meter, 0.5 * HOUR, m=machine)
    assert usd(charges) == 0.0
    _, charges = look(meter, 1.5 * HOUR, m=machine)
    assert usd(charges) == pytest.approx(5.0)


def test_dollars_per_hour_of_now_add_up_to_whole_machines() -> None:
    stays = {"x": Stay(A, 0.25, 0.0), "y": Stay(B, 0.5, 0.0)}
    shared, empty = Machine(9.0, whole=True, since_s=0.0, stays=stays), Machine(4.0, whole=True, since_s=0.0, left=C)
    part = Machine(8.0, whole=False, since_s=0.0, stays={"z": Stay(A, 0.5, 0.0)})
    rates = Meter(0.0, {"m": shared, "n": empty, "o": part}).rates()
    assert rates == pytest.approx({A: 3.0 + 4.0, B: 6.0, C: 4.0})


@pytest.mark.parametrize("part", [0.0, -1.0, 1.01, float("nan")])
def test_a_part_that_no_machine_has_is_refused(part: float) -> None:
    with pytest.raises(ValueError, match="part of its machine"):
        Stay(A, part, 0.0)


@pytest.mark.parametrize("price", [-0.1, float("inf"), float("nan")])
def test_a_price_that_is_none_is_refused(price: float) -> None:
    with pytest.raises(ValueError, match="finite number of dollars"):
        Machine(price, whole=True, since_s=0.0)
