"""Counters of what is booked, part of which may be taken back: they wait until it is booked again, and never fall.

What is added is sent to where it lasts, and is kept there, or dropped. What is added after that belongs to what is sent
next: an answer may be long in coming.
"""

from prometheus_client import Counter


class Ratchet:
    """Each counter shows the most that was ever kept and added to it since."""

    def __init__(self) -> None:
        self._kept: dict[Counter, float] = {}
        self._sent: dict[Counter, float] = {}
        self._since: dict[Counter, float] = {}
        self._shown: dict[Counter, float] = {}

    def add(self, counter: Counter, amount: float) -> None:
        """One more charge, which is not kept yet.

        A counter never falls: what is below nothing is made up for before it rises again.
        """
        since = self._since[counter] = self._since.get(counter, 0.0) + amount
        shown, told = self._shown.get(counter, 0.0), since + self._sent.get(counter, 0.0) + self._kept.get(counter, 0.0)
        counter.inc(max(0.0, told - shown))
        self._shown[counter] = max(shown, told)

    def sent(self) -> None:
        """All that was added is on its way; what was sent before and is neither kept nor dropped goes with it."""
        _moved(self._since, self._sent)

    def kept(self) -> None:
        """What was sent lasts."""
        _moved(self._sent, self._kept)

    def dropped(self) -> None:
        """What is not kept does not last; it may come again."""
        self._sent.clear()
        self._since.clear()


def _moved(amounts: dict[Counter, float], onto: dict[Counter, float]) -> None:
    for counter, amount in amounts.items():
        onto[counter] = onto.get(counter, 0.0) + amount
    amounts.clear()
