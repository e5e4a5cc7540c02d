"""The buckets of all tenants: asked before a request is let in, settled when it is over.

A tenant has one per budget that is at such a stage, however many models are under it, and none where no stage asks for
it.
"""

from collections.abc import Iterable

from wharfage_gateway.tokens import Bucket, full, missing_s, portion, reserved, settled
from wharfage_gateway.view import Model, Throttle

Name = tuple[str, str]
"""A budget, or a model's own limit; and a tenant."""


class Allowances:
    """One gateway's part of what each tenant may use."""

    def __init__(self) -> None:
        self.buckets: dict[Name, Bucket] = {}
        self.gateways = 1

    def keep(self, models: Iterable[Model], gateways: int) -> None:
        """Only the buckets that some model still asks for; a stage that comes back begins with full ones."""
        self.gateways = gateways
        budgets = {_budget(model, model.throttle) for model in models if model.throttle is not None}
        self.buckets = {name: bucket for name, bucket in self.buckets.items() if name[0] in budgets}

    def after_s(self, model: Model, tenant: str, tokens: float, now_s: float) -> float:
        """How long until a tenant may use so many tokens of a model; 0 for now, infinite for never."""
        if model.throttle is None:
            return 0.0
        throttle = portion(model.throttle, self.gateways)
        return missing_s(self._bucket(model, throttle, tenant, now_s), throttle, tokens, now_s)

    def reserve(self, model: Model, tenant: str, tokens: float, now_s: float) -> float:
        """Take so many; what was taken, which is nothing where no stage asks for it."""
        if model.throttle is None:
            return 0.0
        throttle = portion(model.throttle, self.gateways)
        bucket = self._bucket(model, throttle, tenant, now_s)
        self.buckets[_budget(model, throttle), tenant] = reserved(bucket, throttle, tokens, now_s)
        return tokens

    def settle(self, model: Model, tenant: str, was_reserved: float, used: float, now_s: float) -> None:
        """Give back what was not used; nothing for a request that came before the stage did."""
        if model.throttle is None or not was_reserved:
            return
        throttle = portion(model.throttle, self.gateways)
        bucket = self._bucket(model, throttle, tenant, now_s)
        self.buckets[_budget(model, throttle), tenant] = settled(bucket, throttle, was_reserved, used, now_s)

    def _bucket(self, model: Model, throttle: Throttle, tenant: str, now_s: float) -> Bucket:
        return self.buckets.get((_budget(model, throttle), tenant)) or full(throttle, now_s)


def _budget(model: Model, throttle: Throttle) -> str:
    """A budget's name; a model's own limit is under a name that no budget has."""
    return throttle.budget or f"model/{model.key}"
