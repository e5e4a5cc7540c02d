"""What the ledger books, as counters on the operator's page: they begin when this replica leads, and never fall.

Where another replica has written the ledger meanwhile, what this one charged since its own last write is no part of it
and is charged again: counters wait for it instead of counting it twice.
"""

from prometheus_client import CollectorRegistry, Counter
from wharfage_autoscaler.offers import Market
from wharfage_autoscaler.spend import Account, Served, Spend
from wharfage_autoscaler.tenants import OTHERS

from wharfage_operator.ratchet import Ratchet

MOST_TENANTS = 100
"""Tenants of a deployment that have a series of their own on the page; all others together have one."""

_PARTS = {
    "idle": "machines cost while or where nobody was on them",
    "startup": "were spent between a replica's machine and its first answer",
    "estimated": "rest on a guess",
}


class SpendCounters:
    """All deployments'. Their series stay when a deployment goes: they are of the past."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """The registry that shows them."""
        self._ratchet = Ratchet()
        whose = ["namespace", "name", "team"]
        payer = [*whose, "offer", "market"]

        def counter(name: str, about: str, labels: list[str]) -> Counter:
            return Counter(f"wharfage_{name}", about, labels, registry=registry)

        self._cost = counter("cost", "Dollars spent since this replica leads", [*payer, "currency"])
        self._parts = {
            part: counter(f"{part}_cost", f"Those of them that {about}", payer) for part, about in _PARTS.items()
        }
        about = (
            "Dollars that spot machines cost less than the same ones would have on demand, by the catalogs' prices then"
        )
        self._saved = counter("savings_usd", about, payer)
        self._interruptions = counter("spot_interruptions", "Replicas that ended with their spot machine", payer)
        self._requests = counter("served_requests", "Requests that engines finished", whose)
        kinds = [*whose, "type"]
        self._tokens = counter("tokens", "Tokens: of prompts, of prompts out of the cache, of answers", kinds)
        self._work = counter("work", "What these tokens took the engines, in tokens of answers", kinds)
        about = "Tokens that gateways counted of a tenant: of prompts, cached ones included, and of answers"
        self._tenants = counter("tenant_tokens", about, [*whose, "tenant", "type"])
        self._names: dict[tuple[str, str, str], set[str]] = {}

    def booked(self, account: Account, spend: Spend, *, saved_usd: float = 0.0) -> None:
        """Count what was booked of one account, and what it would have cost more on demand."""
        who = account.payer.namespace, account.payer.name, account.payer.team
        _, offer, market, _ = account.offer
        payer, add = (*who, offer, market.value), self._ratchet.add
        add(self._cost.labels(*payer, "USD"), spend.usd)
        for part, counter in self._parts.items():
            add(counter.labels(*payer), getattr(spend, part))
        if account.offer[2] is Market.SPOT:
            add(self._saved.labels(*payer), saved_usd)
        add(self._interruptions.labels(*payer), spend.interruptions)
        served = spend.served
        add(self._requests.labels(*who), served.requests)
        for kind, (tokens, work) in _by_kind(served).items():
            add(self._tokens.labels(*who, kind), tokens)
            add(self._work.labels(*who, kind), work)
        for name, used in spend.tenants:
            tenant = self._named(who, name)
            add(self._tenants.labels(*who, tenant, "prompt"), used.prompt_tokens)
            add(self._tenants.labels(*who, tenant, "output"), used.output_tokens)

    def _named(self, who: tuple[str, str, str], tenant: str) -> str:
        """The name that a tenant is counted under: those that came first have their own."""
        names = self._names.setdefault(who, set())
        if tenant not in names and len(names) >= MOST_TENANTS:
            return OTHERS
        names.add(tenant)
        return tenant

    def sent(self) -> None:
        """All that was counted is being written."""
        self._ratchet.sent()

    def kept(self) -> None:
        """What was sent is written, whatever was counted since."""
        self._ratchet.kept()

    def dropped(self) -> None:
        """What was counted and is not written never will be as it was charged."""
        self._ratchet.dropped()


def _by_kind(served: Served) -> dict[str, tuple[float, float]]:
    """Tokens and their work; those of prompts without the cached ones, so that each counts once."""
    return {
        "prompt": (served.prompt_tokens - served.cached_tokens, served.prompt_work),
        "cached": (served.cached_tokens, served.cached_work),
        "output": (served.output_tokens, served.output_tokens),
    }
