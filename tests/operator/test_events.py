"""Events tell transitions, once."""

from typing import Any

import pytest
from wharfage_operator.events import Event, events, turn


def status(
    ready: tuple[str, str] | None = None, *, wanted: int = 0, capacity: tuple[str, str] | None = None
) -> dict[str, Any]:
    rows = [("Ready", ready), ("CapacityAvailable", capacity)]
    return {
        "fleet": [{"catalog": "c", "offer": "o", "market": "Spot", "zone": "", "variant": "", "wanted": wanted}],
        "decision": {"summary": "o is cheapest", "steps": [{"reason": "CheapestOffer", "message": "o is cheapest"}]},
        "conditions": [
            {"type": name, "status": said[0], "reason": said[1], "message": f"because {said[1]}"}
            for name, said in rows
            if said is not None
        ],
    }


def test_a_first_fleet_is_told_with_its_reason() -> None:
    assert events({}, status(wanted=2)) == (Event("CheapestOffer", "0 -> 2 replicas: o is cheapest", warning=False),)


def test_a_state_that_lasts_is_told_once() -> None:
    same = status(("False", "Unschedulable"), wanted=2)
    assert events(same, same) == ()


def test_what_the_user_must_mend_is_a_warning() -> None:
    assert events({}, status(("False", "SecretMissing"))) == (
        Event("SecretMissing", "because SecretMissing", warning=True),
    )


def test_what_passes_by_itself_is_not() -> None:
    before, after = status(("False", "WaitingForNode")), status(("False", "StartingEngine"))
    assert events(before, after) == (Event("StartingEngine", "because StartingEngine", warning=False),)


def test_that_all_is_well_is_told_only_when_it_was_not() -> None:
    well = status(("True", "Serving"))
    assert events({}, well) == ()
    assert events(status(("False", "StartingEngine")), well) == (Event("Serving", "because Serving", warning=False),)


def test_one_cause_in_two_conditions_is_one_event() -> None:
    both = status(("False", "Unschedulable"), capacity=("False", "Unschedulable"))
    assert len(events({}, both)) == 1


def test_unknown_is_no_news() -> None:
    assert events(status(("True", "Serving")), status(("Unknown", "Scaling"))) == ()


@pytest.mark.parametrize(("reason", "told"), [("SurgeWithoutCapacity", 1), ("RollingOut", 0)])
def test_of_progress_only_a_surge_that_found_no_machine_is_told(reason: str, told: int) -> None:
    before = {"conditions": [{"type": "Progressing", "status": "False", "reason": "Steady", "message": ""}]}
    after = {"conditions": [{"type": "Progressing", "status": "True", "reason": reason, "message": "why"}]}
    assert len(events(before, after)) == told


@pytest.mark.parametrize(
    ("before", "after", "leads"),
    [
        pytest.param(0, 2, ("Up", "CheapestOffer"), id="more"),
        pytest.param(2, 0, ("Down", "CheapestOffer"), id="to zero"),
        pytest.param(2, 2, None, id="the same"),
    ],
)
def test_a_change_of_what_is_wanted_leads_somewhere(before: int, after: int, leads: tuple[str, str] | None) -> None:
    assert turn(status(wanted=before), status(wanted=after)) == leads


def test_as_many_on_other_machines_are_elsewhere() -> None:
    moved = status(wanted=2)
    moved["fleet"] = [{**moved["fleet"][0], "market": "OnDemand"}]
    assert turn(status(wanted=2), moved) == ("Elsewhere", "CheapestOffer")
