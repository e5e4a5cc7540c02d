"""Readings of one pod out of the pages that its engine would show."""

from typing import Any

from wharfage_operator.readings import Reading, reading

from tests.operator.pages import page


def seen_at(at_s: float, **figures: Any) -> Reading:
    """What a page with these figures tells; `tests.operator.pages.page` knows them."""
    seen = reading(page(**figures), at_s=at_s)
    assert seen is not None
    return seen
