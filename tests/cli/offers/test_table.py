"""Price tables: which columns are understood, and what is said of a file that is none."""

import pytest
from wharfage_cli.offers.table import UnreadableTable, table

OURS = "machine,price_per_hour\ng6.xlarge,0.8\n"


@pytest.mark.parametrize(
    ("text", "column", "value"),
    [
        pytest.param(
            "instance_type,usd_per_hour,date\ng6.xlarge,0.8,2026-07-20", "observed_at", "2026-07-20", id="AWS"
        ),
        pytest.param("vm_size,usd_per_hour_on_demand\nStandard_NC4as_T4_v3,0.5", "price_per_hour", "0.5", id="Azure"),
        pytest.param("instance_name,price,gpu_name\np5.4xlarge,6.88,H100", "accelerator", "H100", id="gpuhunt"),
        pytest.param("Machine , Price_per_hour\ng6.xlarge, 0.8 ", "price_per_hour", "0.8", id="blanks and capitals"),
        pytest.param(
            "\ufeffmachine,price_per_hour\ng6.xlarge,0.8", "machine", "g6.xlarge", id="the mark of a spreadsheet"
        ),
    ],
)
def test_columns_are_known_by_the_names_that_others_give_them(text: str, column: str, value: str) -> None:
    (record,) = table(text, "prices.csv").records
    assert record.text(column) == value


def test_a_row_with_two_prices_is_two_records() -> None:
    text = "machine_type,usd_per_hour_on_demand,usd_per_hour_spot\ng2-standard-4,0.7,0.4\ng2-standard-8,0.8,\n"
    found = [
        (each.text("machine"), each.text("market"), each.text("price_per_hour")) for each in table(text, "f").records
    ]
    assert found == [
        ("g2-standard-4", "", "0.7"),
        ("g2-standard-4", "Spot", "0.4"),
        ("g2-standard-8", "", "0.8"),
    ]


def test_of_a_history_of_changes_the_last_row_counts() -> None:
    text = (
        "first_seen,machine_type,region,usd_per_hour_on_demand\n"
        "2026-05-01,g2-standard-4,us-central1,0.70\n"
        "2026-07-01,g2-standard-4,us-central1,0.72\n"
        "2026-06-01,g2-standard-4,us-central1,0.71\n"
        "2024-01-01,g2-standard-4,europe-west4,0.90\n"
    )
    found = {(each.text("region"), each.text("price_per_hour")) for each in table(text, "f").records}
    assert found == {("us-central1", "0.72"), ("europe-west4", "0.90")}


def test_a_record_knows_its_line() -> None:
    assert table(OURS, "prices.csv").records[0].where == "prices.csv line 2"


def test_a_column_that_may_be_misspelt_is_told() -> None:
    read = table("machine,price_per_hour,interuptions_per_month,disk_size\ng6.xlarge,0.8,0.1,20", "f")
    assert read.unknown_columns == ("interuptions_per_month",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("", "no column machine or instance_type", id="an empty file"),
        pytest.param("machine,region\n", "no column price_per_hour or usd_per_hour", id="no price"),
        pytest.param("machine,price_per_hour\n", "has a header and no rows", id="no rows"),
        pytest.param("machine,price,usd_per_hour\na,1,2\n", "several columns mean price_per_hour", id="two prices"),
    ],
)
def test_what_is_no_price_table_is_said(text: str, says: str) -> None:
    with pytest.raises(UnreadableTable, match=f"^prices.csv: {says}"):
        table(text, "prices.csv")
