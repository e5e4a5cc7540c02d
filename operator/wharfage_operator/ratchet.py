"""Counters of what is booked, part of which may be taken back: they wait until it is booked again, and never fall."""

from prometheus_client import Counter


class Ratchet:
    """Each counter shows the most that was ever kept and added to it since."""

    def __init__(self) -> None:
        self._kept: dict[Counter, float] = {}
        self._since: dict[Counter, float] = {}
        self._shown: dict[Counter, float] = {}

    def add(self, counter: Counter, amount: float) -> None:
        """One more charge, which is not kept yet.

        A counter never falls: what is below nothing is made up for before it rises again.
        """
        since = self._since[counter] = self._since.get(counter, 0.0) + amount
        shown, told = self._shown.get(counter, 0.0), self._kept.get(counter, 0.0) + since
        counter.inc(max(0.0, told - shown))
        self._shown[counter] = max(shown, told)

    def kept(self) -> None:
        """All that was added lasts."""
        for counter, since in self._since.items():
            self._kept[counter] = self._kept.get(counter, 0.0) + since
        self._since.clear()

    def dropped(self) -> None:
        """What was added since it was kept last does not last; it may come again."""
        self._since.clear()
