"""Amounts in the words in which the API server gives them back: any other text would look like somebody's edit."""

import pytest
from wharfage_operator.quantities import cpus, memory, storage


@pytest.mark.parametrize(
    ("gib", "text"),
    [(0.5, "512Mi"), (1, "1Gi"), (15.3, "15668Mi"), (1024, "1Ti"), (1536, "1536Gi"), (2048, "2Ti")],
)
def test_memory_is_written_in_the_largest_unit_in_which_it_is_whole(gib: float, text: str) -> None:
    assert memory(gib) == text


@pytest.mark.parametrize(
    ("written", "text"),
    [("40Gi", "40Gi"), ("1000Gi", "1000Gi"), ("1024Gi", "1Ti"), ("1048576Mi", "1Ti"), ("2048Ti", "2Pi")],
)
def test_a_size_is_written_in_the_largest_unit_in_which_it_is_whole(written: str, text: str) -> None:
    assert storage(written) == text


@pytest.mark.parametrize(("cores", "text"), [(4, "4"), (3.6, "3600m"), (0.05, "50m")])
def test_cores_are_whole_or_in_thousandths(cores: float, text: str) -> None:
    assert cpus(cores) == text
