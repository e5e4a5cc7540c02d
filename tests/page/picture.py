"""Takes the picture of the page that the documentation shows: `python -m tests.page.picture docs/howto/page.png`."""

import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.cluster.server import eventually
from tests.conftest import defined
from tests.page.browser import chromium, tab
from tests.page.scene import FLEETS, scene


def main(target: Path) -> None:
    """Bring a scene up, wait until it rests, and take the picture, in as many colours as it needs."""
    with tempfile.TemporaryDirectory() as folder, defined() as cluster, scene(cluster, Path(folder)) as place:
        token = place.account("platform")
        for resource in ("llmdeployments", "llmbudgets"):
            place.allow("platform", resource)
        origin = place.start(identity="wharfage-6d4f9")
        fleet = [(namespace, name) for namespace, names in FLEETS.items() for name in names if name != "summaries"]
        eventually(lambda: all(place.ready(*each) for each in fleet), what="the fleets are ready", within_s=180)
        eventually(lambda: place.blocked("research", "summaries"), what="one waits for a machine", within_s=90)
        with chromium() as browser, tab(browser, origin) as opened:
            opened.open()
            opened.sign_in(token)
            opened.page.get_by_role("button", name="summaries").click()
            opened.page.locator("tr.details li").first.wait_for()
            opened.page.mouse.move(0, 0)
            opened.page.screenshot(path=target, full_page=True)
    Image.open(target).convert("RGB").quantize(160, method=Image.Quantize.FASTOCTREE).save(target, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
