"""How many machines are sent ahead: as many as the forecast's tail pays for, and no more than the ceilings allow."""

from dataclasses import replace

import pytest
from wharfage_autoscaler.allot import allot
from wharfage_autoscaler.decide import decide
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.forecast import Forecast
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.model import Mode
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.snapshot import ClusterSnapshot, Memory, Snapshot
from wharfage_autoscaler.vanguard import NONE, Stake, vanguard

from tests.builders import offer, pool, wanted
from tests.needs import berth, need

L4 = offer(usd_per_hour=0.05)
EIGHT = offer("g6.48xlarge", usd_per_hour=0.4, accelerators=8)
NOW = 1_000_000.0
# A replica carries 4; two are ordered for what is seen and for the quantile that the law looks at.
CALM = Forecast(NOW, 300.0, (0.5, 0.9, 0.99), ((5.0,) * 4, (7.0,) * 4, (7.5,) * 4))
TAIL = Forecast(NOW, 300.0, (0.5, 0.9, 0.99), ((5.0,) * 4, (7.0,) * 4, (15.0,) * 4))


def stake(usd_per_bad_minute: float = 1.0, machine_s: float = 90.0) -> Stake:
    return Stake(usd_per_bad_minute, lambda _: machine_s)


def seen(forecast: Forecast | None = TAIL, of: Offer = L4, *, most: int = 10, limit: float | None = None) -> Snapshot:
    asked = need(
        berth(of, 4.0, start_s=300.0), peak_rps=8.0, usual_rps=5.0, max_replicas=most, usd_per_hour_limit=limit
    )
    return Snapshot(
        now=NOW,
        key=asked.key,
        wanted=wanted(
            mode=Mode.AUTO,
            max_replicas=most,
            min_replicas=0,
            placement=asked.placement,
            usd_per_hour_limit=limit,
        ),
        offers=(of,),
        fleet=Fleet((pool(of, 2),)),
        load=Load(60.0, 5.0, 4500.0, 1100.0, 5.0, 0.0),
        allotment=allot(ClusterSnapshot((asked,))).by_key[asked.key],
        forecast=forecast,
    )


def sent(now: Snapshot, pays: Stake | None = None, before: Fleet = NONE) -> list[int]:
    decision, _ = decide(now, Memory())
    assert decision.target.replicas == 2, "what is decided is another matter"
    return [each.replicas for each in vanguard(now, decision, pays or stake(), before).pools]


def test_where_the_tail_is_thick_and_the_machine_cheap_as_many_wait_as_it_pays_for() -> None:
    assert sent(seen()) == [2]


@pytest.mark.parametrize(
    ("now", "pays"),
    [
        (seen(CALM), stake()),
        (seen(None), stake()),
        (seen(TAIL, replace(L4, usd_per_hour=6.0)), stake()),
        (seen(), stake(usd_per_bad_minute=0.01)),
        (seen(), stake(machine_s=0.0)),
        (seen(most=2), stake()),
        (seen(limit=0.12), stake()),
        (seen(TAIL, EIGHT), stake()),
        (replace(seen(), offers=(replace(L4, obtainable=""),)), stake()),
    ],
    ids=[
        "no more is expected than is ordered, however unlikely",
        "nothing is forecast",
        "a machine that waits costs more than the minutes it saves",
        "a bad minute costs next to nothing",
        "a machine comes at once",
        "maxReplicas are ordered",
        "the limit in dollars leaves no room for one more",
        "there is room on a machine that is paid for",
        "it could not be had",
    ],
)
def test_mostly_none_is_sent(now: Snapshot, pays: Stake) -> None:
    if now.offers[0].obtainable:
        assert sent(now, pays) == []
    else:
        decision, _ = decide(seen(), Memory())
        assert vanguard(now, decision, pays) == NONE


def test_what_waits_already_stays_until_it_pays_only_half() -> None:
    dear = seen(TAIL, replace(L4, usd_per_hour=0.267))
    once = Fleet((pool(dear.offers[0], 1),))
    assert sent(dear) == []
    assert sent(dear, before=once) == [1]


def test_no_more_are_sent_at_once_than_the_law_would_add() -> None:
    flood = Forecast(NOW, 300.0, (0.5, 0.9, 0.99), ((5.0,) * 4, (7.0,) * 4, (70.0,) * 4))
    assert sent(seen(flood, most=30)) == [4]


def test_nothing_is_sent_while_a_move_is_under_way() -> None:
    decision, _ = decide(seen(), Memory())
    assert vanguard(seen(), replace(decision, moves=True), stake()) == NONE
