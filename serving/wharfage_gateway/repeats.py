"""Clients that ask the same again: a sign that the answer was no use to them.

A request repeats an answer where the same tenant sends the same body to the same model within a minute after that
answer was over, however it ended. What is sent while the first is still under way is no repetition: many answers to
one prompt are asked for so. Kept are 64 bits of each body, never the body.
"""

from collections.abc import Hashable

from wharfage_gateway.asked import Asked

AGAIN_S = 60.0
MOST = 10_000
"""How many answers are remembered; of more the oldest are forgotten first."""

Answered = tuple[str, str]
"""The model's key and the variant that answered."""


class Repeats:
    """Answers that were over lately."""

    def __init__(self, *, again_s: float = AGAIN_S, most: int = MOST) -> None:
        self._again_s = again_s
        self._most = most
        self._over: dict[Hashable, tuple[Answered, float]] = {}

    def over(self, asked: Asked, answered: Answered, now_s: float) -> None:
        """An answer is over; `now_s` is monotonic, as below."""
        same = _same(asked)
        if same is None:
            return
        self._over.pop(same, None)
        self._over[same] = answered, now_s
        if len(self._over) > self._most:
            del self._over[next(iter(self._over))]

    def repeated(self, asked: Asked, now_s: float) -> Answered | None:
        """Whose answer this request repeats; each answer is repeated once. None for none."""
        same = _same(asked)
        answered, ended_s = self._over.pop(same, (None, 0.0)) if same is not None else (None, 0.0)
        return answered if now_s - ended_s <= self._again_s else None


def _same(asked: Asked) -> Hashable:
    """What is equal for equal requests; None where the body is not known."""
    return None if asked.body is None else (asked.tenant, asked.model, asked.body)
