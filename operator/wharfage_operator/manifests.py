"""The objects of one deployment, complete and in the order in which to apply them."""

from typing import Any

from wharfage_api.labels import POOL, TRIAL
from wharfage_api.llmdeployment import LLMDeployment
from wharfage_api.placement import RolloutStrategy
from wharfage_autoscaler.fit import Miss, fit
from wharfage_autoscaler.fleet import Fleet, Pool
from wharfage_autoscaler.model import Variant
from wharfage_autoscaler.reasons import Reason
from wharfage_serving.arguments import arguments

from wharfage_operator.children import (
    ChildSettings,
    Identity,
    disruption_budget,
    engine_files,
    network_policy,
    pod_monitor,
    service,
    service_account,
)
from wharfage_operator.errors import Rejected
from wharfage_operator.plan import intended
from wharfage_operator.platforms import Platform
from wharfage_operator.pod import selector, template
from wharfage_operator.pools import description, pool_hash
from wharfage_operator.replica import Replica
from wharfage_operator.spec import NOTHING, Known, on_trial, untold, wanted
from wharfage_operator.surge import REPLACING, SURGING
from wharfage_operator.vetting import check_arguments, check_image

_HISTORY = 2  # old ReplicaSets kept for kubectl rollout undo

Manifest = dict[str, Any]


def manifests(
    deployment: LLMDeployment,
    uid: str,
    target: Fleet,
    settings: ChildSettings,
    platform: Platform,
    *,
    learned: Known = NOTHING,
) -> tuple[Manifest, ...]:
    """Everything the deployment needs, with an intent hash on each object.

    What pods refer to comes before them. A pool whose variant the spec no longer has, or whose shape is not
    known yet, is left out: it stays as it is until a new pool serves.

    Raises:
        Rejected: for an image outside the allow-list, an argument that the engine would not take, or a pool that
            cannot hold the model.

    """
    check_image(deployment, settings)
    whose = Identity(deployment.metadata.namespace, deployment.metadata.name, uid)
    seen = wanted(deployment, max_num_seqs=settings.max_num_seqs, learned=learned)
    variants = {variant.name: variant for variant in seen.variants if variant.shape is not None}
    tried = {trial.variant for trial in on_trial(deployment)}
    replicas = (
        _replica(deployment, whose, pool, variants[pool.variant], settings=settings, platform=platform)
        for pool in sorted(target.pools, key=lambda pool: pool.key)
        if pool.variant in variants
    )
    objects = (
        service_account(whose),
        engine_files(whose, reads=bool(untold(deployment))),
        service(whose),
        disruption_budget(whose),
        network_policy(whose, settings),
        *(_pool_deployment(replica, tried=replica.pool.variant in tried) for replica in replicas),
        *((pod_monitor(whose),) if settings.pod_monitors else ()),
    )
    return tuple(intended(obj) for obj in objects)


def _replica(
    deployment: LLMDeployment,
    whose: Identity,
    pool: Pool,
    variant: Variant,
    *,
    settings: ChildSettings,
    platform: Platform,
) -> Replica:
    seat = fit(
        variant,
        pool.offer,
        max_model_tokens=deployment.spec.engine.max_model_tokens,
        max_num_seqs=settings.max_num_seqs,
    )
    if isinstance(seat, Miss):
        raise Rejected(Reason.MODEL_DOES_NOT_FIT, seat.message)
    replica = Replica(deployment, whose, pool, variant, seat, settings, platform)
    engine = deployment.spec.engine
    check_arguments(engine.args, arguments(replica.engine), engine.image or settings.engine_image)
    return replica


def _pool_deployment(replica: Replica, *, tried: bool) -> Manifest:
    surge = replica.deployment.spec.rollout.strategy is RolloutStrategy.SURGE
    rolling = dict(SURGING if surge else REPLACING)
    spec = {
        "replicas": replica.pool.replicas,
        "revisionHistoryLimit": _HISTORY,
        "progressDeadlineSeconds": replica.settings.progress_deadline_s,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
        "selector": {"matchLabels": selector(replica)},
        "template": template(replica),
    }
    digest = pool_hash(replica.pool.key)
    obj = replica.whose.child("apps/v1", "Deployment", suffix=f"-{digest}", spec=spec)
    obj["metadata"]["labels"] = {**replica.whose.labels, POOL: digest}
    obj["metadata"]["annotations"] = {POOL: description(replica.pool)} | ({TRIAL: "true"} if tried else {})
    return obj
