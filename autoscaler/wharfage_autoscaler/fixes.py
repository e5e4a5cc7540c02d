"""What each reason means and what a user can do about it; the docs' table of reasons is written from here."""

from collections.abc import Mapping
from dataclasses import dataclass

from wharfage_autoscaler.reasons import Reason


@dataclass(frozen=True, slots=True)
class Fix:
    """One reason in a sentence, and the next step; an empty `do` means that nothing needs doing."""

    means: str
    do: str = ""


FIXES: Mapping[Reason, Fix] = {
    Reason.ACCEPTED: Fix("The spec is understood and allowed."),
    Reason.SERVING: Fix("Enough replicas answer requests."),
    Reason.STEADY: Fix("What runs is what was decided."),
    Reason.CAPACITY_BOUND: Fix("Every replica has its machine."),
    Reason.PRICES_CURRENT: Fix("The prices of the chosen offers are recent."),
    Reason.MANUAL_REPLICAS: Fix(
        "The count is spec.replicas.", "Change it with `kubectl scale`, or set scaling.mode: Auto."
    ),
    Reason.MIN_REPLICAS: Fix("The count is scaling.minReplicas.", "Raise minReplicas if more should always run."),
    Reason.PINNED: Fix("The count is that of scaling.pin, until it ends.", "Remove scaling.pin to end it now."),
    Reason.RECOMMENDED: Fix("What mode Auto would run now.", "Set scaling.mode: Auto to have it."),
    Reason.ADOPTED: Fix(
        "A Deployment of others is measured and left as it is.", "Take wharfage.dev/adopt away to end it."
    ),
    Reason.CHEAPEST_OFFER: Fix("The cheapest obtainable offer that holds the model was chosen."),
    Reason.KEPT_OFFER: Fix("The present offer is kept: a move would save too little."),
    Reason.DEMAND_SEEN: Fix("The count follows the load of the last minute, with headroom."),
    Reason.DEMAND_FORECAST: Fix("The count follows the load that is forecast for when new replicas would serve."),
    Reason.ALLOTTED: Fix("Offers and markets are those allotted when all deployments were last looked at together."),
    Reason.SPOT_INTERRUPTED: Fix("Spot machines cannot be had at present; others stand in for them."),
    Reason.BUDGET_ALLOTMENT: Fix(
        "The dollars per hour allotted to the deployment hold the count down.", "Raise the budget, or its priority."
    ),
    Reason.BUDGET_STOPPED: Fix(
        "An LLMBudget is at its stage Stop: nothing runs until its period ends.",
        "Raise its dollars, write spec.override, or take the stage Stop out of it.",
    ),
    Reason.MAX_REPLICAS: Fix(
        "scaling.maxReplicas holds the count down.", "Raise maxReplicas if more should be possible."
    ),
    Reason.USD_PER_HOUR_LIMIT: Fix(
        "limits.usdPerHour holds the count down.", "Raise limits.usdPerHour, or allow spot."
    ),
    Reason.ON_TRIAL: Fix(
        "A variant of gateway.split has replicas of its own, for the share of the requests that goes to it.",
        "Take it out of gateway.split to end the trial.",
    ),
    Reason.TRIAL_DENIED: Fix(
        "A variant of gateway.split has no replica: what serves goes first, and answers its share of the requests.",
        "Raise what the message names, or take the variant out of gateway.split.",
    ),
    Reason.AT_ZERO: Fix(
        "Nobody asked for so long that a cold start costs less than a warm replica: nothing runs.",
        "Ask it something (routing: Gateway), or write the annotation wharfage.dev/wake with the time of now; "
        "minReplicas: 1 keeps one.",
    ),
    Reason.WAKING: Fix("It was at zero and was woken; the message says how long that takes.", "Wait."),
    Reason.INVALID_SPEC: Fix("The spec contradicts itself in a way the API server cannot see.", "Follow the message."),
    Reason.CANNOT_ADOPT: Fix(
        "The Deployment that the annotation wharfage.dev/adopt names cannot be looked at.", "Follow the message."
    ),
    Reason.NO_GATEWAY: Fix(
        "routing: Gateway in a namespace that has no gateway.",
        "Install one there (the message has the command), or write routing: Service.",
    ),
    Reason.SERVED_NAME_CONFLICT: Fix(
        "An older deployment of the namespace is called the same by the gateway's clients.",
        "Write another model.servedName, or delete one of the two.",
    ),
    Reason.BUDGET_REQUIRED: Fix(
        "The operator's setting require_budget wants every deployment under an LLMBudget that acts, and this one is "
        "not. Nothing is made for it; what runs of it stays as it is.",
        "Have an LLMBudget with mode: Enforce select it, by its labels or its namespace's.",
    ),
    Reason.UNKNOWN_CATALOG: Fix(
        "placement.catalogs names an OfferCatalog that does not exist.",
        "Correct the name (`kubectl get offers`) or create the catalog.",
    ),
    Reason.READING_MODEL_CONFIG: Fix(
        "A small pod reads the model's config.json, to know its size; the message says from where.",
        "Wait; write model.shape to do without.",
    ),
    Reason.UNKNOWN_SHAPE: Fix(
        "The size of the model is not known, so no machine can be chosen for it; the message says why.",
        "Correct source, revision or token, or write model.shape with the numbers of the model's config.json.",
    ),
    Reason.MODEL_DOES_NOT_FIT: Fix(
        "No accelerator that placement allows holds the weights and their KV cache; the message lists the nearest.",
        "Allow a larger accelerator, write a quantised variant, or lower engine.maxModelTokens.",
    ),
    Reason.CAPACITY_UNAVAILABLE: Fix(
        "Offers hold the model, but this cluster can give none of them now.",
        "Add a node, or a NodePool whose requirements admit one of the offers in the message (`wharfage offers`).",
    ),
    Reason.NAME_CONFLICT: Fix(
        "An object of a child's name belongs to somebody else; it is left alone.",
        "Rename the LLMDeployment, or remove the object the message names.",
    ),
    Reason.IMAGE_NOT_ALLOWED: Fix(
        "engine.image begins with no prefix that the operator's settings allow.",
        "Use an allowed image, or have the prefix added to the chart's values.",
    ),
    Reason.PODS_FORBIDDEN: Fix(
        "Admission refuses the pods; the message has the API server's words.",
        "Change what the policy of the namespace objects to, or have the policy changed.",
    ),
    Reason.QUOTA_EXCEEDED: Fix("A ResourceQuota of the namespace is used up.", "Raise the quota, or lower the count."),
    Reason.SECRET_MISSING: Fix("A Secret or a key of it does not exist.", "Create what the message names."),
    Reason.WAITING_FOR_NODE: Fix("A machine was ordered and is not there yet.", "Wait; see the NodeClaim for trouble."),
    Reason.UNSCHEDULABLE: Fix("The scheduler finds no node; the message has its words.", "Free or add such a node."),
    Reason.PULLING_IMAGE: Fix("The engine's image is being pulled.", "Wait; engine images are several GB."),
    Reason.IMAGE_PULL_FAILED: Fix(
        "The engine's image cannot be pulled.", "Correct engine.image, or write podTemplate.imagePullSecrets."
    ),
    Reason.STARTING_ENGINE: Fix("The engine loads its weights.", "Wait; engine.weightCache shortens this."),
    Reason.ENGINE_FAILED: Fix(
        "The engine ended; the message has its last error.",
        "Correct what it names: source, token, arguments or memory.",
    ),
    Reason.ROLLING_OUT: Fix("Replicas of a new spec replace old ones."),
    Reason.SURGE_WITHOUT_CAPACITY: Fix(
        "No machine came for a new replica beside the old ones; this rollout ends old replicas first.",
        "Add a machine for the time of a rollout, or write rollout.strategy: Replace to lose no time waiting.",
    ),
    Reason.SCALING: Fix("Replicas are being added or removed."),
    Reason.PAUSED: Fix(
        "The annotation wharfage.dev/paused stops every write for this object.", "Remove the annotation to go on."
    ),
    Reason.FORBIDDEN: Fix(
        "The operator lacks a permission; the message names the rule.",
        "Upgrade the chart, or add the rule to its role.",
    ),
    Reason.RECONCILE_ERROR: Fix(
        "The operator failed in a way it did not foresee; it tries again.",
        "Report the message with the operator's log line of the same time.",
    ),
    Reason.NAMESPACE_TERMINATING: Fix("The namespace is being deleted; nothing is created in it."),
    Reason.SCALE_IGNORED: Fix(
        "spec.replicas was written, but scaling.mode: Auto decides the count; or somebody, such as an HPA, scales a "
        "Deployment that belongs to this one: the message names who.",
        "Set scaling.mode: Manual to steer the count by `kubectl scale`, or write scaling.pin for a while; attach "
        "autoscalers to the LLMDeployment in that mode, or delete them.",
    ),
    Reason.NO_METRICS: Fix(
        "The replicas' metrics could not be read.", "Let the operator reach port 8000 of the pods (NetworkPolicy)."
    ),
    Reason.METRICS_FRESH: Fix("The replicas' metrics are recent."),
    Reason.HISTORY_UNREADABLE: Fix(
        "What was known of the load before a restart cannot be read; until then nothing that runs is taken away and "
        "the count does not follow the load.",
        "Mend what the message names; or delete the ConfigMap NAME-history, and the history begins anew.",
    ),
    Reason.FORECAST_DEGRADED: Fix(
        "No forecast could be made lately; the count follows what is measured.",
        "Look at the operator's log for the worker's error; give it memory (the chart's resources) if it was killed.",
    ),
    Reason.DECISION_HELD: Fix(
        "Which machines to use could not be worked out anew; what was decided last holds.",
        "Look at the operator's log for the worker's error; give it memory (the chart's resources) if it was killed.",
    ),
    Reason.OBJECTIVES_MET: Fix("Latency is within its thresholds."),
    Reason.OBJECTIVES_OUT_OF_REACH: Fix(
        "No machine that holds the model meets the objectives even while idle; the message says what the nearest does. "
        "The count cannot follow the load then.",
        "Loosen objectives to what the message names, or allow faster accelerators in placement.",
    ),
    Reason.OBJECTIVES_MISSED: Fix(
        "Latency is above a threshold; the message says by how much.", "Raise maxReplicas or limits, or the threshold."
    ),
    Reason.PRICES_STALE: Fix("The catalog's prices are old.", "Refresh the catalog's prices and its observedAt."),
    Reason.PRICES_UNKNOWN: Fix("No price is known for what runs.", "Add the machine to an OfferCatalog."),
    Reason.NO_BUDGET: Fix("No ceiling in dollars applies.", "Write limits.usdPerHour, or an LLMBudget, for one."),
    Reason.WITHIN_BUDGET: Fix("What is spent, and what is expected, are below every stage that acts."),
    Reason.BUDGET_NOTIFIES: Fix("A budget has reached the share at which it wants to be told."),
    Reason.BUDGET_RESTRICTS: Fix(
        "A budget is at a stage that holds dollars per hour down, so that the money lasts.",
        "Raise its dollars or write spec.override, if the load is worth it.",
    ),
    Reason.BUDGET_SPENT: Fix(
        "A budget is used up: what it selects runs at minReplicas, or not at all at its stage Stop.",
        "Raise its dollars, write spec.override, or wait for the next period.",
    ),
    Reason.BUDGET_OBSERVES: Fix(
        "The budget only reports which stage it would be at.", "Set mode: Enforce to have its stages act."
    ),
    Reason.BUDGET_OVERRIDDEN: Fix("Until the time that is told a budget has other dollars than its own, and why."),
    Reason.NOTHING_SELECTED: Fix(
        "The budget selects no deployment.", "Compare spec.selector and spec.namespaceSelector with their labels."
    ),
    Reason.LEDGER_UNREADABLE: Fix(
        "A ConfigMap of the ledger cannot be read: what is spent is not booked, and budgets are not looked at.",
        "Run the version that wrote it, or save the one that the message names elsewhere and delete it.",
    ),
    Reason.WEBHOOK_FAILS: Fix(
        "A budget's webhook does not take what it is told; the budget itself acts as written.",
        "Mend what the message names: what happened in the last day is told then.",
    ),
    Reason.WITHIN_LIMIT: Fix("The cost is below its ceiling."),
    Reason.LIMIT_REACHED: Fix("The cost is at its ceiling.", "Raise limits.usdPerHour, or accept fewer replicas."),
    Reason.NOT_IMPLEMENTED: Fix(
        "This version does not do it yet; the object is kept and checked.", "Upgrade once it does."
    ),
}
"""A row for every reason; the test of the docs fails on a missing one."""
