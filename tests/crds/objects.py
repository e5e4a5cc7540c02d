"""Builders of the smallest accepted objects; a table's row adds only its subject."""

from typing import Any

Object = dict[str, Any]

SHAPE: Object = {
    "parametersBillions": "8.19",
    "layers": 36,
    "hiddenSize": 4096,
    "ffnSize": 12288,
    "vocabularySize": 151936,
    "attentionHeads": 32,
    "kvHeads": 8,
    "headDimension": 128,
}


def _object(kind: str, name: str, spec: Object) -> Object:
    return {"apiVersion": "wharfage.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def deployment(*, name: str = "chat", **spec: Any) -> Object:
    """An LLMDeployment of one line, with the given parts of the spec."""
    return _object("LLMDeployment", name, {"model": {"source": "hf://Qwen/Qwen3-8B"}, **spec})


def model(source: str = "hf://Qwen/Qwen3-8B", **fields: Any) -> Object:
    """An LLMDeployment of that model."""
    return deployment(model={"source": source, **fields})


def engine(**fields: Any) -> Object:
    """An LLMDeployment with that engine."""
    return deployment(engine=fields)


def shape(**fields: Any) -> Object:
    """An LLMDeployment of a model with that shape."""
    return model(shape=SHAPE | fields)


def variant(name: str = "bf16", quality: str = "1.00", **fields: Any) -> Object:
    """One variant."""
    return {"name": name, "quality": quality, **fields}


def scaling(**fields: Any) -> Object:
    """An LLMDeployment that scales so."""
    return deployment(scaling=fields)


def placement(**fields: Any) -> Object:
    """An LLMDeployment placed so."""
    return deployment(placement=fields)


def spot(**fields: Any) -> Object:
    """An LLMDeployment with that use of spot machines."""
    return placement(spot=fields)


def budget(*, name: str = "search-team", **spec: Any) -> Object:
    """An LLMBudget of 12,000 dollars a month."""
    return _object("LLMBudget", name, {"usd": "12000", **spec})


def stages(*rows: Object) -> Object:
    """An LLMBudget with those stages."""
    return budget(stages=list(rows))


def stage(action: str, at: str, **fields: Any) -> Object:
    """One stage."""
    return {"action": action, "at": at, **fields}


def catalog(*offers: Object, name: str = "aws-us-east-1", **spec: Any) -> Object:
    """An OfferCatalog with those offers."""
    filled = {"provider": "aws", "observedAt": "2026-07-20T00:00:00Z", "offers": list(offers), **spec}
    return _object("OfferCatalog", name, {key: value for key, value in filled.items() if value is not None})


def offer(name: str = "g6e.xlarge", **fields: Any) -> Object:
    """One offer at 1.861 dollars per hour."""
    return {
        "name": name,
        "machine": "g6e.xlarge",
        "accelerator": {"name": "L40S", "count": 1, "memoryGiB": 48},
        "vcpus": 4,
        "memoryGiB": 32,
        "prices": [{"market": "OnDemand", "usdPerHour": "1.861"}],
        **fields,
    }


def priced(**fields: Any) -> Object:
    """An OfferCatalog with one offer at one such price."""
    return catalog(offer(prices=[{"market": "OnDemand", "usdPerHour": "1.861", **fields}]))
