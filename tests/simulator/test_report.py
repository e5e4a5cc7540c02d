"""What a comparison says of results: figures, rankings, words."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from wharfage_simulator.markdown import markdown, verdict
from wharfage_simulator.report import bad_minutes, boards, rows
from wharfage_simulator.result import Cause, Course, Result

KEYS = [
    "setting",
    "trace",
    "policy",
    "seed",
    "usd",
    "bad_minutes_share",
    "cost_over_oracle",
    "cost_over_tuned_hpa",
    "churn",
    "spot_losses",
]


def course(minutes: int = 10, bad: tuple[int, ...] = ()) -> Course:
    """A load of 10 requests per second on a capacity of 12, where the bad minutes find 8."""
    carried, share = np.full(minutes, 12.0), np.zeros(minutes)
    carried[list(bad)] = 8.0
    share[list(bad)] = 0.5
    flat = np.ones(minutes)
    return Course(flat * 10, carried, flat * 12, flat * 3, flat, share, flat * 0)


def result(
    policy: str, usd: float, bad: int = 0, *, seed: int = 1, setting: str = "all", trace: str = "chat"
) -> Result:
    """A thousand scored minutes, of which `bad` were bad."""
    return Result(
        setting=setting,
        trace=trace,
        policy=policy,
        seed=seed,
        usd=usd,
        bad_minutes=bad,
        minutes=1000,
        requests=1,
        failed=0,
        replica_hours=1.0,
        churn=4,
        spot_losses=0,
        course=course(bad=tuple(range(min(bad, 10)))),
    )


FIELD = [
    result("hpa-running", 140.0, 2),
    result("wharfage", 110.0, 1),
    result("hpa-queue", 90.0, 80),
    result("oracle", 100.0),
    result("keda", 105.0, 9),
]


def test_a_row_has_these_figures_and_no_others() -> None:
    found = {row["policy"]: row for row in json.loads(json.dumps(rows(FIELD), allow_nan=False))}
    assert all(list(row) == KEYS for row in found.values())
    assert found["wharfage"] == {
        "setting": "all",
        "trace": "chat",
        "policy": "wharfage",
        "seed": 1,
        "usd": 110.0,
        "bad_minutes_share": 0.001,
        "cost_over_oracle": 1.1,
        "cost_over_tuned_hpa": 110 / 140,
        "churn": 4,
        "spot_losses": 0,
    }


def test_what_there_is_nothing_to_compare_with_is_unknown() -> None:
    alone = [result("wharfage", 110.0), replace(result("keda", 0.0), minutes=0)]
    ours, idle = rows(alone)
    assert (ours["cost_over_oracle"], ours["cost_over_tuned_hpa"], idle["bad_minutes_share"]) == (None, None, None)
    (board,) = boards(alone)
    assert board.winners == ()
    assert "| **wharfage** | 110.00 | 0.00 % | - | - |" in markdown(alone)
    assert "| keda | 0.00 | - | - | - |" in markdown(alone)


def test_ratios_are_of_the_same_setting_trace_and_seed() -> None:
    field = [
        *(result(name, usd, seed=1) for name, usd in (("wharfage", 110.0), ("oracle", 100.0))),
        *(result(name, usd, seed=2) for name, usd in (("wharfage", 150.0), ("oracle", 75.0))),
        result("wharfage", 90.0, setting="one"),
    ]
    assert [row["cost_over_oracle"] for row in rows(field)] == [1.1, 1.0, 2.0, 1.0, None]


TUNED = [
    pytest.param([("hpa-queue", 90.0, 80), ("hpa-kv", 150.0, 3), ("hpa-running", 140.0, 2)], "hpa-running", id="kept"),
    pytest.param([("hpa-queue", 90.0, 80), ("hpa-kv", 150.0, 30), ("hpa-running", 140.0, 40)], "hpa-kv", id="nearest"),
    pytest.param([("hpa(running=0.35)", 90.0, 0), ("keda", 10.0, 0)], "hpa(running=0.35)", id="by what was tuned"),
    pytest.param([("keda", 90.0, 0), ("hpatience", 10.0, 0)], None, id="none"),
]


@pytest.mark.parametrize(("field", "name"), TUNED)
def test_the_tuned_hpa_is_the_cheapest_that_keeps_the_objectives_or_the_one_that_comes_nearest(
    field: list[tuple[str, float, int]], name: str | None
) -> None:
    (board,) = boards([result(policy, usd, bad) for policy, usd, bad in field])
    assert board.tuned_hpa == name


def test_a_policy_that_misses_the_objectives_is_ranked_behind_those_that_keep_them_however_cheap() -> None:
    (board,) = boards(FIELD)
    assert [each.policy for each in board.standings] == ["oracle", "wharfage", "hpa-running", "keda", "hpa-queue"]


PEERS = [
    pytest.param(result("keda", 99.0, 1), True, id="cheaper at as many bad minutes"),
    pytest.param(result("keda", 99.0, 0), True, id="cheaper at fewer"),
    pytest.param(result("keda", 99.0, 2), False, id="cheaper at more"),
    pytest.param(result("keda", 110.0, 0), False, id="as dear"),
    pytest.param(result("oracle", 99.0, 0), False, id="the bound"),
]


@pytest.mark.parametrize(("peer", "wins"), PEERS)
def test_a_peer_wins_when_it_is_cheaper_at_no_more_bad_minutes(peer: Result, wins: bool) -> None:
    (board,) = boards([result("wharfage", 110.0, 1), peer])
    assert bool(board.winners) is wins
    assert ("**A peer wins**: `keda` costs 10.0 % less than `wharfage`" in verdict(board)) is wins
    assert ("No peer is cheaper" in verdict(board)) is not wins


def test_several_peers_that_win_are_said_in_one_sentence() -> None:
    (board,) = boards([result("wharfage", 100.0, 1), result("keda", 90.0), result("knative", 95.0, 1)])
    assert verdict(board) == (
        "**2 peers win**, at no more bad minutes than `wharfage` (0.10 %): "
        "`keda` 10.0 % less (0.00 %), `knative` 5.0 % less (0.10 %)."
    )


def test_ours_is_said_to_miss_the_objectives_when_it_does() -> None:
    (board,) = boards([result("wharfage", 110.0, 5)])
    assert verdict(board).startswith("`wharfage` has 0.50 % bad minutes, more than 0.3 %.")
    (board,) = boards([result("keda", 110.0, 5)])
    assert verdict(board) == "`wharfage` did not take part."


def test_several_seeds_are_a_mean_and_a_range() -> None:
    text = markdown([result("wharfage", 1000.0, 1, seed=1), result("wharfage", 3000.0, 2, seed=2)])
    assert "| **wharfage** | 2,000 (1,000 to 3,000) | 0.15 % (0.10 to 0.20) | - | - | 4 | 0 | 0 | 1.5 | 0 | 0 |" in text
    assert "Means over 2 seeds, with their range." in text


def test_a_mean_of_equal_figures_is_that_figure() -> None:
    (board,) = boards([result("ours", 0.1, 1, seed=seed) for seed in (1, 2, 3)])
    usd = board.standings[0].usd
    assert usd.least == usd.mean == usd.most


def test_minutes_that_are_not_scored_are_nobodys_fault() -> None:
    late = replace(result("wharfage", 1.0), course=course(bad=(1, 2, 7)), scored_from_s=120.0)
    assert bad_minutes(late, lead_s=300.0) == {2: Cause.LATE, 7: Cause.LATE}


def test_a_minute_without_a_request_is_not_bad() -> None:
    quiet = course(bad=(3,))
    quiet.bad_share[3] = math.nan
    assert bad_minutes(replace(result("wharfage", 1.0), course=quiet), lead_s=300.0) == {}


def test_a_name_with_a_bar_does_not_make_another_column() -> None:
    text = markdown([result("keda", 1.0, trace="a|b"), result("keda", 1.0, trace="c")])
    assert "| all | a\\|b | - |" in text


def test_no_results_are_no_report() -> None:
    assert (markdown([]), rows([])) == ("", [])


HEAD = (
    "| policy | USD | bad minutes | cost / oracle | cost / tuned HPA | replica churn | spot losses "
    "| lost | late | short | uneven |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
)
GOLDEN = f"""\
| setting | trace | USD of wharfage | bad minutes | cost / oracle | cost / tuned HPA | a peer wins |
| --- | --- | ---: | ---: | ---: | ---: | ---: |
| all | chat | 110.00 | 0.10 % | 1.10 | 0.79 | no |
| all | code | 110.00 | 0.10 % | - | - | `keda` |

## all: chat

No peer is cheaper at no more bad minutes. The tuned HPA is `hpa-running`.

{HEAD}| oracle | 100.00 | 0.00 % | 1.00 | 0.71 | 4 | 0 | 0 | 0 | 0 | 0 |
| **wharfage** | 110.00 | 0.10 % | 1.10 | 0.79 | 4 | 0 | 0 | 1 | 0 | 0 |
| hpa-running | 140.00 | 0.20 % | 1.40 | 1.00 | 4 | 0 | 0 | 2 | 0 | 0 |
| keda | 105.00 | 0.90 % | 1.05 | 0.75 | 4 | 0 | 0 | 9 | 0 | 0 |
| hpa-queue | 90.00 | 8.00 % | 0.90 | 0.64 | 4 | 0 | 0 | 10 | 0 | 0 |

## all: code

**A peer wins**: `keda` costs 9.1 % less than `wharfage` at no more bad minutes (0.00 % against 0.10 %).

{HEAD}| keda | 100.00 | 0.00 % | - | - | 4 | 0 | 0 | 0 | 0 | 0 |
| **wharfage** | 110.00 | 0.10 % | - | - | 4 | 0 | 0 | 1 | 0 | 0 |

"""


def test_the_report_as_it_is_read() -> None:
    text = markdown([*FIELD, result("wharfage", 110.0, 1, trace="code"), result("keda", 100.0, trace="code")])
    table, notes = text[: len(GOLDEN)], text[len(GOLDEN) :]
    assert table == GOLDEN
    assert notes.startswith("Policies that keep bad minutes to 0.3 % come first, by cost")
    assert "*lost* replicas lost, *late* capacity was on its way, *short* too little was ordered" in notes


def test_an_oracle_that_misses_the_objectives_is_said_to_be_no_bound() -> None:
    (board,) = boards([result("oracle", 100.0, 9), result("wharfage", 110.0)])
    assert "The oracle itself has 0.90 % bad minutes: its cost is no bound here." in verdict(board)
    (board,) = boards([result("oracle", 100.0, 3), result("wharfage", 110.0)])
    assert "oracle" not in verdict(board)


def test_a_report_says_by_what_a_load_was_scaled_and_whether_its_fleet_is_too_small() -> None:
    small = replace(result("wharfage", 110.0), factor=0.045, peak_replicas=7.2)
    assert "Rates x 0.045; the busiest window takes 7 replicas, too few to tell" in markdown([small])
    assert "takes 24 replicas." in markdown([replace(small, peak_replicas=24.0)])
