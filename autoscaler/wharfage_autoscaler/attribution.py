"""Whose dollars they were, and what a million tokens cost: parts of the ledger that add up to it.

A row of the ledger is an hour of one account. What engines did in it splits its dollars by the time that it took them:
computing prompts, reading the cache, writing answers. Dollars of an hour in which nothing was served are `unused`;
they belong to a team as all others do, and to no token.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from wharfage_autoscaler.ledger import Ledger
from wharfage_autoscaler.spend import NOTHING, Account, Spend

MILLION = 1e6
Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Split:
    """Dollars by what they were for; together they are all there were."""

    prompt: float = 0.0
    cached: float = 0.0
    output: float = 0.0
    unused: float = 0.0

    @property
    def usd(self) -> float:
        """All of them."""
        return self.prompt + self.cached + self.output + self.unused

    def __add__(self, other: "Split") -> "Split":
        """Both together."""
        return Split(
            self.prompt + other.prompt,
            self.cached + other.cached,
            self.output + other.output,
            self.unused + other.unused,
        )


@dataclass(frozen=True, slots=True)
class Share:
    """What belongs to one name: all that was spent and had, and the dollars by what they were for."""

    spend: Spend = NOTHING
    split: Split = Split()

    def __add__(self, other: "Share") -> "Share":
        """Both together."""
        return Share(self.spend + other.spend, self.split + other.split)

    @property
    def usd_per_million_prompt(self) -> float:
        """Dollars per million computed tokens of prompts; NaN where there were none, as below."""
        served = self.spend.served
        return _per_million(self.split.prompt, served.prompt_tokens - served.cached_tokens)

    @property
    def usd_per_million_cached(self) -> float:
        """Dollars per million tokens that the cache had."""
        return _per_million(self.split.cached, self.spend.served.cached_tokens)

    @property
    def usd_per_million_output(self) -> float:
        """Dollars per million tokens of answers."""
        return _per_million(self.split.output, self.spend.served.output_tokens)

    @property
    def usd_per_million(self) -> float:
        """All dollars, unused ones included, per million tokens of any kind."""
        return _per_million(self.spend.usd, self.spend.served.prompt_tokens + self.spend.served.output_tokens)


def split(spend: Spend) -> Split:
    """The dollars of one row by the work that was done for them."""
    served, usd = spend.served, spend.usd
    if served.work <= 0.0:
        return Split(unused=usd)
    prompt, cached = usd * served.prompt_work / served.work, usd * served.cached_work / served.work
    return Split(prompt, cached, usd - prompt - cached)


def attributed(ledger: Ledger, name_of: Callable[[Account], Name]) -> dict[Name, Share]:
    """The ledger by a name of its accounts: a team, a model, a deployment."""
    found: dict[Name, Share] = {}
    for row in ledger.rows.values():
        for account, spend in row.items():
            name = name_of(account)
            found[name] = found.get(name, Share()) + Share(spend, split(spend))
    return found


def shared_out(usd: float, work: Mapping[Name, float]) -> dict[Name, float]:
    """Dollars in proportion to work: among the tenants of a deployment, say. Nobody pays where nobody did any.

    ValueError for work that is negative or not a number.
    """
    for name, amount in work.items():
        if not 0.0 <= amount < math.inf:
            raise ValueError(f"work of {name}: {amount} is no amount; it must be 0 or more")
    total = sum(work.values())
    return {name: usd * (amount / total) for name, amount in work.items()} if total > 0.0 else {}


def in_cents(usd: Iterable[float]) -> list[int]:
    """Amounts as whole cents that add up to their rounded sum: the largest remainders are rounded up.

    So a column of a report adds up to the figure below it.
    """
    exact = [100.0 * amount for amount in usd]
    cents = [math.floor(amount) for amount in exact]
    missing = round(sum(exact)) - sum(cents)
    by_remainder = sorted(range(len(exact)), key=lambda place: cents[place] - exact[place])
    for place in by_remainder[: max(0, missing)]:
        cents[place] += 1
    return cents


def _per_million(usd: float, tokens: float) -> float:
    return usd / tokens * MILLION if tokens > 0.0 else math.nan
