"""A real browser, Debian's Chromium without a window, and the page in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize, sync_playwright

from tests.devcluster import debian

CHROMIUM = Path("/usr/lib/chromium/chromium-headless-shell")
WIDE: ViewportSize = {"width": 1280, "height": 900}
PATIENCE_MS = 120_000
"""The page asks every quarter of a minute, and what a user may see holds for half a one."""
PHONE: ViewportSize = {"width": 390, "height": 844}


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; installed first where that may be done. MissingPackagesError where it is missing."""
    debian.require({"chromium-headless-shell": CHROMIUM})
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, timeout=PATIENCE_MS)
        yield browser
        browser.close()


@dataclass
class Tab:
    """A tab with a session of its own, and what went wrong in it: console errors, exceptions, foreign requests."""

    page: Page
    origin: str
    complaints: list[str] = field(default_factory=list)

    def open(self) -> None:
        """Load the page and wait until it has asked who is there."""
        self.page.goto(self.origin)
        self.page.locator("#login:not([hidden]), #shown:not([hidden])").wait_for()

    def sign_in(self, token: str) -> None:
        """Give it a token, as a user does."""
        self.page.get_by_label("Bearer token").fill(token)
        self.page.get_by_role("button", name="Sign in").click()

    def names(self) -> list[str]:
        """The deployments in the table."""
        return [each.split("\n")[0] for each in self.page.locator("td.name").all_inner_texts()]


@contextmanager
def tab(browser: Browser, origin: str, *, size: ViewportSize = WIDE, dark: bool = False) -> Iterator[Tab]:
    """A tab that nothing of another one is known in."""
    context = browser.new_context(viewport=size, color_scheme="dark" if dark else "light")
    context.set_default_timeout(PATIENCE_MS)
    opened = Tab(context.new_page(), origin)
    opened.page.on("console", lambda message: _note(opened, message))
    opened.page.on("pageerror", lambda error: opened.complaints.append(f"exception: {error}"))
    opened.page.on(
        "request",
        lambda request: None if request.url.startswith(origin) else opened.complaints.append(f"asks {request.url}"),
    )
    try:
        yield opened
    finally:
        context.close()


def _note(opened: Tab, message: ConsoleMessage) -> None:
    # A refusal is in the console whatever the page makes of it.
    if message.type == "error" and "Failed to load resource" not in message.text:
        opened.complaints.append(message.text)
