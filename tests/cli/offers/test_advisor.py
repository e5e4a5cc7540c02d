"""The Spot Instance Advisor in both its forms, and what its advice does to prices."""

import json
from decimal import Decimal
from typing import Any

import pytest
from wharfage_autoscaler.offers import Market
from wharfage_cli.offers.advisor import Advice, UnreadableAdvice, advice, advised

from tests.cli.offers.prices import price, spot

CSV = """snapshot,region,instance_type,vcpus,ram_gb,spot_savings_pct,interruption_band_month
2025-06-28,us-east-1,g6.xlarge,4,16.0,49,>20%
2025-06-28,us-east-1,g6e.xlarge,4,32.0,58,5-10%
2021-02-10,us-east-1,p2.xlarge,4,61.0,70,<5%
2025-06-28,eu-west-1,g5.xlarge,4,16.0,59,<5%
"""
JSON: dict[str, Any] = {
    "ranges": [{"index": 0, "label": "<5%", "max": 5}, {"index": 1, "label": "5-10%", "max": 11}],
    "spot_advisor": {
        "us-east-1": {"Linux": {"g6.xlarge": {"s": 49, "r": 1}}, "Windows": {"g5.xlarge": {"s": 1, "r": 0}}}
    },
}


def test_a_csv_gives_the_middle_of_each_band_of_its_latest_snapshot() -> None:
    assert advice(CSV, "a.csv", "us-east-1") == {
        "g6.xlarge": Advice(Decimal("0.49"), Decimal("0.25")),
        "g6e.xlarge": Advice(Decimal("0.58"), Decimal("0.075")),
    }


def test_awss_own_file_is_read_for_linux() -> None:
    assert advice(json.dumps(JSON), "a.json", "us-east-1") == {"g6.xlarge": Advice(Decimal("0.49"), Decimal("0.075"))}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("{}", "a: is not spot-advisor-data.json as AWS writes it", id="some other JSON"),
        pytest.param("{", "a: is not spot-advisor-data.json as AWS writes it", id="half a JSON"),
        pytest.param("instance_type,spot_savings_pct\n", "a: no column interruption_band_month", id="a missing column"),
        pytest.param(CSV.replace("49,>20%", "149,>20%"), "a line 2: the saving '149' is no percentage", id="a saving"),
        pytest.param(CSV.replace("5-10%", "often"), "a line 3: 'often' is no band", id="a band in words"),
        pytest.param(
            CSV.replace("us-east-1", "us-west-2"), "a: says nothing about Linux machines", id="another region"
        ),
    ],
)
def test_what_is_no_advice_is_said(text: str, says: str) -> None:
    with pytest.raises(UnreadableAdvice, match=says):
        advice(text, "a", "us-east-1")


FOUND = {"g6.xlarge": Advice(Decimal("0.49"), Decimal("0.25"))}


def test_a_spot_price_of_the_table_gets_its_interruptions_and_stays() -> None:
    first, second = advised([price(), spot(per_hour="0.44")], FOUND)
    assert (first, second.per_hour, second.interruptions_per_month) == (price(), Decimal("0.44"), Decimal("0.25"))


def test_a_rate_of_the_table_is_not_written_over() -> None:
    (only,) = advised([spot(interruptions_per_month=Decimal("0.01"))], FOUND)
    assert only.interruptions_per_month == Decimal("0.01")


def test_a_machine_without_spot_price_gets_an_estimate() -> None:
    _, estimate = advised([price(per_hour="0.8048")], FOUND)
    assert (estimate.market, estimate.per_hour) == (Market.SPOT, Decimal("0.4104"))
    assert estimate.interruptions_per_month == Decimal("0.25")


def test_no_estimate_is_made_for_what_was_excepted_or_is_not_advised_on() -> None:
    assert advised([price()], FOUND, not_estimated=["g6*"]) == [price()]
    assert advised([price("g9.xlarge")], FOUND) == [price("g9.xlarge")]
