"""The page's colours can be told apart by those who see little: contrasts as WCAG 2.2 counts them."""

import re
from importlib import resources

import pytest

STYLE = resources.files("wharfage_operator").joinpath("page/page.css").read_text("utf-8")
SCHEMES = [dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{([^}]*)\}", STYLE)]


def luminance(colour: str) -> float:
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", SCHEMES, ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["page", "card", "hover"])
@pytest.mark.parametrize(
    ("colour", "least"),
    [("ink", 4.5), ("soft", 4.5), ("bad", 4.5), ("serving", 3.0), ("good", 3.0), ("warn", 3.0), ("focus", 3.0)],
)
def test_contrast(scheme: dict[str, str], ground: str, colour: str, least: float) -> None:
    assert contrast(scheme[colour], scheme[ground]) >= least


def test_there_is_a_light_and_a_dark_one() -> None:
    assert [scheme.keys() for scheme in SCHEMES] == [SCHEMES[0].keys()] * 2
