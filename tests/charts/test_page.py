"""The chart's part of the page: nothing unless asked for, then a port, a Service, and two more rights."""

from wharfage_operator.rules import FOR_THE_PAGE, rules
from wharfage_operator.settings import Settings, load

from tests.charts.release import Manifest, of_kind, rendered, the
from tests.charts.test_gateway import operators_environment
from tests.charts.test_permissions import served, wanted

ON = {"page": {"enabled": True}}


def ports(release: tuple[Manifest, ...]) -> dict[str, int]:
    (container,) = the(release, "Deployment")["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each["containerPort"] for each in container["ports"]}


def service(release: tuple[Manifest, ...]) -> Manifest:
    (found,) = (each for each in of_kind(release, "Service") if each["metadata"]["name"] == "wharfage-page")
    return found


def test_by_default_there_is_none() -> None:
    release = rendered()
    assert "page" not in ports(release)
    assert load(operators_environment({})).page_port == 0
    assert not [each for each in release if each["metadata"]["name"].endswith("-page")]


def test_the_service_leads_to_the_port_that_the_operator_serves_it_on() -> None:
    release = rendered(ON)
    assert ports(release)["page"] == load(operators_environment(ON)).page_port != 0
    assert [each["targetPort"] for each in service(release)["spec"]["ports"]] == ["page"]
    labels = the(release, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert service(release)["spec"]["selector"].items() <= labels.items()


def test_the_right_to_ask_who_somebody_is_comes_with_it_alone() -> None:
    more = served(rendered(ON)) - served(rendered())
    assert more == wanted(FOR_THE_PAGE) == wanted(rules(Settings(page_port=8082))) - wanted(rules(Settings()))


def test_who_may_reach_it_is_who_is_named() -> None:
    friends = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}]
    policy = the(rendered({"page": {"enabled": True, "clients": friends}}), "NetworkPolicy")
    rows = {row["ports"][0]["port"]: row.get("from") for row in policy["spec"]["ingress"]}
    assert rows == {"http": None, "page": friends}
