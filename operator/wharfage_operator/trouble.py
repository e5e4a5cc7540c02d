"""What fails now and then, and is said from the second time in a row on: once may be a worker that was started anew."""

from dataclasses import dataclass

_NEWS = 2


@dataclass(slots=True)
class Trouble:
    """Why something failed the last time, and how often it has since it last did not."""

    _why: str = ""
    _times: int = 0

    @property
    def told(self) -> str:
        """Why, where that is worth saying; else empty."""
        return self._why if self._times >= _NEWS else ""

    def failed(self, why: str) -> None:
        """Once more."""
        self._why, self._times = why, self._times + 1

    def over(self) -> None:
        """It did not fail this time."""
        self._times = 0
