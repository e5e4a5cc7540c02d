"""What tenants have used since the last look, by hour and deployment, from the counters that their gateways tell.

Level-based, as engines' tokens are (`counting.py`): a mark says what a gateway had counted when it was last read, and
lies beside the rows in the ledger. A gateway that starts anew is another one, since its name holds the moment at which
it began; what it has counted since then is new. What a gateway counted before there was a ledger is none of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from wharfage_autoscaler.counting import MOST_PER_S, Mark, spread
from wharfage_autoscaler.metering import HOUR_S, Charges, RowOf
from wharfage_autoscaler.spend import NOTHING, Account, Spend, Used

KEPT_S = 2 * HOUR_S
"""Of a gateway that does not answer for longer nothing is remembered; what it counts meanwhile is never booked.

Each that was there lately is in what is written: a day of rollouts would outgrow the object.
"""

Uses = Mapping[tuple[str, str], Used]
"""By the name of the deployment and of the tenant."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one gateway of a namespace had counted at a moment, since it began (Unix seconds of the ledger's clock)."""

    namespace: str
    began_s: float
    at_s: float
    uses: Uses


Usages = Mapping[str, Usage]
"""By a name that no other gateway has, and none that begins anew."""

_Mark = TypeVar("_Mark", Mark, Usage)


def used(
    marks: Usages, seen: Usages, accounts: Mapping[tuple[str, str], Account], *, since_s: float, row_of: RowOf
) -> tuple[Usages, Charges]:
    """The marks as they are now, and what was used since the last, by row and account; it costs nothing.

    `accounts` are where a deployment (namespace, name) is booked now; of one that is not there nothing is. `since_s` is
    since when there is a ledger.
    """
    charges: Charges = {}
    now_s = max((each.at_s for each in seen.values()), default=0.0)
    kept = {name: mark for name, mark in marks.items() if mark.at_s > now_s - KEPT_S}
    for name, now in seen.items():
        before = marks.get(name) or _begun(now, since_s)
        if now.at_s <= before.at_s and before is not now:
            continue
        kept[name] = now
        for (deployment, tenant), amount in _grown(before.uses, now.uses):
            account = accounts.get((now.namespace, deployment))
            if account is None or max(amount.requests, amount.tokens) > MOST_PER_S * (now.at_s - before.at_s):
                continue
            for begins_s, share in spread(before.at_s, now.at_s, row_of):
                row, part = (begins_s, account), Spend(tenants=((tenant, _times(share, amount)),))
                charges[row] = charges.get(row, NOTHING) + part
    return kept, charges


def shifted(marks: Mapping[str, _Mark], delta_s: float) -> dict[str, _Mark]:
    """Marks of gateways, or of engines, on a clock that was set by so many seconds."""
    return {name: replace(mark, at_s=mark.at_s + delta_s) for name, mark in marks.items()}


def _begun(now: Usage, since_s: float) -> Usage:
    """What one that is read first had counted when the ledger could first have known: nothing, if it is new."""
    if now.began_s >= max(since_s, now.at_s - KEPT_S):
        return replace(now, at_s=min(now.began_s, now.at_s), uses={})
    return now


def _grown(before: Uses, now: Uses) -> Iterator[tuple[tuple[str, str], Used]]:
    """What has come to each; counters of one gateway only grow."""
    for key, after in now.items():
        was = before.get(key, Used())
        grown = Used(
            max(0.0, after.requests - was.requests),
            max(0.0, after.prompt_tokens - was.prompt_tokens),
            max(0.0, after.output_tokens - was.output_tokens),
        )
        if grown != Used():
            yield key, grown


def _times(share: float, amount: Used) -> Used:
    return Used(share * amount.requests, share * amount.prompt_tokens, share * amount.output_tokens)
