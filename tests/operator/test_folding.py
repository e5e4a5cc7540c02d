"""Which days of the ledger are old enough to be one, and which to be none."""

from wharfage_autoscaler.ledger import DAY_S
from wharfage_operator.books import day_name, part_name
from wharfage_operator.folding import foldable, outdated

NOW_S = 1_790_035_200.0 + 3600.0


def quarters(days_ago: int) -> list[str]:
    midnight_s = (NOW_S - days_ago * DAY_S) // DAY_S * DAY_S
    return [part_name(midnight_s + quarter * DAY_S / 4) for quarter in range(4)]


def day(days_ago: int) -> str:
    return day_name(NOW_S - days_ago * DAY_S)


def test_a_day_is_folded_once_nobody_reads_it_by_the_hour() -> None:
    names = [*quarters(1), *quarters(200), *quarters(201), *quarters(250)[2:], "wharfage-ledger-open", day(220)]
    assert foldable(names, NOW_S) == {day(250): quarters(250)[2:], day(201): quarters(201)}


def test_a_day_is_deleted_after_four_hundred_others() -> None:
    assert outdated([day(401), day(400), day(399), *quarters(500)], NOW_S) == [day(401)]
