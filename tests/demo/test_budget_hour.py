"""What counts as an hour in which every stage of a budget came and went."""

import yaml
from wharfage_api import LLMBudget

from demo.budget_hour import BUDGET, STAGES, Course

PART, FULL, NEXT = (f"2026-11-27T{hour}:00:00Z" for hour in ("09", "10", "11"))


def after(*looks: tuple[str, str, str]) -> Course:
    course = Course()
    for began, stage, usd in looks:
        course.see({"periodStart": began, "usdSpent": usd} | ({"stage": stage} if stage else {}))
    return course


def climbing(*stages: str) -> list[tuple[str, str, str]]:
    return [(FULL, stage, f"{number}.5") for number, stage in enumerate(stages)]


def test_every_stage_in_turn_and_none_in_the_next_hour_is_what_is_shown() -> None:
    course = after((PART, "", "0"), *climbing("", *STAGES), (NEXT, "Floor", "0"), (NEXT, "", "0.01"))
    assert course.missing == ""
    assert course.stages == list(STAGES)
    assert course.usd == 4.5


def test_what_is_left_of_the_hour_before_does_not_count() -> None:
    assert after((PART, "Notify", "4"), (PART, "Floor", "9")).stages == []


def test_a_stage_that_was_skipped_is_named() -> None:
    course = after((PART, "", "0"), *climbing("", "Notify", "Freeze", "Floor"), (NEXT, "", "0"))
    assert course.missing == "never in force: PreferCheaper"


def test_stages_that_stay_in_the_next_hour_have_not_receded() -> None:
    course = after((PART, "", "0"), *climbing("", *STAGES), (NEXT, "Floor", "0"))
    assert "did not recede" in course.missing
    assert not course.receded


def test_a_budget_that_nobody_has_looked_at_yet_is_no_news() -> None:
    assert Course().see({}) is None


def test_the_budget_of_the_demo_has_the_stages_that_are_waited_for() -> None:
    written = LLMBudget.model_validate(yaml.safe_load(BUDGET.read_text(encoding="utf-8")))
    assert [stage.action for stage in written.spec.stages] == list(STAGES)
