"""What one request asks of a replica, on average."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Traffic:
    """Means per request.

    `prefix_hit_share` of the prompt's tokens are in the prefix cache: they occupy it, and are not computed again.
    `prompt_cv` is the coefficient of variation of the prompt's length (0: all the same; 1: as an exponential).
    Raises `ValueError` naming the field that no traffic can have.
    """

    prompt_tokens: float
    output_tokens: float
    prefix_hit_share: float = 0.0
    prompt_cv: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what would make every later number nonsense."""
        _between("prompt_tokens", self.prompt_tokens, 1, 1e8)
        _between("output_tokens", self.output_tokens, 1, 1e8)
        _between("prefix_hit_share", self.prefix_hit_share, 0, 1)
        _between("prompt_cv", self.prompt_cv, 0, 1e3)

    @property
    def cached_tokens(self) -> float:
        """Tokens of a prompt that need no computing."""
        return self.prompt_tokens - self.computed_tokens

    @property
    def computed_tokens(self) -> float:
        """The others; the last one always is, since the first output token follows from it."""
        return max(self.prompt_tokens * (1.0 - self.prefix_hit_share), 1.0)

    @property
    def resident_tokens(self) -> float:
        """Tokens that a decoding sequence holds in the cache, on average over its life."""
        return self.prompt_tokens + self.output_tokens / 2


def _between(name: str, value: float, least: float, most: float) -> None:
    if not (math.isfinite(value) and least <= value <= most):
        raise ValueError(f"traffic: {name} must be between {least:g} and {most:g}, found {value!r}")
