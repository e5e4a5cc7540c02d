"""What deployments pay for machines that they share."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wharfage_autoscaler.charges import charges, shared
from wharfage_autoscaler.seats import mix_of

from tests.builders import offer
from tests.needs import berth, need

A, B, C = ("shop", "a"), ("shop", "b"), ("shop", "c")

parts = st.dictionaries(
    st.sampled_from([A, B, C]), st.integers(1, 24).map(lambda eighths: eighths / 8), min_size=1, max_size=3
)


@pytest.mark.parametrize(
    ("used", "paid"),
    [
        pytest.param({A: 1.5}, {A: 2.0}, id="alone, one pays for what is empty"),
        pytest.param({A: 0.5, B: 0.5}, {A: 0.5, B: 0.5}, id="a full machine is shared as it is used"),
        pytest.param({A: 0.25, B: 0.5}, {A: 1 / 3, B: 2 / 3}, id="what is empty is shared in proportion"),
        pytest.param({A: 1.0, B: 0.125}, {A: 1.0, B: 1.0}, id="who fills a machine pays for no other"),
        pytest.param({A: 0.875, B: 0.25}, {A: 1.0, B: 1.0}, id="nobody pays more than a machine of its own"),
    ],
)
def test_machines_paid_for(used: dict[tuple[str, str], float], paid: dict[tuple[str, str], float]) -> None:
    assert shared(used) == pytest.approx(paid)


@given(parts)
def test_charges_add_up_to_whole_machines_and_sharing_makes_nobody_dearer(used: dict[tuple[str, str], float]) -> None:
    paid = shared(used)
    assert sum(paid.values()) == pytest.approx(math.ceil(sum(used.values())))
    for key, part in used.items():
        assert part - 1e-6 <= paid[key] <= math.ceil(part) + 1e-6


def test_charges_are_in_dollars_of_the_books_per_offer() -> None:
    big, other = offer("big", accelerators=4, usd_per_hour=8.0), offer("small", usd_per_hour=1.0)
    one = mix_of(need(key=A), [(berth(big), 2), (berth(other), 3)])
    two = mix_of(need(key=B), [(berth(big), 1)])
    paid = charges([one, two])
    assert paid[A] == pytest.approx({big.key: 16 / 3, other.key: 3.0})
    assert paid[B] == pytest.approx({big.key: 8 / 3})
