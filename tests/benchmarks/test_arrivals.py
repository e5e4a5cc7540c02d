"""The benchmark of arrivals: what its table says of its rows."""

from benchmarks.arrivals import Row, table


def test_the_table_has_means_over_the_seeds_with_their_range() -> None:
    found = [Row("t", "poisson", "wharfage", seed, usd, bad) for seed, usd, bad in ((1, 90.0, 0.0), (2, 110.0, 0.01))]
    assert table(found).splitlines()[2:] == [
        "| t | `poisson` | wharfage | 100 (90 to 110) | 0.50 % (0.00 to 1.00) |",
    ]


def test_each_trace_arrival_and_policy_has_a_line_of_its_own() -> None:
    rows = [
        Row(trace, how, policy, 1, 1.0, 0.0) for trace in "ab" for how in ("poisson", "bursty") for policy in ("x", "y")
    ]
    assert len(table(rows).splitlines()) == 2 + 8
