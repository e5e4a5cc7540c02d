"""Taking the operator away takes no model away."""

from tests.devcluster.cluster import Cluster
from tests.node import models
from tests.node.models import until
from tests.node.release import Release


def test_uninstall_leaves_models_serving_and_their_deletion_needs_no_operator(cluster: Cluster) -> None:
    release = Release(cluster)
    release.install()
    cluster.apply(models.catalog())
    with models.served(cluster, models.deployment("mole", "chat")) as condition:
        models.ready(condition)

        release.uninstall()

        assert release.pods() == []
        assert "llmdeployments.wharfage.dev" in cluster.kubectl("get", "crds", "-o", "name")
        (pod,) = models.pods(cluster, "mole")
        assert pod["status"]["containerStatuses"][0]["ready"]
        cluster.kubectl("-n", "mole", "delete", "llm", "chat", "--wait")
        until("no child left", lambda: models.pods(cluster, "mole"), lambda seen: not seen)
        children = cluster.kubectl(
            "-n", "mole", "get", "deployments,services,poddisruptionbudgets,networkpolicies", "-o", "name"
        )
        assert children.split() == []
