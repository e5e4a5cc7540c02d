"""How an installed operator is read from its Deployment."""

from wharfage_cli.installation import SELECTOR, Installation, installations

from tests.charts.release import rendered, the


def test_the_charts_own_deployment_tells_its_account_and_the_namespaces_it_serves() -> None:
    everywhere = the(rendered(), "Deployment")
    somewhere = the(
        rendered({"rbac": {"namespaced": True}, "watchNamespaces": ["shop", "search"]}, name="second"), "Deployment"
    )
    assert installations([everywhere, somewhere]) == (
        Installation("wharfage-system/wharfage"),
        Installation("wharfage-system/second-wharfage", ("shop", "search")),
    )


def test_the_selector_finds_the_charts_deployment() -> None:
    labels = the(rendered(), "Deployment")["metadata"]["labels"]
    assert {tuple(part.split("=")) for part in SELECTOR.split(",")} <= set(labels.items())
