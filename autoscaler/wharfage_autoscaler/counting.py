"""What engines have served since the last look, by hour and payer, from the counters that they tell.

Level-based, as the dollars are: a mark says what an engine had counted when it was last read, so the difference is what
it has done since, however long ago that was and whoever read it. It is spread evenly over the time between, which is
seconds while somebody watches. An engine whose counters fell has started again and counts from zero. One that was not
read before counts from its beginning, which is when its replica was first ready.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from wharfage_autoscaler.metering import Charges, RowOf
from wharfage_autoscaler.spend import NOTHING, Account, Served, Spend
from wharfage_autoscaler.worth import Weights

MOST_PER_S = 10_000_000.0
"""Requests or tokens: no pod does more, and what tells more is not believed."""

Weigh = Callable[[Account], Weights]
"""What tokens are worth on the engines of an account."""


@dataclass(frozen=True, slots=True)
class Counters:
    """Of one engine since it started; tokens of prompts include the cached ones."""

    requests: float = 0.0
    prompt_tokens: float = 0.0
    cached_tokens: float = 0.0
    output_tokens: float = 0.0

    @property
    def all(self) -> tuple[float, float, float, float]:
        """Every one of them."""
        return self.requests, self.prompt_tokens, self.cached_tokens, self.output_tokens

    def since(self, before: "Counters") -> "Counters":
        """What was counted since then; all of it where the engine has started again."""
        grown = Counters(
            self.requests - before.requests,
            self.prompt_tokens - before.prompt_tokens,
            self.cached_tokens - before.cached_tokens,
            self.output_tokens - before.output_tokens,
        )
        return self if min(grown.requests, grown.prompt_tokens, grown.output_tokens) < 0.0 else grown


@dataclass(frozen=True, slots=True)
class Mark:
    """What an engine had counted at a moment (Unix seconds of the ledger's clock), and for whom."""

    account: Account
    at_s: float
    counters: Counters


Marks = Mapping[str, Mark]
"""By the uid of the pod and the engine's name in it: `uid/0`."""


def counted(marks: Marks, seen: Marks, *, there: Collection[str], row_of: RowOf, weigh: Weigh) -> tuple[Marks, Charges]:
    """The marks as they are now, and what was served since the last, by row and account; it costs nothing.

    What is seen of an engine that has no mark yet is all that it has done: `since` says where that begins. `there` are
    the uids of pods that have not gone: a mark of one that cannot be read now is kept.
    """
    charges: Charges = {}
    kept = {key: mark for key, mark in marks.items() if key in seen or key.partition("/")[0] in there}
    for key, now in seen.items():
        before = marks.get(key)
        if before is None or now.at_s <= before.at_s or not all(map(math.isfinite, now.counters.all)):
            continue
        kept[key] = now
        grown = now.counters.since(before.counters)
        seconds = now.at_s - before.at_s
        if max(grown.all) > MOST_PER_S * seconds:
            continue
        for begins_s, share in spread(before.at_s, now.at_s, row_of):
            row = begins_s, now.account
            charges[row] = charges.get(row, NOTHING) + Spend(served=_part(grown, share, weigh(now.account)))
    return kept, charges


def begun(marks: Marks, seen: Marks, since_s: Mapping[str, float]) -> Marks:
    """The marks with one at nought for every engine that is seen first; `since_s` by uid is when its replica began."""
    fresh = {
        key: Mark(now.account, since_s[uid], Counters())
        for key, now in seen.items()
        if key not in marks and (uid := key.partition("/")[0]) in since_s
    }
    return {**marks, **fresh}


def spread(from_s: float, to_s: float, row_of: RowOf) -> Iterator[tuple[float, float]]:
    """The rows that a time lies in, each with its share of it."""
    at_s = from_s
    while at_s < to_s:
        begins_s, next_s = row_of(at_s)
        until_s = min(next_s, to_s)
        yield begins_s, (until_s - at_s) / (to_s - from_s)
        at_s = until_s


def _part(grown: Counters, share: float, weights: Weights) -> Served:
    cached = min(grown.prompt_tokens, max(0.0, grown.cached_tokens))
    return Served(
        requests=share * grown.requests,
        prompt_tokens=share * grown.prompt_tokens,
        cached_tokens=share * cached,
        output_tokens=share * grown.output_tokens,
        prompt_work=share * weights.prompt * (grown.prompt_tokens - cached),
        cached_work=share * weights.cached * cached,
    )
