"""What a budget says of itself while nothing enforces it."""

import pytest
from wharfage_operator.budget import budget_status, exists


@pytest.mark.parametrize(
    ("zone", "known"),
    [("UTC", True), ("Europe/Berlin", True), ("Europe/Atlantis", False), ("Europe", False), ("../etc/passwd", False)],
)
def test_a_time_zone_exists_where_the_database_has_it(zone: str, *, known: bool) -> None:
    assert exists(zone) is known


def test_a_budget_in_no_time_zone_is_not_accepted_and_says_what_to_write() -> None:
    said = budget_status("Europe/Atlantis", zone_exists=False, previous={}, generation=3, now=0.0)
    accepted = said["conditions"][0]
    assert (accepted["type"], accepted["status"], accepted["reason"]) == ("Accepted", "False", "InvalidSpec")
    assert accepted["message"] == (
        "there is no time zone Europe/Atlantis: write one by its IANA name, such as Europe/Berlin or UTC"
    )
    assert accepted["observedGeneration"] == said["observedGeneration"] == 3
