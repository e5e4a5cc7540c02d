"""One scene and one browser for all tests of the page."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser

from tests.devcluster.cluster import Cluster
from tests.page.browser import Tab, chromium, tab
from tests.page.scene import FLEETS, Scene, scene

Opened = Callable[..., Tab]


@pytest.fixture(scope="session")
def place(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Both fleets, with whom may see what."""
    with scene(cluster, tmp_path_factory.mktemp("page")) as made:
        yield made


@pytest.fixture(scope="session")
def tokens(place: Scene) -> dict[str, str]:
    """Tokens by name: one for each namespace, one that may see everything, one that may see nothing."""
    made = {name: place.account(name) for name in (*FLEETS, "everybody", "nobody")}
    for namespace in FLEETS:
        place.allow(namespace, "llmdeployments", namespace)
    for resource in ("llmdeployments", "llmbudgets"):
        place.allow("everybody", resource)
    return made


@pytest.fixture(scope="session")
def origin(place: Scene) -> str:
    """Where the page of the operator that leads is."""
    return place.start()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with chromium() as started:
        yield started


@pytest.fixture
def opened(browser: Browser, origin: str) -> Iterator[Opened]:
    """Opens tabs on the page; what any of them complains of fails the test."""
    with ExitStack() as tabs:
        made: list[Tab] = []

        def open_tab(token: str = "", *, at: str = origin, **options: object) -> Tab:
            one: Tab = tabs.enter_context(tab(browser, at, **options))  # type: ignore[arg-type]
            made.append(one)
            one.open()
            if token:
                one.sign_in(token)
                one.page.locator("#shown:not([hidden])").wait_for()
            return one

        yield open_tab
        assert [complaint for one in made for complaint in one.complaints] == []
