"""What was listed before, so that it can be told again: an API server that lags behind."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

_REMEMBERED = 8


@dataclass(frozen=True, slots=True)
class Told:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Past:
    """The latest answers to each question; a question is an URL and the form that is asked for."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str], deque[Told]] = {}

    def note(self, url: str, accept: str, told: Told) -> None:
        """Remember an answer."""
        self._answers.setdefault((url, accept), deque(maxlen=_REMEMBERED)).append(told)

    def told(self, url: str, accept: str, *, ago: int) -> Told | None:
        """The answer of `ago` lists before this one, or the oldest; None to what was never asked."""
        known = self._answers.get((url, accept))
        return known[max(0, len(known) - ago)] if known else None
