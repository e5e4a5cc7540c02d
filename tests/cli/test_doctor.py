from datetime import UTC, datetime

import pytest
from wharfage_cli import doctor
from wharfage_cli.doctor import Level
from wharfage_operator.settings import Settings

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def catalog(*, observed_at: str = "2026-11-20T00:00:00Z", obtainable: int | None = 2) -> dict[str, object]:
    status = {} if obtainable is None else {"obtainable": obtainable}
    return {
        "metadata": {"name": "aws"},
        "spec": {"observedAt": observed_at, "offers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]},
        "status": status,
    }


def test_names_each_missing_permission() -> None:
    findings = doctor.access({"get pods": True, "patch deployments.apps": False})
    assert [(f.level, f.message) for f in findings] == [(Level.ERROR, "patch deployments.apps is not allowed")]


def test_says_whose_permissions_were_asked_for() -> None:
    (theirs,) = doctor.access({"get pods": True}, whose="wharfage-system/wharfage")
    assert theirs.message == "all 1 that the operator needs are granted to wharfage-system/wharfage"


def test_what_you_may_not_yourself_is_one_warning() -> None:
    (ours,) = doctor.access({"get pods": False, "list pods": False, "get nodes": True}, whose="you")
    assert ours.level is Level.WARNING
    assert ours.message == "2 of 3 that the operator needs are not allowed to you: get pods, ..."
    assert "--service-account NAMESPACE/NAME" in ours.fix


def test_prices_are_stale_for_it_when_they_are_for_the_operator() -> None:
    assert doctor.PRICES_STALE_AFTER.total_seconds() == Settings().prices_stale_after_s


@pytest.mark.parametrize(
    ("name", "spec", "command"),
    [
        ("aws-us-east-1", {"provider": "aws", "region": "us-east-1"}, "--provider aws --region us-east-1 --apply"),
        ("ours", {"provider": "gcp", "region": "europe-west4"}, "--region europe-west4 --name ours --apply"),
        ("onprem-lab", {"provider": "onprem", "region": "lab"}, "--region lab --from TABLE.csv --apply"),
    ],
)
def test_old_prices_come_with_the_whole_command_that_refreshes_them(
    name: str, spec: dict[str, str], command: str
) -> None:
    old = {"metadata": {"name": name}, "spec": {**spec, "observedAt": "2026-07-20T00:00:00Z"}}
    fixes = [finding.fix for finding in doctor.catalogs([old], datetime(2026, 11, 27, tzinfo=UTC))]
    assert f"`wharfage offers build --provider {spec['provider']} " in fixes[0]
    assert f"{command}`" in fixes[0]


def test_counts_the_permissions_when_all_are_granted() -> None:
    (finding,) = doctor.access({"get pods": True, "list pods": True})
    assert (finding.level, finding.message) == (Level.OK, "all 2 that the operator needs are granted")


def test_a_kind_that_is_not_served_is_an_error_with_the_way_to_install_it() -> None:
    (finding,) = doctor.api({}, {"LLMDeployment": ["spec.model"]})
    assert finding.level is Level.ERROR
    assert "crds.enabled=true" in finding.fix


def test_fields_the_server_does_not_know_are_named() -> None:
    (finding,) = doctor.api({"LLMDeployment": ["spec"]}, {"LLMDeployment": ["spec", "spec.model"]})
    assert finding.level is Level.ERROR
    assert "spec.model" in finding.message


def test_fields_of_a_newer_definition_do_no_harm() -> None:
    (finding,) = doctor.api({"LLMDeployment": ["spec", "spec.later"]}, {"LLMDeployment": ["spec"]})
    assert finding.level is Level.OK


@pytest.mark.parametrize(
    ("lease", "level", "words"),
    [
        pytest.param(None, Level.ERROR, "no operator has ever led", id="no lease"),
        pytest.param({"spec": {"holderIdentity": ""}}, Level.WARNING, "free", id="a released lease"),
        pytest.param(
            {"spec": {"holderIdentity": "a", "renewTime": "2026-11-24T11:00:00.000000Z"}},
            Level.ERROR,
            "for 1 hour",
            id="a lease nobody renews",
        ),
        pytest.param(
            {"spec": {"holderIdentity": "a", "renewTime": "2026-11-24T11:59:58.000000Z"}},
            Level.OK,
            "a leads",
            id="a live lease",
        ),
    ],
)
def test_the_lease_tells_whether_an_operator_lives(lease: dict[str, object] | None, level: Level, words: str) -> None:
    (finding,) = doctor.operator(lease, NOW)
    assert finding.level is level
    assert words in finding.message


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param([], [(Level.WARNING, "there is no OfferCatalog")], id="no catalog"),
        pytest.param(
            [catalog()],
            [(Level.OK, "observed 4 days ago"), (Level.OK, "2 of 3 can be had here")],
            id="fresh and obtainable",
        ),
        pytest.param(
            [catalog(observed_at="2026-01-01T00:00:00Z", obtainable=0)],
            [(Level.WARNING, "observed 327 days ago"), (Level.WARNING, "none of 3 can be had")],
            id="stale and nothing obtainable",
        ),
        pytest.param(
            [catalog(obtainable=None)],
            [(Level.OK, "observed 4 days ago"), (Level.WARNING, "not judged yet")],
            id="no operator has looked yet",
        ),
    ],
)
def test_catalogs_are_judged_by_age_and_by_what_can_be_had(
    found: list[dict[str, object]], expected: list[tuple[Level, str]]
) -> None:
    findings = doctor.catalogs(found, NOW)
    assert [finding.level for finding in findings] == [level for level, _ in expected]
    assert all(words in finding.message for finding, (_, words) in zip(findings, expected, strict=True))
