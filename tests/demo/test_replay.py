"""What the replay starts with, and what it makes of a run that was written."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wharfage_operator.settings import Settings, load
from wharfage_simulator.result import Course, Result

from demo import two_hours
from demo.emulator.__main__ import led_in, main
from demo.picture import bad_minutes, draw
from demo.replay import settings
from demo.rivals import merit

MINUTES = 6
RESULT = Result(
    setting="one",
    trace="t",
    policy="hpa",
    seed=1,
    usd=50.0,
    bad_minutes=1,
    minutes=120,
    requests=1,
    failed=0,
    replica_hours=1.0,
    churn=0,
    spot_losses=0,
    course=Course(*(np.ones(MINUTES) for _ in range(7))),
)


def ledger() -> dict[str, Any]:
    row = {"arrived_rps": 5.0, "carried_rps": 9.0, "usd_per_hour": {"Spot": 1.0}}
    return {
        "speed": 40.0,
        "since_s": 120.0,
        "rows": [{"t_s": 15.0 * number, **row} for number in range(4 * MINUTES)],
        "deployments": {"shop/chat": {"bad_share": [1.0, 1.0, 0.0, 0.049, 0.06, None]}},
    }


def test_the_operator_takes_the_settings_of_the_replay() -> None:
    chosen = load({f"WHARFAGE_{name.upper()}": value for name, value in settings("http://127.0.0.1:9", 40.0).items()})
    assert (chosen.time_scale, chosen.scrape_proxy) == (40.0, "http://127.0.0.1:9")
    assert (chosen.scrape_every_s, chosen.scrape_window_s) == (Settings().scrape_every_s, Settings().scrape_window_s)


def test_a_load_grows_to_its_first_rate_before_it_begins() -> None:
    whole = led_in(two_hours.trace(), 1200.0)
    assert whole.start_s == -1200.0
    before, after = whole.req_per_s[:20], whole.req_per_s[20:]
    assert list(before) == sorted(before)
    assert (before[-1], list(after)) == (after[0], list(two_hours.trace().req_per_s))
    assert whole.prompt_tokens is not None
    assert len(whole.prompt_tokens) == len(whole.req_per_s)


@pytest.mark.parametrize("text", ["chat=x.csv", "shop/chat", "shop/chat=/does/not/exist.csv"])
def test_a_load_that_cannot_be_read_ends_the_emulator_at_once(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--load", text])
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_minutes_are_bad_from_where_they_are_judged_and_above_five_percent() -> None:
    assert bad_minutes(ledger()) == [4]


def test_a_run_is_drawn(tmp_path: Path) -> None:
    draw(ledger(), RESULT.course, two_hours.STORM, tmp_path / "run.png")
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")


def test_within_what_is_tolerated_dollars_decide_and_beyond_it_bad_minutes() -> None:
    cheap_and_bad = replace(RESULT, usd=10.0, bad_minutes=9)
    dear = replace(RESULT, usd=60.0)
    assert min((dear, cheap_and_bad, RESULT), key=merit) is RESULT
    worse = replace(cheap_and_bad, bad_minutes=8, usd=99.0)
    assert min((cheap_and_bad, worse), key=merit) is worse
