"""How busy the GPUs of deployments are and what power they take, where a Prometheus reads NVIDIA's DCGM exporter.

It is asked three questions a minute. Nothing is decided by the answers: they are shown, on the operator's page and by
`wharfage explain`. Where there is no such exporter they are empty, and nothing is shown.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping

import aiohttp

from wharfage_operator.asked import connected, posed
from wharfage_operator.cache import Cache, owner_of
from wharfage_operator.dcgm import Gpus, Pod, gpus, grown_j, questions, together, words
from wharfage_operator.kinds import PODS, Key
from wharfage_operator.settings import Settings
from wharfage_operator.telemetry import Telemetry

log = logging.getLogger(__name__)
_EVERY_S = 60.0


class Sensors:
    """The last answers, by deployment."""

    def __init__(self, cache: Cache, settings: Settings, telemetry: Telemetry) -> None:
        """The cache says whose a pod is, `settings` where the Prometheus is."""
        self._cache = cache
        self._settings = settings
        self._telemetry = telemetry
        self._pods: Mapping[Pod, Gpus] = {}
        self._found: Mapping[Key, Gpus] = {}

    def told(self, key: Key, tokens_per_second: float | None) -> tuple[str, ...]:
        """A sentence about the GPUs of a deployment whose engines make so many tokens; none where nothing is known."""
        seen = self._found.get(key)
        return () if seen is None else (words(seen, tokens_per_second),)

    async def run(self) -> None:
        """Ask for ever."""
        async with connected(self._settings) as session:
            while True:
                await self.tick(session)
                await asyncio.sleep(_EVERY_S)

    async def tick(self, session: aiohttp.ClientSession) -> None:
        """Ask once. Where one question is not answered nothing is shown until all are."""
        try:
            answers = {name: await posed(session, self._settings, asked) for name, asked in questions().items()}
            seen = gpus(answers)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            log.info("what GPUs do is not known", extra={"error": str(error) or type(error).__name__})
            self._found = {}
        else:
            self._take_in(seen)
        self._telemetry.gpus.show(self._found)

    def _take_in(self, seen: Mapping[Pod, Gpus]) -> None:
        by_key: dict[Key, dict[Pod, Gpus]] = defaultdict(dict)
        for pod, found in seen.items():
            there = self._cache.get(PODS, pod)
            key = owner_of(there) if there is not None else None
            if key is not None:
                by_key[key][pod] = found
                self._telemetry.gpus.used(key, grown_j(self._pods.get(pod), found))
        self._pods = seen
        self._found = {key: both for key, pods in by_key.items() if (both := together(pods)) is not None}
