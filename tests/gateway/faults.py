"""Ways to break a gateway: a log that is cut, a file that says nonsense."""

import asyncio
from pathlib import Path

from tests.gateway.rig import Rig


def through_relay(rig: Rig) -> "Relay":
    """Has Envoy, before it is started, send its log through a relay."""
    relay = Relay(rig.shared / "relay.sock", Path(rig.options.log_socket))
    log = rig.document["static_resources"]["clusters"][1]
    log["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["pipe"]["path"] = str(relay.path)
    return relay


class Relay:
    """Passes bytes from one unix socket to another, until it is cut."""

    def __init__(self, path: Path, to: Path) -> None:
        self.path, self._to = path, to
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._carried: list[asyncio.StreamWriter] = []
        self._cut = False

    async def open(self) -> None:
        """Pass on from now on."""
        self._cut = False
        self._server = await asyncio.start_unix_server(self._carry, self.path)

    async def close(self) -> None:
        """Cut what is open, and refuse what comes."""
        assert self._server
        self._cut = True
        self._server.close()
        for task in self._tasks:
            task.cancel()
        for each in self._carried:
            each.close()
        self._carried.clear()
        self.path.unlink(missing_ok=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_unix_connection(self._to)
        if self._cut:  # while it was connected
            forth.close()
            writer.close()
            return
        self._carried += (forth, writer)
        for source, target in ((reader, forth), (back, writer)):
            task = asyncio.create_task(_copied(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _copied(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    except ConnectionError:
        pass
    finally:
        target.close()


def renamed(path: Path, text: str) -> None:
    """Put a file in the place of another, as whoever writes for Envoy does."""
    torn = path.with_name("torn.tmp")
    torn.write_text(text, encoding="utf-8")
    torn.replace(path)
