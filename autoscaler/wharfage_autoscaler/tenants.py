"""Whose dollars they were among the tenants of a gateway: parts of the ledger that add up to it.

Engines know no tenants, and gateways neither what a token took nor what the cache had. So what engines did in an hour
is shared out: what prompts took, cached or not, by the prompt tokens that gateways counted of each tenant, what answers
took by their tokens. Dollars follow, idle ones as well. So the weights are those of the hour, of the deployment's own
calibrated engines. What engines did beyond that came past the gateways, and belongs to no tenant; of an hour in which
nothing was served there is nobody to pay.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from wharfage_autoscaler.ledger import Ledger, total
from wharfage_autoscaler.spend import Account, Served, Spend, Tenants, Used
from wharfage_autoscaler.worth import USUAL

NO_TENANT = "(no tenant)"
NOTHING_SERVED = "(nothing served)"
OTHERS = "(others)"
MOST = 20
"""Tenants that a row of the ledger names; what those with fewer tokens had is that of `OTHERS`."""

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class _Shares:
    """One tenant's of the requests, of the prompts and of the answers of an hour; 0 to 1."""

    requests: float
    prompt: float
    output: float

    def work(self, served: Served) -> float:
        """Its share of the work, 0 to 1."""
        prompts = served.prompt_work + served.cached_work
        return (self.prompt * prompts + self.output * served.output_tokens) / served.work

    def has_of(self, served: Served) -> bool:
        """Whether it has more than a rounding of anything that there is."""
        prompts = served.prompt_tokens + served.cached_tokens + served.prompt_work + served.cached_work
        parts = ((self.requests, served.requests), (self.prompt, prompts), (self.output, served.output_tokens))
        return any(share > _ROUNDING and amount > 0.0 for share, amount in parts)


def by_tenant(ledger: Ledger) -> dict[str, Ledger]:
    """The ledger by `NAMESPACE/TENANT`, `NO_TENANT` and `NOTHING_SERVED`; together the parts are all of it.

    A tenant's name is worth nothing outside of its namespace, whose Secrets have the keys.
    """
    found: dict[str, dict[float, dict[Account, Spend]]] = {}
    for begins_s, row in ledger.rows.items():
        for ours in _by_payer(row).values():
            for name, account, spend in _divided(ours):
                found.setdefault(name, {}).setdefault(begins_s, {})[account] = spend
    return {name: Ledger(rows) for name, rows in found.items()}


def fewer(tenants: Tenants, most: int = MOST) -> Tenants:
    """At most so many, those with the most tokens; all others together are `OTHERS`, but for who had no key."""
    if len(tenants) <= most:
        return tenants
    kept: dict[str, Used] = {name: used for name, used in tenants if not name}
    known = sorted(
        (each for each in tenants if each[0] not in ("", OTHERS)), key=lambda each: (-each[1].tokens, each[0])
    )
    kept |= dict(known[: max(0, most - 1 - len(kept))])
    return tuple(sorted({**kept, OTHERS: sum((used for name, used in tenants if name not in kept), Used())}.items()))


def _by_payer(row: Mapping[Account, Spend]) -> dict[str, dict[Account, Spend]]:
    found: dict[str, dict[Account, Spend]] = {}
    for account, spend in row.items():
        found.setdefault(account.payer.uid, {})[account] = spend
    return found


def _divided(ours: Mapping[Account, Spend]) -> Iterator[tuple[str, Account, Spend]]:
    """One deployment's hour."""
    whole = total(ours.values())
    told = sum((used for _, used in whole.tenants), Used())
    did = whole.served if whole.served.work > 0.0 else _by_gateways(told)
    if did.work <= 0.0:
        yield from ((NOTHING_SERVED, account, spend.alone) for account, spend in ours.items())
        return
    shares = {name: _shares(used, told, did) for name, used in whole.tenants if name}
    rest = _rest(shares.values())
    for account, spend in ours.items():
        basis = spend.served if spend.served.work > 0.0 else did
        parts = {name: each.work(basis) for name, each in shares.items()}
        for name, part in parts.items():
            yield f"{account.payer.namespace}/{name}", account, _part(spend, part, shares[name])
        left = 1.0 - sum(parts.values())
        if left > _ROUNDING or rest.has_of(spend.served):
            yield NO_TENANT, account, _part(spend, left, rest)


def _by_gateways(told: Used) -> Served:
    """What engines did that nobody has read, as gateways tell it."""
    prompt, output = told.prompt_tokens, told.output_tokens
    return Served(told.requests, prompt, 0.0, output, prompt_work=USUAL.prompt * prompt)


def _shares(used: Used, told: Used, did: Served) -> _Shares:
    """Gateways and engines count at other moments: who has counted more is right for the hour."""
    return _Shares(
        _of(used.requests, told.requests, did.requests),
        _of(used.prompt_tokens, told.prompt_tokens, did.prompt_tokens),
        _of(used.output_tokens, told.output_tokens, did.output_tokens),
    )


def _of(part: float, told: float, did: float) -> float:
    whole = max(told, did)
    return part / whole if whole > 0.0 else 0.0


def _rest(shares: Iterable[_Shares]) -> _Shares:
    """What is left for those who are no tenants; all of what nobody has counted."""
    named = tuple(shares)
    return _Shares(
        max(0.0, 1.0 - sum(each.requests for each in named)),
        max(0.0, 1.0 - sum(each.prompt for each in named)),
        max(0.0, 1.0 - sum(each.output for each in named)),
    )


def _part(spend: Spend, part: float, shares: _Shares) -> Spend:
    served, part = spend.served, max(0.0, part)  # a rounding below nothing is nothing
    return Spend(
        serving=part * spend.serving,
        idle=part * spend.idle,
        startup=part * spend.startup,
        estimated=part * spend.estimated,
        replica_hours=part * spend.replica_hours,
        machine_hours=part * spend.machine_hours,
        interruptions=part * spend.interruptions,
        served=Served(
            shares.requests * served.requests,
            shares.prompt * served.prompt_tokens,
            shares.prompt * served.cached_tokens,
            shares.output * served.output_tokens,
            shares.prompt * served.prompt_work,
            shares.prompt * served.cached_work,
        ),
    )
