"""Pictures and the page that holds them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from wharfage_simulator.page import page
from wharfage_simulator.plots import draw
from wharfage_simulator.result import Course, Result

PNG = b"\x89PNG\r\n\x1a\n"


def replayed(policy: str, seed: int = 1) -> Result:
    """Three hours that swing once, with a bad minute and some spot."""
    wave = 5.0 + 4.0 * np.sin(np.arange(180) / 180 * 2 * np.pi)
    bad = np.where(np.arange(180) == 100, 0.5, 0.0)
    course = Course(wave, wave + 1.0, wave + 2.0, wave * 3, wave, bad, np.zeros(180))
    return Result(
        setting="all+spot",
        trace="servegen/m-large",
        policy=policy,
        seed=seed,
        usd=45.0 + seed,
        bad_minutes=seed,
        minutes=120,
        scored_from_s=3600.0,
        requests=1,
        failed=0,
        replica_hours=1.0,
        churn=4,
        spot_losses=0,
        course=course,
    )


def test_every_setting_and_trace_has_three_pictures(tmp_path: Path) -> None:
    results = [replayed("wharfage"), replayed("wharfage", seed=2), replayed("hpa-kv"), replayed("oracle")]
    drawn = draw(results, tmp_path / "new")
    names = [each.path.name for each in drawn]
    assert names == [f"all+spot-servegen-m-large-{kind}.png" for kind in ("course", "frontier", "causes")]
    assert all(each.path.read_bytes().startswith(PNG) for each in drawn)
    assert all("all+spot, servegen/m-large" in each.title for each in drawn)


def test_a_policy_without_a_known_minute_or_a_dollar_is_drawn_too(tmp_path: Path) -> None:
    nothing = np.zeros(180)
    course = Course(nothing, nothing, nothing, nothing, nothing, nothing * np.nan, nothing)
    drawn = draw([replace(replayed("keda"), usd=0.0, minutes=0, bad_minutes=0, course=course)], tmp_path)
    assert len(drawn) == 3


def test_the_page_holds_tables_and_pictures_and_needs_nothing_else() -> None:
    report = "## all\n\n**A peer wins**\n\n| policy | USD |\n| --- | ---: |\n| <keda> | 1 |\n"
    text = page("Load & cost", report, [("x", PNG)])
    assert "<title>Load &amp; cost</title>" in text
    assert "<strong>A peer wins</strong>" in text
    assert "<td>&lt;keda&gt;</td>" in text
    assert 'src="data:image/png;base64,iVBORw0KGgo=' in text
    assert "http" not in text
