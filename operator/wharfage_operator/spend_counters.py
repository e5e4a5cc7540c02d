"""What the ledger books, as counters on the operator's page: they begin when this replica leads, and never fall."""

from prometheus_client import CollectorRegistry, Counter
from wharfage_autoscaler.spend import Account, Served, Spend

_PARTS = {
    "idle": "machines cost while or where nobody was on them",
    "startup": "were spent between a replica's machine and its first answer",
    "estimated": "rest on a guess",
}


class SpendCounters:
    """All deployments'. Their series stay when a deployment goes: they are of the past."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """The registry that shows them."""
        whose = ["namespace", "name", "team"]
        payer = [*whose, "offer", "market"]

        def counter(name: str, about: str, labels: list[str]) -> Counter:
            return Counter(f"wharfage_{name}", about, labels, registry=registry)

        self._cost = counter("cost", "Dollars spent since this replica leads", [*payer, "currency"])
        self._parts = {
            part: counter(f"{part}_cost", f"Those of them that {about}", payer) for part, about in _PARTS.items()
        }
        self._interruptions = counter("spot_interruptions", "Replicas that ended with their spot machine", payer)
        self._requests = counter("served_requests", "Requests that engines finished", whose)
        kinds = [*whose, "type"]
        self._tokens = counter("tokens", "Tokens: of prompts, of prompts out of the cache, of answers", kinds)
        self._work = counter("work", "What these tokens took the engines, in tokens of answers", kinds)

    def booked(self, account: Account, spend: Spend) -> None:
        """Count what was booked of one account."""
        who = account.payer.namespace, account.payer.name, account.payer.team
        _, offer, market, _ = account.offer
        payer = *who, offer, market.value
        self._cost.labels(*payer, "USD").inc(spend.usd)
        for part, counter in self._parts.items():
            counter.labels(*payer).inc(getattr(spend, part))
        self._interruptions.labels(*payer).inc(spend.interruptions)
        served = spend.served
        self._requests.labels(*who).inc(served.requests)
        for kind, (tokens, work) in _by_kind(served).items():
            self._tokens.labels(*who, kind).inc(tokens)
            self._work.labels(*who, kind).inc(work)


def _by_kind(served: Served) -> dict[str, tuple[float, float]]:
    """Tokens and their work; those of prompts without the cached ones, so that each counts once."""
    return {
        "prompt": (served.prompt_tokens - served.cached_tokens, served.prompt_work),
        "cached": (served.cached_tokens, served.cached_work),
        "output": (served.output_tokens, served.output_tokens),
    }
