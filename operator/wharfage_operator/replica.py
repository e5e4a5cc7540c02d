"""One replica of a pool as a value: what it serves, on what, started how, and how long it may take to end."""

import math
from dataclasses import dataclass

from wharfage_api.llmdeployment import LLMDeployment
from wharfage_autoscaler.accelerators import accelerator
from wharfage_autoscaler.fit import Fit
from wharfage_autoscaler.fleet import Pool
from wharfage_autoscaler.footprint import UTILIZATION
from wharfage_autoscaler.model import Variant
from wharfage_serving.arguments import Engine

from wharfage_operator.children import ChildSettings, Identity
from wharfage_operator.platforms import Platform
from wharfage_operator.routing import is_gated
from wharfage_operator.spec import revision, served_name
from wharfage_operator.weights import Weights, weights

_MIB = 2**20
_TEARDOWN_S = 10  # an engine that has drained still takes 5 to 6 s to end
_KEEP_ALIVE_S = 6  # 5 s of the engine's own, and one for the endpoint's way to every node


@dataclass(frozen=True, slots=True)
class Grace:
    """How the seconds between the first notice and SIGKILL are spent."""

    total_s: int
    drain_at_least_s: int
    drain_at_most_s: int
    shutdown_s: int


def grace(total_s: int) -> Grace:
    """Split a grace period: most of it drains, what still streams gets up to 30 s, the rest is teardown."""
    teardown_s = min(_TEARDOWN_S, total_s // 3)
    shutdown_s = max(1, min(30, (total_s - teardown_s) // 3))
    at_most_s = max(1, total_s - teardown_s - shutdown_s)
    return Grace(total_s, min(_KEEP_ALIVE_S, at_most_s), at_most_s, shutdown_s)


@dataclass(frozen=True, slots=True)
class Replica:
    """All that one replica's pod is made of."""

    deployment: LLMDeployment
    whose: Identity
    pool: Pool
    variant: Variant
    fit: Fit
    settings: ChildSettings
    platform: Platform

    @property
    def on_cpu(self) -> bool:
        """Whether it runs without an accelerator."""
        return self.pool.offer.accelerator == "CPU"

    @property
    def grace(self) -> Grace:
        """On spot no longer than the platform warns."""
        total_s = self.settings.grace_s
        if self.pool.offer.market == "Spot":
            total_s = min(total_s, self.platform.spot_notice_s)
        return grace(total_s)

    @property
    def weights(self) -> Weights:
        """Where its model comes from."""
        secret = self.deployment.spec.model.credentials_secret
        return weights(self.variant.source, credentials=(secret.name, secret.key) if secret else None)

    @property
    def engine(self) -> Engine:
        """What its engine is started with."""
        facts = accelerator(self.pool.offer.accelerator)
        half = facts is not None and "bfloat16" not in facts.dtypes
        return Engine(
            model=self.weights.model,
            served_name=served_name(self.deployment),
            revision=revision(self.deployment, self.variant.name),
            load_format=self.weights.load_format,
            quantization=self.variant.quantization,
            dtype="float16" if half else "",
            max_model_tokens=self.fit.max_model_tokens,
            max_num_seqs=self.fit.max_num_seqs,
            max_num_batched_tokens=self.fit.max_num_batched_tokens,
            tensor_parallel=1 if self.on_cpu else self.fit.accelerators,
            memory_utilization=UTILIZATION,
            kv_cache_bytes=math.floor(self.fit.kv_gib * 1024) * _MIB if self.on_cpu else 0,
            cores=max(1, math.floor(self.fit.cores)) if self.on_cpu else 0,
            shutdown_timeout_s=self.grace.shutdown_s,
            tells_usage=is_gated(self.deployment),
        )
